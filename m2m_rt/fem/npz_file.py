"""Reads `.npz` files that others have made: numbers and texts, never objects."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_rt.errors import ConfigError, DataError

MAX_BYTES = 16 * 1024**3

Arrays = dict[str, npt.NDArray[Any]]


def read_npz(path: Path, expected: str) -> Arrays:
    """Return the arrays of a file of bounded size.

    Parameters
    ----------
    expected
        What the file should be, for the message if there is none.

    Raises
    ------
    ConfigError
        If there is no such file.
    DataError
        If it is damaged, or unpacks to more than any such file holds.
    """
    if not path.is_file():
        raise ConfigError(str(path), "no file", expected)
    try:
        with zipfile.ZipFile(path) as members:
            unpacked = sum(member.file_size for member in members.infolist())
        if unpacked > MAX_BYTES:
            raise DataError(f"{path}: unpacks to {unpacked} bytes; refused")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    # What NumPy raises on a damaged file depends on where it is damaged.
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as err:
        raise DataError(f"{path}: cannot be read ({err})") from err


def write_npz(arrays: Arrays, path: Path) -> None:
    """Write arrays, replacing the file at once."""
    partial = path.with_name(f"{path.name}.part")
    members: dict[str, Any] = dict(arrays)
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **members)
    partial.replace(path)


def checked_numbers(
    found: Arrays, name: str, shape: tuple[int | None, ...], path: Path
) -> npt.NDArray[np.float64]:
    """Return an array of finite numbers of a shape; None stands for any length.

    Raises
    ------
    DataError
        If it is not there, or is something else.
    """
    array = found.get(name)
    is_fitting = (
        array is not None
        and array.dtype.kind == "f"
        and array.ndim == len(shape)
        and all(n is None or n == m for n, m in zip(shape, array.shape, strict=True))
    )
    if array is None or not is_fitting:
        raise DataError(f"{path}: {name}: expected numbers of shape {shape}")
    if not np.isfinite(array).all():
        raise DataError(f"{path}: {name}: found NaN or infinity")
    return array.astype(np.float64)
