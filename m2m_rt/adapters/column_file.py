"""Columns of a table with one line of names: CSV, TSV, or vectors in a .mat file."""

import csv
from pathlib import Path

import numpy as np

from m2m_rt.adapters.mat_arrays import read_mat_arrays
from m2m_rt.errors import ConfigError, DataError

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".mat")

Columns = dict[str, list[str]]
"""Name → one text a row; empty for an empty cell."""


def read_columns(path: Path) -> Columns:
    """Return a table's columns as text, each of as many rows.

    Raises
    ------
    ConfigError
        If there is no such file or it is none of `TABLE_SUFFIXES`.
    DataError
        If it cannot be read as a table.
    """
    if not path.is_file():
        raise ConfigError(str(path), "no such file", f"a {', '.join(TABLE_SUFFIXES)}")
    if path.suffix.lower() == ".mat":
        return _mat_columns(path)
    if path.suffix.lower() not in TABLE_SUFFIXES:
        found = f"a {path.suffix or 'nameless'} file"
        raise ConfigError(str(path), found, ", ".join(TABLE_SUFFIXES))
    try:
        text = path.read_text(encoding="utf-8-sig")
        return _text_columns(path, text)
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise DataError(f"{path}: cannot be read as a table ({err})") from err


def _text_columns(path: Path, text: str) -> Columns:
    first = text.partition("\n")[0]
    mark = next((mark for mark in "\t;," if mark in first), ",")
    rows = [row for row in csv.reader(text.splitlines(), delimiter=mark) if row]
    if len(rows) < 2:
        raise DataError(f"{path}: {len(rows)} lines; expected names and rows below")
    names = [name.strip() for name in rows[0]]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated or "" in names:
        found = f"{', '.join(repeated) or 'a nameless column'}"
        raise DataError(f"{path}: {found} in line 1; expected every name once")
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            found = f"{len(row)} cells in row {line - 1}"
            raise DataError(f"{path}: {found}; expected {len(names)} as in line 1")
    columns = zip(*rows[1:], strict=True)
    return {
        name: [cell.strip() for cell in column]
        for name, column in zip(names, columns, strict=True)
    }


def _mat_columns(path: Path) -> Columns:
    """Return vectors as columns, and `head_from_coil` (n, 16) or (4, 4, n) as 16."""
    columns: Columns = {}
    for name, values in read_mat_arrays(path).items():
        if name == "head_from_coil":
            columns |= _pose_columns(path, values)
        elif values.size == max(values.shape, default=0):
            columns[name] = [_cell(value) for value in values.ravel().tolist()]
    lengths = {name: len(column) for name, column in columns.items()}
    if not columns or len(set(lengths.values())) != 1:
        found = ", ".join(f"{name} ({n})" for name, n in lengths.items()) or "none"
        raise DataError(f"{path}: vectors {found}; expected some of one length")
    return columns


def _pose_columns(path: Path, values: np.ndarray) -> Columns:
    if values.ndim == 3 and values.shape[:2] == (4, 4):
        rows = np.moveaxis(values, 2, 0).reshape(-1, 16)
    elif values.ndim == 2 and values.shape[1] == 16:
        rows = values
    else:
        found = f"{path}: head_from_coil: shape {values.shape}"
        raise DataError(f"{found}; expected (4, 4, n) or (n, 16)")
    names = [f"m{row}{column}" for row in range(4) for column in range(4)]
    return {
        name: [_cell(value) for value in rows[:, at].tolist()]
        for at, name in enumerate(names)
    }


def _cell(value: float) -> str:
    return "" if np.isnan(value) else repr(value)
