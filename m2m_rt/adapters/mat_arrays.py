"""All arrays of numbers in a MATLAB file, version 5 or 7.3 (HDF5)."""

import zlib
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from m2m_rt.errors import ConfigError, DataError
from m2m_rt.units import F64

UNREADABLE_MAT = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    NotImplementedError,
    LookupError,
    RuntimeError,
    MemoryError,
    zlib.error,
    scipy.io.matlab.MatReadError,
)
"""What the readers raise on a damaged file."""


_NUMERIC_CLASSES = {
    *("double", "single", "logical"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}


def read_mat_arrays(path: Path) -> dict[str, F64]:
    """Return the file's real arrays by name, each as MATLAB shows it.

    Raises
    ------
    ConfigError
        If there is no such file.
    DataError
        If it cannot be read.
    """
    if not path.is_file():
        raise ConfigError(str(path), "no such file", "a .mat file")
    try:
        arrays = _read_hdf5(path) if h5py.is_hdf5(path) else scipy.io.loadmat(path)
    except UNREADABLE_MAT as err:
        raise DataError(f"{path}: cannot be read as a MATLAB file ({err})") from err
    return {
        name: np.asarray(values, dtype=np.float64)
        for name, values in arrays.items()
        if not name.startswith("_") and np.asarray(values).dtype.kind in "fiu"
    }


def _read_hdf5(path: Path) -> dict[str, object]:
    """Return the arrays of the file's root; HDF5 holds MATLAB's axes in reverse."""
    with h5py.File(path, "r") as file:
        return {
            name: _as_shown(item)
            for name, item in file.items()
            if isinstance(item, h5py.Dataset) and _is_numeric(item)
        }


def _as_shown(item: h5py.Dataset) -> object:
    """Return an array as MATLAB shows it; of an empty one the file holds the shape."""
    values = np.asarray(item[()])
    is_empty = bool(item.attrs.get("MATLAB_empty", 0))
    return np.zeros(values.astype(np.int64).ravel()) if is_empty else values.T


def _is_numeric(item: h5py.Dataset) -> bool:
    """Return False for MATLAB's texts, cells and objects, which HDF5 has as numbers."""
    kind = item.attrs.get("MATLAB_class")  # None: another program's file
    name = kind.decode("ascii", "replace") if isinstance(kind, bytes) else kind
    return name is None or name in _NUMERIC_CLASSES
