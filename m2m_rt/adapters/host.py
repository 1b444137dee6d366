"""The one module that may call what only POSIX has; each call has a portable form."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MCL_CURRENT_FUTURE_ONFAULT = 1 | 2 | 4
"""Linux: all pages now and later, each from when it is first used."""


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
    """Let other processes go first: for what is to be ready some time soon."""
    if hasattr(os, "nice"):
        os.nice(10)


def lowest_priority() -> None:
    """Take only what others leave: for long work beside a running session.

    On Linux a waking process is then put on this one's processor as if that were idle,
    and this one's disk requests wait for all others'.
    """
    if hasattr(os, "nice"):
        os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def lock_memory() -> bool:
    """Keep what this process touches in memory, where that is allowed without limit.

    Pages of programs and tables can otherwise be taken away while nobody uses them, and
    reading them back from a busy disk takes a real-time process tens of milliseconds.
    Under a limit nothing is locked: what is asked for beyond it would be refused.
    """
    try:
        import resource
    except ImportError:
        return False  # Windows
    limits = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limits[0] != resource.RLIM_INFINITY and os.geteuid() != 0:
        return False
    lock_all = getattr(ctypes.CDLL(None), "mlockall", None)
    return lock_all is not None and lock_all(_MCL_CURRENT_FUTURE_ONFAULT) == 0


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
