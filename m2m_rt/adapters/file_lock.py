"""A lock that a file stands for; the system gives it back when its process dies."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from m2m_rt.adapters.host import take_lock
from m2m_rt.errors import ConfigError


@contextlib.contextmanager
def locked(path: Path, expected: str) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is not there.

    Parameters
    ----------
    expected
        What the person who finds it taken should do, for the message.

    Raises
    ------
    ConfigError
        If another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        # One that was waiting to be deleted locks nobody out.
        if not take_lock(file.fileno()) or not _is_at(path, file.fileno()):
            raise ConfigError(str(path), "in use by another process", expected)
        yield


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
