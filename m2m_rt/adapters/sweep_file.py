"""Stored EMG sweeps: MATLAB .mat (version 5 and HDF5), .npy, .npz and .csv."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import scipy.io

from m2m_rt.adapters.mat_arrays import UNREADABLE_MAT
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.units import F64

_UV_PER_UNIT = {"V": 1e6, "mV": 1e3, "uV": 1.0, "µV": 1.0, "μV": 1.0, "nV": 1e-3}

_UNREADABLE = (*UNREADABLE_MAT, zipfile.BadZipFile)
"""What the readers raise on a damaged file."""


@dataclass(frozen=True, slots=True)
class SweepLayout:
    """What a file of sweeps does not say about itself."""

    fs_hz: float
    unit: str
    """V, mV, uV (or µV) or nV."""

    variable: str | None = None
    """Name in a .mat or .npz; a path in HDF5. None: the only array there is."""

    time_axis: int | None = None
    """As the file stores it (in HDF5 MATLAB's order is reversed). None: the longest."""


@dataclass(frozen=True, slots=True)
class Sweeps:
    """Sweeps of one muscle."""

    samples_uv: F64
    """Shape (n_sweeps, n_samples); the other axes flattened, the last one fastest."""

    fs_hz: float

    other_shape: tuple[int, ...]
    """Lengths of the axes other than time, as stored; (15, 10): 15 sweeps × 10."""

    variable: str
    """Where in the file they were; empty in a .npy or .csv."""


def read_sweeps(path: Path, layout: SweepLayout) -> Sweeps:
    """Return the sweeps of a file.

    Raises
    ------
    ConfigError
        If the layout does not fit the file, or there is none.
    DataError
        If the file cannot be read.
    """
    if layout.unit not in _UV_PER_UNIT:
        raise ConfigError("unit", layout.unit, "one of V, mV, uV, nV")
    if not (np.isfinite(layout.fs_hz) and layout.fs_hz > 0):
        raise ConfigError("fs", f"{layout.fs_hz:g} Hz", "a rate above 0")
    _require_file(path)
    array, variable = _read(path, layout.variable)
    where = f"{path}: {variable}" if variable else str(path)
    axis = _time_axis(array, layout.time_axis, where)
    last = np.moveaxis(array, axis, -1)  # (..., n_samples)
    samples = last.reshape(-1, last.shape[-1]).astype(np.float64)
    samples_uv = samples * _UV_PER_UNIT[layout.unit]
    return Sweeps(samples_uv, layout.fs_hz, last.shape[:-1], variable)


def read_values(path: Path, variable: str) -> F64:
    """Return a named array of a .mat or .npz as stored, such as its intensities.

    Raises
    ------
    ConfigError
        If there is no such array.
    DataError
        If the file cannot be read.
    """
    _require_file(path)
    return _read(path, variable)[0].astype(np.float64)


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(str(path), "no such file", "a .mat, .npy, .npz or .csv file")


def _read(path: Path, variable: str | None) -> tuple[npt.NDArray[np.generic], str]:
    readers = {
        ".mat": _read_mat,
        ".npz": _read_npz,
        ".npy": _read_npy,
        ".csv": _read_csv,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(
            str(path), f"a {path.suffix or 'nameless'} file", ".mat, .npy, .npz or .csv"
        )
    try:
        array, name = reader(path, variable)
    except _UNREADABLE as err:
        raise DataError(f"{path}: cannot be read ({err})") from err
    array = np.atleast_1d(array)  # numpy stores a single number without an axis
    if array.dtype.kind not in "fiu" or array.size == 0:
        found = f"{array.dtype} of shape {array.shape}"
        raise ConfigError(f"{path} {name}".strip(), found, "an array of real numbers")
    return array, name


def _read_mat(path: Path, variable: str | None) -> tuple[npt.NDArray[np.generic], str]:
    if h5py.is_hdf5(path):
        return _read_hdf5(path, variable)
    shapes = {name: tuple(shape) for name, shape, _ in scipy.io.whosmat(path)}
    name = _choose(path, variable, shapes)
    return np.asarray(scipy.io.loadmat(path, variable_names=[name])[name]), name


def _read_hdf5(path: Path, variable: str | None) -> tuple[npt.NDArray[np.generic], str]:
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, item: object) -> None:
        is_internal = name.startswith("#")
        if isinstance(item, h5py.Dataset) and not is_internal:
            shapes[name] = item.shape

    with h5py.File(path, "r") as file:
        file.visititems(note)
        name = _choose(path, variable, shapes)
        return np.asarray(file[name][()]), name


def _read_npz(path: Path, variable: str | None) -> tuple[npt.NDArray[np.generic], str]:
    # A file opened here is closed here; numpy leaves its own open on a damaged one.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        name = _choose(path, variable, {name: arrays[name].shape for name in arrays})
        return np.asarray(arrays[name]), name


def _read_npy(path: Path, variable: str | None) -> tuple[npt.NDArray[np.generic], str]:
    _refuse_variable(path, variable)
    with path.open("rb") as file:
        return np.asarray(np.load(file, allow_pickle=False)), ""


def _read_csv(path: Path, variable: str | None) -> tuple[npt.NDArray[np.generic], str]:
    """Read numbers with comma, semicolon or tab between; one line of names may lead."""
    _refuse_variable(path, variable)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    if not lines:
        raise ValueError("it is empty")
    mark = next((mark for mark in ";\t," if mark in lines[0]), ",")
    rows = lines if _is_number(lines[0].split(mark)[0]) else lines[1:]
    if not rows:
        raise ValueError("it holds no numbers")
    array = np.loadtxt(rows, delimiter=mark, ndmin=2)
    return array, ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _choose(
    path: Path, variable: str | None, shapes: dict[str, tuple[int, ...]]
) -> str:
    """Return the variable asked for, or the only array that can be sweeps."""
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"
    if variable is not None:
        if variable not in shapes:
            raise ConfigError(f"{path}: variable", variable, f"one of {listed}")
        return variable
    arrays = [name for name, shape in shapes.items() if sum(n > 1 for n in shape) > 1]
    if len(arrays) != 1:
        raise ConfigError(f"{path}: variable", "none named", f"one of {listed}")
    return arrays[0]


def _refuse_variable(path: Path, variable: str | None) -> None:
    if variable is not None:
        raise ConfigError(f"{path}: variable", variable, "none: the file is one array")


def _time_axis(
    array: npt.NDArray[np.generic], time_axis: int | None, where: str
) -> int:
    shape = array.shape
    if time_axis is not None:
        if not 0 <= time_axis < len(shape):
            expected = f"0 to {len(shape) - 1}, for the shape {shape}"
            raise ConfigError(f"{where}: time axis", str(time_axis), expected)
        return time_axis
    if shape.count(max(shape)) != 1:
        raise ConfigError(
            f"{where}: time axis", f"none named for the shape {shape}", "its number"
        )
    return shape.index(max(shape))
