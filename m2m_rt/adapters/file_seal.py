"""A seal before an HDF5 file's content: damage is told before HDF5 looks at it.

HDF5's library can loop for ever on a damaged file. So the file begins with a user
block, which HDF5 skips and every reader allows: a line that names what the file is,
and the SHA-256 of all bytes behind the block.
"""

import hashlib
from pathlib import Path

from m2m_rt.errors import DataError

BLOCK_BYTES = 512
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_READ_AT_ONCE = 1024**2


def seal(path: Path, title: str) -> None:
    """Write the seal of a finished HDF5 file that was made with a user block."""
    text = (
        f"{title}\nsha256 {_sha256_behind(path)}\nHDF5 begins at byte {BLOCK_BYTES}\n"
    )
    with path.open("r+b") as file:
        file.write(text.encode("ascii").ljust(BLOCK_BYTES, b"\0"))


def check_seal(path: Path, title: str) -> None:
    """Check that a file is whole; files made before there were seals pass.

    Raises
    ------
    DataError
        If it is neither, or not as it was when it was sealed.
    """
    with path.open("rb") as file:
        block = file.read(BLOCK_BYTES)
    if block.startswith(HDF5_SIGNATURE):
        return
    lines = block.split(b"\n")
    if lines[0] != title.encode("ascii") or len(lines) < 2:
        raise DataError(
            f"{path}: cannot be read as {title}: its beginning is another's"
        )
    if lines[1] != f"sha256 {_sha256_behind(path)}".encode("ascii"):
        raise DataError(
            f"{path}: cannot be read: the file has changed since it was written, or "
            "it was cut short"
        )


def _sha256_behind(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(BLOCK_BYTES)
        while part := file.read(_READ_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()
