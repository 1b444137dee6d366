"""Motor maps of one subject: `<subject>_3MAPs.mat`, and `<subject>_COMB.mat` beside it.

`NavDataX` (n, 3) are coil positions in cm, `MEPampX` (n, 1) peak-to-peak amplitudes in
µV, for the maps X = GRID, RAND and USER; at least one is there, and an empty one counts
as none. The combined map is (n, 3): x and y in cm on an interpolated grid, MEP in µV
(Faghihpirayesh et al., TNSRE 29:1679, 2021). Rows with NaN, a coil that was not tracked
or an MEP that could not be measured, are left out and counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.adapters.mat_arrays import read_mat_arrays
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.units import F64

MAP_NAMES = ("GRID", "RAND", "USER")
MAPS_SUFFIX = "_3MAPs.mat"
COMBINED_SUFFIX = "_COMB.mat"

FEWEST_PULSES = 20
"""Fewer cannot be cut into ten folds that mean anything."""

_MM_PER_CM = 10.0
_LEAST_EXTENT_CM = 0.5
_MOST_EXTENT_CM = 40.0
"""A coil's positions around one head stay within this."""

_LEAST_WIDTH_CM = 0.001
"""Less spread across a map is none: navigators are ten times coarser."""

_LEAST_MAX_UV = 20.0
_MOST_MAX_UV = 30_000.0
"""The largest MEP of a map lies between these, or the unit is another."""


@dataclass(frozen=True, slots=True)
class MotorMap:
    """One map, rows in the order of its pulses."""

    name: str
    position_mm: F64
    """(n, 3)"""

    mep_p2p_uv: F64
    """(n,)"""

    n_left_out: int = 0
    """Rows of the file with NaN."""


@dataclass(frozen=True, slots=True)
class CombinedMap:
    """The interpolated map of all pulses."""

    position_mm: F64
    """(n, 2)"""

    mep_p2p_uv: F64
    """(n,)"""


@dataclass(frozen=True, slots=True)
class SubjectMaps:
    """All that the folder holds of one subject."""

    subject: str
    maps: tuple[MotorMap, ...]
    combined: CombinedMap | None


def find_motor_maps(folder: Path) -> tuple[Path, ...]:
    """Return the files of maps in a folder, by subject.

    Raises
    ------
    ConfigError
        If there are none.
    """
    found = tuple(sorted(folder.glob(f"*{MAPS_SUFFIX}")))
    if not found:
        what = f"no *{MAPS_SUFFIX}" if folder.is_dir() else "no such folder"
        raise ConfigError(str(folder), what, f"a folder with files *{MAPS_SUFFIX}")
    return found


def read_subject(path: Path) -> SubjectMaps:
    """Return a subject's maps, and the combined one if it lies beside them.

    Raises
    ------
    ConfigError
        If the file is not there or holds none of the maps.
    DataError
        If it cannot be read, or a variable is not what its name says.
    """
    subject = path.name.removesuffix(MAPS_SUFFIX)
    combined = path.with_name(f"{subject}{COMBINED_SUFFIX}")
    return SubjectMaps(
        subject,
        read_motor_maps(path),
        read_combined(combined, subject) if combined.is_file() else None,
    )


def is_motor_map_file(path: Path) -> bool:
    """Tell whether a file's name says that it holds maps of this form."""
    return path.name.endswith(MAPS_SUFFIX)


def read_motor_maps(path: Path) -> tuple[MotorMap, ...]:
    """Return the maps of a file, in the order GRID, RAND, USER.

    Raises
    ------
    ConfigError
        If the file is not there or holds none of them.
    DataError
        If it cannot be read, or a variable is not what its name says.
    """
    arrays = read_mat_arrays(path)
    maps = tuple(
        _read_map(path, arrays, name)
        for name in MAP_NAMES
        if _size(arrays, f"NavData{name}") or _size(arrays, f"MEPamp{name}")
    )
    n_pulses = sum(len(each.mep_p2p_uv) for each in maps)
    if not maps:
        found = ", ".join(arrays) or "no arrays of numbers"
        raise ConfigError(str(path), found, "NavDataX and MEPampX of GRID, RAND, USER")
    if n_pulses < FEWEST_PULSES:
        found = f"{path}: {n_pulses} pulses without NaN in all"
        raise DataError(f"{found}; expected {FEWEST_PULSES}")
    _check_meps(f"{path}: MEPamp", np.concatenate([m.mep_p2p_uv for m in maps]))
    return maps


def left_out_notes(maps: Iterable[MotorMap]) -> tuple[str, ...]:
    """Return a line for each map that has pulses without position or MEP."""
    return tuple(
        f"{one.name}: {one.n_left_out} pulses with NaN left out"
        for one in maps
        if one.n_left_out
    )


def read_combined(path: Path, subject: str) -> CombinedMap:
    """Return a combined map: the variable named for the subject, or the only one.

    Raises
    ------
    DataError
        If it cannot be read, is not (n, 3) of x, y in cm and MEP in µV, or its sites
        lie on one line, which is no map.
    """
    arrays = read_mat_arrays(path)
    name = subject if subject in arrays or len(arrays) != 1 else next(iter(arrays))
    if name not in arrays:
        raise DataError(f"{path}: holds {', '.join(arrays)}; expected {subject}")
    rows, where = arrays[name], f"{path}: {name}"
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise DataError(f"{where}: shape {rows.shape}; expected (n, 3): x, y, MEP")
    rows = rows[~np.isnan(rows).any(axis=1)]  # what lies outside the sites is NaN
    if len(rows) < FEWEST_PULSES:
        found = f"{where}: {len(rows)} rows without NaN"
        raise DataError(f"{found}; expected {FEWEST_PULSES} or more")
    _check_finite(where, rows)
    _check_positions(where, rows[:, :2])
    _check_width(where, rows[:, :2])
    _check_meps(where, rows[:, 2])
    return CombinedMap(rows[:, :2] * _MM_PER_CM, rows[:, 2])


def _read_map(path: Path, arrays: dict[str, F64], name: str) -> MotorMap:
    position_name, mep_name = f"NavData{name}", f"MEPamp{name}"
    for needed in (position_name, mep_name):
        if needed not in arrays:
            raise DataError(f"{path}: no {needed}; expected one for each {name} map")
    position, mep = arrays[position_name], arrays[mep_name]
    if position.ndim != 2 or position.shape[1] != 3 or not len(position):
        found = f"{path}: {position_name}: shape {position.shape}"
        raise DataError(f"{found}; expected (n, 3): x, y, z")
    if mep.size != len(position) or mep.size != max(mep.shape):
        found = f"{path}: {mep_name}: shape {mep.shape}"
        raise DataError(f"{found}; expected ({len(position)}, 1) as {position_name}")
    mep = mep.ravel()
    known = ~(np.isnan(position).any(axis=1) | np.isnan(mep))
    left_out = int(np.sum(~known))
    position, mep = position[known], mep[known]
    _check_finite(f"{path}: {position_name}", position)
    _check_finite(f"{path}: {mep_name}", mep)
    if len(position) > 1:
        _check_positions(f"{path}: {position_name}", position)
    if np.any(mep < 0):
        raise DataError(f"{path}: {mep_name}: {mep.min():g}; expected no MEP below 0")
    return MotorMap(name, position * _MM_PER_CM, mep, left_out)


def _size(arrays: dict[str, F64], name: str) -> int:
    return arrays[name].size if name in arrays else 0


def _check_finite(where: str, values: F64) -> None:
    if not np.isfinite(values).all():
        n_bad = int((~np.isfinite(values)).sum())
        raise DataError(f"{where}: {n_bad} values are infinite; expected numbers")


def _check_positions(where: str, position_cm: F64) -> None:
    extent = float(np.ptp(position_cm, axis=0).max())
    if not _LEAST_EXTENT_CM <= extent <= _MOST_EXTENT_CM:
        raise DataError(
            f"{where}: positions span {extent:g}; expected cm, "
            f"{_LEAST_EXTENT_CM:g} to {_MOST_EXTENT_CM:g}"
        )


def _check_width(where: str, position_cm: F64) -> None:
    centred = position_cm - position_cm.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    width = float(np.ptp(centred @ axes[-1]))  # across the longest direction
    if width < _LEAST_WIDTH_CM:
        raise DataError(
            f"{where}: sites on one line, {width:.2g} cm wide; expected a map of an "
            f"area, {_LEAST_WIDTH_CM:g} cm wide or more"
        )


def _check_meps(where: str, mep_uv: F64) -> None:
    largest = float(mep_uv.max())
    if mep_uv.min() < 0 or not _LEAST_MAX_UV <= largest <= _MOST_MAX_UV:
        raise DataError(
            f"{where}: MEPs from {mep_uv.min():g} to {largest:g}; expected peak to "
            f"peak in uV, none below 0, the largest {_LEAST_MAX_UV:g} to "
            f"{_MOST_MAX_UV:g}"
        )
