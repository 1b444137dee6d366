"""Coil poses and intensities from the columns of a table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.adapters.column_file import Columns
from m2m_rt.errors import DataError
from m2m_rt.geometry import matrix_from_quaternion, rigid_fault
from m2m_rt.units import F64, Bools

_MM_PER_UNIT = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_AXES = ("x", "y", "z")
_QUATERNION = ("qw", "qx", "qy", "qz")
_MATRIX = tuple(f"m{row}{column}" for row in range(3) for column in range(4))
_BOTTOM = tuple(f"m3{column}" for column in range(4))
_INTENSITIES = ("intensity_pct_mso", "intensity_pct_rmt")
_QUATERNION_TOLERANCE = 0.02
_EXTENT_MM = (2.0, 600.0)
"""Positions around one head span this much, or their unit is another."""

_MOST_PCT = {"intensity_pct_mso": 100.0, "intensity_pct_rmt": 300.0}


@dataclass(frozen=True, slots=True)
class Poses:
    """Poses of all rows; NaN where there is none."""

    position_mm: F64
    """(n, 2) or (n, 3)"""

    rotation: F64 | None
    """(n, 3, 3)"""

    intensity_pct: F64 | None
    intensity_unit: str
    is_given: Bools


def read_poses(path: Path, columns: Columns) -> Poses:
    """Return the poses that a table's columns hold.

    Raises
    ------
    DataError
        If there are none, a unit is missing, or a value is impossible.
    """
    if set(_MATRIX) <= set(columns):
        position_mm, rotation = _from_matrices(path, columns)
    else:
        position_mm, rotation = _from_positions(path, columns)
    is_given: Bools = np.asarray(np.isfinite(position_mm).all(axis=1))
    intensity, unit = _intensity(path, columns)
    if intensity is not None:
        is_given = is_given & np.isfinite(intensity)
    _check_extent(path, position_mm[is_given])
    return Poses(position_mm, rotation, intensity, unit, is_given)


def numbers(
    path: Path, columns: Columns, name: str, *, may_be_empty: bool = False
) -> F64:
    """Return a column as numbers, NaN for an empty cell.

    Raises
    ------
    DataError
        If a cell is no finite number, or empty where it may not be.
    """
    values = np.full(len(columns[name]), np.nan)
    for row, cell in enumerate(columns[name]):
        if may_be_empty and cell.lower() in ("", "nan", "na"):
            continue
        try:
            values[row] = float(cell)
        except ValueError:
            values[row] = np.nan
        if not np.isfinite(values[row]):
            found = f"{cell!r} in row {row + 1}"
            raise DataError(f"{path}: {name}: {found}; expected a finite number")
    return values


def _positions(path: Path, columns: Columns) -> F64:
    """Return (n, 2 or 3) mm, NaN where all axes are empty."""
    unit = next((u for u in _MM_PER_UNIT if f"x_{u}" in columns), None)
    if unit is None or f"y_{unit}" not in columns:
        raise DataError(f"{path}: {_without_position(columns)}")
    names = [f"{axis}_{unit}" for axis in _AXES if f"{axis}_{unit}" in columns]
    stray = [n for n in columns if n.partition("_")[0] == "z" and n not in names]
    if stray:
        raise DataError(f"{path}: {stray[0]}; expected z_{unit} as x_{unit}")
    position = np.column_stack(
        [numbers(path, columns, name, may_be_empty=True) for name in names]
    )
    half = np.isnan(position).any(axis=1) & ~np.isnan(position).all(axis=1)
    if half.any():
        row = int(np.flatnonzero(half)[0]) + 1
        raise DataError(f"{path}: row {row}: expected all of {', '.join(names)}")
    return np.asarray(position * _MM_PER_UNIT[unit])


def _without_position(columns: Columns) -> str:
    bare = [name for name in columns if name in _AXES]
    known = ", ".join(f"x_{unit}" for unit in _MM_PER_UNIT)
    what = f"{bare[0]} has no unit" if bare else f"columns {', '.join(columns)}"
    return f"{what}; expected a position ({known}; y and z alike) or m00 to m23"


def _from_positions(path: Path, columns: Columns) -> tuple[F64, F64 | None]:
    position_mm = _positions(path, columns)
    return position_mm, _from_quaternions(path, columns, position_mm)


def _from_quaternions(path: Path, columns: Columns, position_mm: F64) -> F64 | None:
    there = [name for name in _QUATERNION if name in columns]
    if not there:
        return None
    if len(there) < 4 or position_mm.shape[1] < 3:
        found = f"{', '.join(there)} and {position_mm.shape[1]} coordinates"
        raise DataError(f"{path}: {found}; expected x, y, z and qw, qx, qy, qz")
    given: Bools = np.asarray(np.isfinite(position_mm).all(axis=1))
    quaternion = np.column_stack(
        [numbers(path, columns, name, may_be_empty=True) for name in _QUATERNION]
    )
    rotation = np.full((len(given), 3, 3), np.nan)
    for row in np.flatnonzero(given):
        length = float(np.linalg.norm(quaternion[row]))
        if not abs(length - 1.0) <= _QUATERNION_TOLERANCE:
            found = f"{path}: row {row + 1}: quaternion of length {length:g}"
            raise DataError(f"{found}; expected 1")
        matrix = matrix_from_quaternion(position_mm[row], quaternion[row])
        rotation[row] = matrix[:3, :3]
    return rotation


def _from_matrices(path: Path, columns: Columns) -> tuple[F64, F64 | None]:
    top = np.column_stack(
        [numbers(path, columns, name, may_be_empty=True) for name in _MATRIX]
    ).reshape(-1, 3, 4)
    bottom = [
        numbers(path, columns, n, may_be_empty=True) for n in _BOTTOM if n in columns
    ]
    if bottom and len(bottom) < 4:
        raise DataError(f"{path}: expected all of {', '.join(_BOTTOM)}, or none")
    for row, pose in enumerate(top):
        if np.isnan(pose).all():
            continue
        last = np.array([each[row] for each in bottom] or (0.0, 0.0, 0.0, 1.0))
        fault = rigid_fault(np.vstack((pose, last)))
        if fault is not None:
            found = f"{path}: row {row + 1}: m00 to m33 are no rigid pose ({fault})"
            raise DataError(f"{found}; expected head from coil, row by row, in mm")
    return top[:, :, 3], top[:, :, :3]


def _intensity(path: Path, columns: Columns) -> tuple[F64 | None, str]:
    """Return (n,) and its unit, or None and an empty one."""
    there = [name for name in _INTENSITIES if name in columns]
    if not there:
        if "intensity" in columns:
            raise DataError(
                f"{path}: intensity has no unit; expected {' or '.join(_INTENSITIES)}"
            )
        return None, ""
    name = there[0]
    values = numbers(path, columns, name, may_be_empty=True)
    known = values[np.isfinite(values)]
    if known.size and not (0 < known.min() and known.max() <= _MOST_PCT[name]):
        found = f"{path}: {name}: from {known.min():g} to {known.max():g}"
        raise DataError(f"{found}; expected above 0 to {_MOST_PCT[name]:g}")
    return values, name.removeprefix("intensity_")


def _check_extent(path: Path, position_mm: F64) -> None:
    low, high = _EXTENT_MM
    if not len(position_mm):
        raise DataError(f"{path}: no row has a pose")
    extent = float(np.ptp(position_mm, axis=0).max())
    if len(position_mm) > 1 and not extent <= high:
        found = f"{path}: positions span {extent:g} mm"
        raise DataError(f"{found}; expected at most {high:g}: is the unit right?")
    if len(position_mm) > 20 and extent < low:
        found = f"{path}: positions span {extent:g} mm"
        raise DataError(f"{found}; expected at least {low:g}: is the unit right?")
