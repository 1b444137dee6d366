"""Files of named points in two frames, CSV or TOML, in millimetres and nothing else.

CSV: a header `name,navigator_x_mm,navigator_y_mm,navigator_z_mm,head_x_mm,head_y_mm,
head_z_mm` and a row a point. TOML: `unit = "mm"` and `[[point]]` tables of `name`,
`navigator` and `head`. Instead of `navigator` it may be `mri` or `tracker`. A row with
a place in the head only is a target: not registered, but its error is told.
"""

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from m2m_rt.errors import DataError
from m2m_rt.geometry import OTHER_FRAMES, PointPairs
from m2m_rt.units import F64

_AXES = ("x", "y", "z")


@dataclass(frozen=True, slots=True)
class Fiducials:
    """What a file of points says."""

    frame: str
    """The frame beside the head's: one of `OTHER_FRAMES`."""

    pairs: PointPairs
    """a: head, b: the other frame."""

    target_names: tuple[str, ...]
    targets_mm: F64
    """(m, 3), head frame."""


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    head: list[float]
    other: list[float] | None


def read_fiducials(path: Path) -> Fiducials:
    """Return the points and targets of a file.

    Raises
    ------
    DataError
        If it cannot be read, or does not say frames and units as expected.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return _from_toml(text) if path.suffix == ".toml" else _from_csv(text)
    except (OSError, ValueError, OverflowError, csv.Error) as err:
        raise DataError(f"{path}: {err}") from err
    except _Unreadable as err:
        raise DataError(f"{path}: {err}") from err


class _Unreadable(Exception):  # noqa: N818 - a reason, on its way to the file's name
    """What is wrong in the text of a file."""


def _from_csv(text: str) -> Fiducials:
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    columns = [column.strip() for column in reader.fieldnames or ()]
    reader.fieldnames = columns
    frame = _frame_of({column.split("_")[0] for column in columns})
    wanted = {"name"} | set(_columns(frame)) | set(_columns("head"))
    if set(columns) != wanted or len(columns) != len(wanted):
        raise _Unreadable(
            f"columns are {', '.join(columns) or 'none'}; expected name, "
            f"{', '.join(_columns(frame))}, {', '.join(_columns('head'))}"
        )
    rows = []
    for line, row in enumerate(reader, start=2):
        if None in row or None in row.values():
            raise _Unreadable(f"line {line} has not {len(wanted)} cells")
        rows.append(_csv_row(row, frame, line))
    return _fiducials(frame, rows)


def _csv_row(row: Mapping[str, str], frame: str, line: int) -> _Row:
    head = _csv_place(row, "head", line)
    if head is None:
        raise _Unreadable(f"line {line} has no place in the head frame")
    return _Row(" ".join(row["name"].split()), head, _csv_place(row, frame, line))


def _csv_place(row: Mapping[str, str], frame: str, line: int) -> list[float] | None:
    """Return three numbers, or None where all three cells are empty."""
    cells = [row[column].strip() for column in _columns(frame)]
    if not any(cells):
        return None
    try:
        return [float(cell) for cell in cells]
    except ValueError as err:
        raise _Unreadable(f"line {line}, {frame}: {err}") from err


def _from_toml(text: str) -> Fiducials:
    content = tomllib.loads(text)
    if content.get("unit") != "mm":
        raise _Unreadable(f"unit is {content.get('unit')!r}, expected 'mm'")
    points = content.get("point")
    is_tables = isinstance(points, list) and all(isinstance(p, dict) for p in points)
    if set(content) != {"unit", "point"} or not is_tables:
        raise _Unreadable(f"keys are {sorted(content)}, expected unit and [[point]]")
    tables: list[dict[str, Any]] = content["point"]
    frame = _frame_of({key for point in tables for key in point})
    return _fiducials(frame, [_toml_row(point, frame) for point in tables])


def _toml_row(point: Mapping[str, Any], frame: str) -> _Row:
    name = point.get("name")
    unknown = set(point) - {"name", "head", frame}
    if not isinstance(name, str) or unknown or "head" not in point:
        raise _Unreadable(f"a point has {sorted(point)}, expected name, {frame}, head")
    other = _toml_place(point[frame], name) if frame in point else None
    return _Row(" ".join(name.split()), _toml_place(point["head"], name), other)


def _toml_place(value: object, name: str) -> list[float]:
    is_place = (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
    )
    if not is_place or not isinstance(value, list):
        raise _Unreadable(f"{name}: {value!r} is not three numbers")
    return [float(x) for x in value]


def _frame_of(words: set[str]) -> str:
    found = sorted(words & set(OTHER_FRAMES))
    if len(found) != 1:
        raise _Unreadable(
            f"frames beside the head's: {', '.join(found) or 'none'}; expected one of "
            f"{', '.join(OTHER_FRAMES)}"
        )
    return found[0]


def _columns(frame: str) -> list[str]:
    return [f"{frame}_{axis}_mm" for axis in _AXES]


def _fiducials(frame: str, rows: Sequence[_Row]) -> Fiducials:
    if not all(row.name for row in rows):
        raise _Unreadable("a point has no name")
    points = [row for row in rows if row.other is not None]
    targets = [row for row in rows if row.other is None]
    pairs = PointPairs(
        names=tuple(row.name for row in points),
        a_mm=_places([row.head for row in points]),
        b_mm=_places([row.other or [] for row in points]),
    )
    return Fiducials(
        frame=frame,
        pairs=pairs,
        target_names=tuple(row.name for row in targets),
        targets_mm=_places([row.head for row in targets]),
    )


def _places(places: list[list[float]]) -> F64:
    return np.array(places, dtype=np.float64).reshape(len(places), 3)
