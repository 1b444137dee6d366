"""Reads a `.ccd` coil: a header and one magnetic dipole a line.

The first line is a comment. It may hold `key=value` pairs between semicolons (dIdtmax
and dIdtstim in A/µs, stimulator, brand, coilname, and a field of view that concerns
nobody here); older files have none. The second line is the number of dipoles. Lines of
six numbers follow: place in metres, moment in A·m² per ampere.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from m2m_rt.adapters.coil_parts import MAX_ELEMENTS, CoilFile, checked
from m2m_rt.errors import DataError
from m2m_rt.units import F64

MAX_BYTES = 256 * 1024**2
MM_PER_M = 1e3
LARGEST_NUMBER = 1e9
NO_POINTS = np.zeros((0, 3))


def read_ccd(path: Path) -> CoilFile:
    """Return the coil of a `.ccd` file.

    Raises
    ------
    DataError
        Naming the file, the line and the field that cannot be used.
    """
    lines = _lines(path)
    header = _header(lines[0], f"{path}: line 1")
    rows = _dipoles(lines, str(path))
    coil = CoilFile(
        name=header.get("coilname") or path.stem,
        brand=header.get("brand", ""),
        stimulator=header.get("stimulator", ""),
        dipole_mm=rows[:, :3] * MM_PER_M,
        dipole_am2=rows[:, 3:],
        segment_mm=NO_POINTS,
        segment_vector_mm=NO_POINTS,
        sampled=(),
        casing_mm=NO_POINTS,
        didt_max_a_per_us=_didt(header, "dIdtmax", f"{path}: line 1"),
        didt_display_a_per_us=_didt(header, "dIdtstim", f"{path}: line 1"),
    )
    return checked(coil, str(path))


def _lines(path: Path) -> list[str]:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as err:
        raise DataError(f"{path}: no text in UTF-8 ({err})") from err
    if not lines or not lines[0].startswith("#"):
        raise DataError(f"{path}: line 1: expected a header that begins with #")
    return lines


def _header(line: str, where: str) -> dict[str, str]:
    """Return the header's values by key; what a file says to be `none` is left out."""
    found: dict[str, str] = {}
    for pair in line.split(";")[1:]:
        key, equals, value = pair.partition("=")
        if not pair.strip():
            continue
        if not equals:
            raise DataError(f"{where}: found {pair[:40]!r}, expected key=value")
        if value.strip().lower() not in {"", "none"}:
            found[key.strip()] = value.strip()[:200]
    return found


def _didt(header: dict[str, str], key: str, where: str) -> float | None:
    text = header.get(key)
    if text is None:
        return None
    if "," in text:
        raise DataError(
            f"{where}: {key}: found {text!r}; coils with several stimulators are not "
            "supported: a table is for one coil current"
        )
    return _number(text, f"{where}: {key}")


def _dipoles(lines: list[str], where: str) -> F64:
    """Return the numbers (n, 6) of all dipole lines."""
    content = _content(lines)
    line_no, text = next(content, (len(lines), ""))
    n_stated = _count(text, f"{where}: line {line_no}")
    rows = []
    for line_no, text in content:
        rows.append(_row(text, f"{where}: line {line_no}"))
        if len(rows) > n_stated:
            break
    if len(rows) != n_stated:
        found = f"more than {n_stated}" if len(rows) > n_stated else str(len(rows))
        raise DataError(f"{where}: found {found} dipoles, expected {n_stated}")
    return np.array(rows)


def _content(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that are neither empty nor comments."""
    for line_no, line in enumerate(lines[1:], start=2):
        text = line.strip()
        if text and not text.startswith("#"):
            yield line_no, text


def _count(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise DataError(f"{where}: found {text[:40]!r}, expected a number of dipoles")
    n = int(text)
    if not 0 < n <= MAX_ELEMENTS:
        raise DataError(f"{where}: found {n} dipoles, expected 1 … {MAX_ELEMENTS}")
    return n


def _row(text: str, where: str) -> list[float]:
    parts = text.split()
    if len(parts) != 6:
        raise DataError(f"{where}: found {len(parts)} numbers, expected 6")
    return [_number(part, where) for part in parts]


def _number(text: str, where: str) -> float:
    try:
        # Python reads 1_000 as a number; no coil file means that.
        number = math.nan if "_" in text else float(text)
    except ValueError:
        number = math.nan
    if not abs(number) <= LARGEST_NUMBER:
        raise DataError(f"{where}: found {text[:40]!r}, expected a number")
    return number
