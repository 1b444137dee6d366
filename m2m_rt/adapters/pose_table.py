"""Tables of coil poses and the MEPs that they gave: any lab's, by their columns' names.

A pose is `x_mm, y_mm, z_mm` (or `_cm`, `_m`; z may be missing), with `qw, qx, qy, qz`
(head from coil) for the orientation, or a 4×4 matrix `m00 … m23` in mm (`m30 … m33` may
be there). MEPs are `FDI_uv`, `FDI_mv`, `mep_uv`, `FDI_mep_p2p_uv`; an empty cell is
"not measured". `intensity_pct_mso` or `intensity_pct_rmt`, `map` (or `session` or
`block`), `valid` and `FDI_valid` are used where they are there. Rows are in the order
of the pulses. A session's `trials.csv` is such a table.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.adapters.column_file import Columns, read_columns
from m2m_rt.adapters.motor_map_file import (
    is_motor_map_file,
    left_out_notes,
    read_motor_maps,
)
from m2m_rt.adapters.pose_columns import Poses, numbers, read_poses
from m2m_rt.errors import DataError
from m2m_rt.learning import MapPulses
from m2m_rt.units import F64, I64, Bools

MAP_COLUMNS = ("map", "session", "block")
UNNAMED_MUSCLE = "mep"

_UV_PER_UNIT = {"uv": 1.0, "\u03bcv": 1.0, "mv": 1e3, "v": 1e6, "nv": 1e-3}
"""By the unit in folded case, where both of Unicode's signs for micro are one."""

_MEP = re.compile(r"(?P<muscle>.+)_(?P<unit>uv|µv|mv|v|nv)", re.IGNORECASE)
_NO_MEP = re.compile(r"log10|rms|background|preactivation|predicted|prior|_sd|_p\d\d")
_NAMED_MEP = re.compile(r"(?:^|_)(?:mep|p2p|amplitude|ampl?)(?:_|$)", re.IGNORECASE)
_TAIL = re.compile(r"(?:(?:^|_)(?:mep|p2p|amplitude|ampl?))+$", re.IGNORECASE)
_MOST_UV = 50_000.0
_LEAST_MAX_UV = 20.0
"""Noise alone is above it. Millivolts that are called microvolts stay below."""

_YES, _NO = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no", "")


@dataclass(frozen=True, slots=True)
class PoseTable:
    """Pulses and their MEPs, without the rows that have no pose."""

    pulses: MapPulses
    map_names: tuple[str, ...]
    intensity_unit: str
    """`pct_mso`, `pct_rmt`, or empty where the table has none."""

    mep_uv: dict[str, F64]
    """Muscle → (n,), NaN where it was not measured or is not valid."""

    row: I64
    """(n,): the table's row of each pulse, from 1."""

    notes: tuple[str, ...]
    """What was left out, one sentence each."""


def read_pose_table(path: Path, *, needs_meps: bool = True) -> PoseTable:
    """Return a table's poses and MEPs.

    Raises
    ------
    ConfigError
        If there is no such file, or it is of no known kind.
    DataError
        If it cannot be read, or a unit is missing or unknown.
    """
    if is_motor_map_file(path):
        return _of_motor_maps(path)
    columns, row = _newest_revisions(path, read_columns(path))
    poses = read_poses(path, columns)
    meps = _meps(path, columns)
    if needs_meps and not meps:
        found = ", ".join(columns)
        raise DataError(f"{path}: columns {found}; expected MEPs as FDI_uv or mep_uv")
    if needs_meps:
        _check_unit(path, meps)
    names, index = _maps(columns, len(poses.position_mm))
    kept = np.flatnonzero(poses.is_given)
    pulses = MapPulses(
        poses.position_mm[kept],
        index[kept],
        _places(index[kept]),
        None if poses.rotation is None else poses.rotation[kept],
        None if poses.intensity_pct is None else poses.intensity_pct[kept],
    )
    return PoseTable(
        pulses=pulses,
        map_names=names,
        intensity_unit=poses.intensity_unit,
        mep_uv={muscle: values[kept] for muscle, values in meps.items()},
        row=row[kept],
        notes=_notes(columns, poses, meps),
    )


def _of_motor_maps(path: Path) -> PoseTable:
    maps = read_motor_maps(path)
    sizes = [len(each.mep_p2p_uv) for each in maps]
    index = np.repeat(np.arange(len(sizes)), sizes)
    return PoseTable(
        pulses=MapPulses(
            np.concatenate([each.position_mm for each in maps]), index, _places(index)
        ),
        map_names=tuple(each.name for each in maps),
        intensity_unit="",
        mep_uv={UNNAMED_MUSCLE: np.concatenate([each.mep_p2p_uv for each in maps])},
        row=np.arange(1, len(index) + 1),
        notes=left_out_notes(maps),
    )


def _newest_revisions(path: Path, columns: Columns) -> tuple[Columns, I64]:
    """Return only the last revision of each trial, and its row in the table, from 1."""
    if "trial_index" not in columns or "revision" not in columns:
        return columns, np.arange(1, len(next(iter(columns.values()))) + 1)
    trial = numbers(path, columns, "trial_index")
    revision = numbers(path, columns, "revision")
    newest: dict[float, int] = {}
    for row in np.argsort(revision, kind="stable").tolist():
        newest[float(trial[row])] = row
    rows = sorted(newest.values(), key=lambda row: trial[row])
    newest_of = {name: [cells[row] for row in rows] for name, cells in columns.items()}
    return newest_of, np.array(rows) + 1


def _meps(path: Path, columns: Columns) -> dict[str, F64]:
    """Return muscle → (n,) µV, NaN where there is no valid MEP."""
    found: dict[str, F64] = {}
    everywhere = _valid(path, columns, "valid")
    for column in _mep_columns(path, columns):
        match = _MEP.fullmatch(column)
        unit = match["unit"].casefold() if match else ""
        muscle = _TAIL.sub("", (match and match["muscle"]) or "") or UNNAMED_MUSCLE
        if muscle in found:
            raise DataError(f"{path}: {column}: expected one column of {muscle}")
        values = numbers(path, columns, column, may_be_empty=True)
        values_uv = values * _UV_PER_UNIT[unit]
        _check_sizes(f"{path}: {column}", values_uv)
        valid = everywhere & _valid(path, columns, f"{muscle}_valid")
        found[muscle] = np.where(valid, values_uv, np.nan)
    return found


def _mep_columns(path: Path, columns: Columns) -> list[str]:
    """Return the columns that hold MEPs; those that say so come before others."""
    with_unit = [
        name
        for name in columns
        if _MEP.fullmatch(name) and not _NO_MEP.search(name.lower())
    ]
    named = [name for name in with_unit if _NAMED_MEP.search(name)]
    for name in columns:
        is_amplitude = re.fullmatch(r"(.+_)?(mep|ampl?|amplitude|p2p)", name, re.I)
        if is_amplitude and not named:
            raise DataError(f"{path}: {name}: no unit; expected {name}_uv or {name}_mv")
    return named or with_unit


def _check_sizes(where: str, values_uv: F64) -> None:
    known = values_uv[np.isfinite(values_uv)]
    if known.size and (known.min() < 0 or known.max() > _MOST_UV):
        raise DataError(
            f"{where}: from {known.min():g} to {known.max():g} uV; expected peak to "
            f"peak, 0 to {_MOST_UV:g} uV"
        )


def _check_unit(path: Path, meps: dict[str, F64]) -> None:
    known_uv = np.concatenate([uv[np.isfinite(uv)] for uv in meps.values()])
    if known_uv.size and known_uv.max() < _LEAST_MAX_UV:
        raise DataError(
            f"{path}: {', '.join(meps)}: the largest MEP is {known_uv.max():g} uV; "
            f"expected {_LEAST_MAX_UV:g} or more: is another unit meant, as in FDI_mv?"
        )


def _valid(path: Path, columns: Columns, name: str) -> Bools:
    """Return (n,): what a column of true and false says; all true without one."""
    if name not in columns:
        return np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
    cells = [cell.lower() for cell in columns[name]]
    unknown = [cell for cell in cells if cell not in (*_YES, *_NO)]
    if unknown:
        raise DataError(f"{path}: {name}: {unknown[0]!r}; expected true or false")
    return np.array([cell in _YES for cell in cells])


def _maps(columns: Columns, n: int) -> tuple[tuple[str, ...], I64]:
    """Return the maps' names in their order, and which one each row belongs to."""
    column = next((name for name in MAP_COLUMNS if name in columns), None)
    cells = columns[column] if column else [""] * n
    names = tuple(dict.fromkeys(cells))
    return names, np.array([names.index(cell) for cell in cells], dtype=np.int64)


def _places(index: I64) -> F64:
    """Return (n,): the place of each row within its own map."""
    places = np.zeros(len(index))
    for name in np.unique(index):
        places[index == name] = np.arange(int((index == name).sum()))
    return places


def _notes(columns: Columns, poses: Poses, meps: dict[str, F64]) -> tuple[str, ...]:
    notes = []
    n_lost = int((~poses.is_given).sum())
    if n_lost:
        notes.append(f"{n_lost} rows without a pose or intensity left out")
    for muscle, values in meps.items():
        n_missing = int(np.isnan(values[poses.is_given]).sum())
        if n_missing:
            notes.append(f"{muscle}: {n_missing} rows without a valid MEP")
    if poses.rotation is None:
        notes.append("no orientation: taken to be alike in all rows")
    if not any(name in columns for name in MAP_COLUMNS):
        notes.append("no column map, session or block: taken to be one map")
    return tuple(notes)
