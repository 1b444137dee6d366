"""The seal of a shipped model's folder: SHA256SUMS, as `sha256sum -c` reads it.

The manifest holds the hashes of the model and its golden pair; this file holds the
manifest's own and the card's, so that no changed bit of any file goes unseen.
"""

import hashlib
from pathlib import Path

from m2m_rt.errors import ModelRefused

SUMS_FILE = "SHA256SUMS"

_MANIFEST = "manifest.toml"


def write_sums(folder: Path) -> None:
    """Write the hashes of all files of a model's folder."""
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_file() and path.name != SUMS_FILE
    )
    text = "".join(f"{_sha256(folder / name)}  {name}\n" for name in names)
    (folder / SUMS_FILE).write_bytes(text.encode())


def check_sums(folder: Path) -> None:
    """Check every file that is listed; folders made before there were sums pass.

    Raises
    ------
    ModelRefused
        If a listed file is missing or changed, or the manifest is not listed.
    """
    path = folder / SUMS_FILE
    if not path.is_file():
        return
    listed = _read(path)
    if _MANIFEST not in listed:
        raise ModelRefused(f"{path}: does not list {_MANIFEST}")
    for name, expected in listed.items():
        if Path(name).name != name or not (folder / name).is_file():
            raise ModelRefused(f"{path}: lists {name!r}, which is not there")
        if _sha256(folder / name) != expected:
            raise ModelRefused(f"{folder / name}: sha256 is not that of {SUMS_FILE}")


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_bytes().decode("ascii").splitlines()
    except UnicodeDecodeError as err:
        raise ModelRefused(f"{path}: {err}") from err
    listed = {}
    for line in lines:
        digest, separator, name = line.partition("  ")
        if not separator or not name:
            raise ModelRefused(f"{path}: {line!r} is no hash and name")
        listed[name] = digest
    return listed


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
