"""What a build has finished, block by block; a killed one goes on from there."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from m2m_rt.adapters.file_lock import locked
from m2m_rt.errors import ConfigError
from m2m_rt.fem.code_hash import OF_NUMBERS, code_sha256
from m2m_rt.units import F64

Arrays = tuple[F64, ...]

_DIGEST_BYTES = 32
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """Arrays by name, each a `.npy` file with a hash of key, name and content behind.

    A block is written under another name and then renamed, so a kill leaves whole
    blocks only; one that was damaged since, or made from other inputs, counts as not
    there.
    """

    folder: Path
    key: str
    """Of the inputs and the code that the blocks follow from."""

    def part(self, name: str, *inputs: object) -> "WorkFolder":
        """Return the folder in this one of a part that follows from further inputs."""
        key = hashlib.sha256(f"{self.key} {inputs_sha256(*inputs)}".encode())
        return WorkFolder(
            self.folder / f"{name}-{key.hexdigest()[:16]}", key.hexdigest()
        )

    def read(self, name: str) -> F64 | None:
        """Return a block, or None where there is no whole one of this key."""
        try:
            content = self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        array, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if self._digest(name, array) != digest:
            return None
        found: F64 = np.load(BytesIO(array), allow_pickle=False)
        return found

    def view(self, name: str) -> F64:
        """Return a block that has been read or written before, mapped from its file."""
        mapped: F64 = np.load(self._path(name), mmap_mode="r", allow_pickle=False)
        return mapped

    def write(self, name: str, array: F64) -> None:
        """Keep a block; it is whole on the disk when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = BytesIO()
        np.save(buffer, array, allow_pickle=False)
        content = buffer.getbuffer()
        path = self._path(name)
        unfinished = path.with_suffix(f".part{os.getpid()}")
        with unfinished.open("wb") as file:
            file.write(content)
            file.write(self._digest(name, content))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)

    def drop(self, prefix: str) -> None:
        """Delete the blocks that nothing needs any more."""
        for path in self.folder.glob(f"{prefix}*"):
            path.unlink(missing_ok=True)

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keep others out: two builds in one folder would delete each other's blocks.

        Raises
        ------
        ConfigError
            If another process is building here.
        """
        return locked(self.folder / _LOCK, "wait for that build, or another --cache")

    def remove(self) -> None:
        """Delete the whole folder, once the table is written.

        It stays where another build has begun in it.
        """
        with contextlib.suppress(ConfigError), self.locked():
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path.name != _LOCK:
                    path.unlink(missing_ok=True)
            (self.folder / _LOCK).unlink(missing_ok=True)
            self.folder.rmdir()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def _digest(self, name: str, content: bytes | memoryview) -> bytes:
        digest = hashlib.sha256(f"{self.key} {name} ".encode())
        digest.update(content)
        return digest.digest()


def work_folder(cache: Path, *inputs: object) -> WorkFolder:
    """Return the folder in the cache of a build that follows from the inputs."""
    key = inputs_sha256(np.__version__, code_sha256(OF_NUMBERS), *inputs)
    return WorkFolder(cache / f"work-{key[:16]}", key)


def inputs_sha256(*inputs: object) -> str:
    """Return a hash of numbers, text, arrays, or dataclasses and tuples of these."""
    digest = hashlib.sha256()
    _add(digest, inputs)
    return digest.hexdigest()


def kept(
    work: WorkFolder | None, names: tuple[str, ...], make: Callable[[], Arrays]
) -> Arrays:
    """Return a stage's arrays from the folder, or made now and kept in it.

    Parameters
    ----------
    work
        None: nothing is kept.
    """
    if work is None:
        return make()
    found = [each for each in map(work.read, names) if each is not None]
    if len(found) == len(names):
        return tuple(found)
    made = make()
    for name, array in zip(names, made, strict=True):
        work.write(name, array)
    return made


@contextlib.contextmanager
def temporary_work() -> Iterator[WorkFolder]:
    """Yield a folder that does not outlive its use."""
    with tempfile.TemporaryDirectory(prefix="m2m-work-") as folder:
        yield WorkFolder(Path(folder), "")


def _add(digest: "hashlib._Hash", value: object) -> None:
    """Add a value with its type's name, so that no two inputs read the same."""
    digest.update(type(value).__name__.encode() + b"(")
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value):
        for each in fields(value):
            _add(digest, (each.name, getattr(value, each.name)))
    elif isinstance(value, tuple | list):
        for part in value:
            _add(digest, part)
    elif isinstance(value, dict):
        _add(digest, sorted(value.items()))
    else:
        digest.update(repr(value).encode())
    digest.update(b")")
