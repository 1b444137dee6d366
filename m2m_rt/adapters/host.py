"""The one module that may call what only POSIX has; each call has a portable form."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sync_file(descriptor: int) -> None:
    """Wait until what was written to an open file is on the disk.

    Raises
    ------
    OSError
        If the disk could not take it.
    """
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until a folder's list of names is on the disk, where that can be asked."""
    if not hasattr(os, "O_DIRECTORY"):
        return  # Windows: a folder cannot be opened, and NTFS journals its names
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; return False if another process has it.

    A file system without locks lets everybody in.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        return not isinstance(err, BlockingIOError)
    return True


def kill_process(pid: int) -> None:
    """End a process at once, without giving it a chance to tidy up.

    Raises
    ------
    ProcessLookupError
        If there is no such process.
    """
    # Windows has no SIGKILL: there SIGTERM is TerminateProcess, which is the same.
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def ignore_interrupt() -> None:
    """Let Ctrl-C be handled by the supervisor alone; it reaches its children too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def lower_priority() -> None:
    """Let every other process go first: for long work beside a running session."""
    if hasattr(os, "nice"):
        os.nice(10)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let nobody who is impatient cut short what ends by itself soon."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def stop_on_request() -> None:
    """Let Ctrl-C, or a service manager's request to end, raise KeyboardInterrupt.

    A shell starts background jobs deaf to Ctrl-C; this hears it again.
    """
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, signal.default_int_handler)
