"""Coil files written from scratch, for the tests of their readers."""

import base64
import json
import zlib
from pathlib import Path

import numpy as np

from m2m_rt.units import F64

HEADERS = {
    "plain": "# Test.ccd version 1.0 number of elements",
    "full": (
        "# Test.ccd version 1.0 number of elements; dIdtmax=114.73;dIdtstim=120;"
        "x=-300,300;y=-200,200;z=-200,200;resolution=3;stimulator=Some Rapid;"
        "brand=Some Maker;coilname=T70;"
    ),
}


def some_dipoles(n: int = 40) -> tuple[F64, F64]:
    """Return places (n, 3), mm, and moments (n, 3), A·m², of two wings."""
    rng = np.random.default_rng(3)
    places = rng.uniform((-60.0, -40.0, -9.0), (60.0, 40.0, -3.0), (n, 3))
    moments = np.zeros((n, 3))
    moments[:, 2] = np.sign(places[:, 0]) * rng.uniform(1e-5, 2e-4, n)
    return places, moments


def write_ccd(path: Path, places_mm: F64, moments_am2: F64, header: str) -> Path:
    """Write a `.ccd` file with full precision."""
    rows = np.column_stack((places_mm / 1e3, moments_am2))
    lines = [
        header,
        str(len(rows)),
        "# centers and weighted directions of the elements (magnetic dipoles)",
        *(" ".join(repr(float(v)) for v in row) for row in rows),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def packed(numbers: F64, form: str) -> object:
    """Return an array as a `.tcd` file keeps it: list, plain or deflated base64."""
    if form == "list":
        return numbers.tolist()
    raw = np.ascontiguousarray(numbers, dtype="<f8").tobytes()
    if form == "deflated":
        raw = zlib.compress(raw)
    return base64.b64encode(raw).decode("ascii")


def tcd_of(*elements: dict[str, object], **more: object) -> dict[str, object]:
    """Return a `.tcd` file's content."""
    stimulator = {"name": "Some Rapid", "brand": "Some Maker", "maxdIdt": 147e6}
    return {
        "name": "T70",
        "brand": "Some Maker",
        "version": "1.0",
        "limits": [[-300, 300], [-200, 200], [-100, 300]],
        "resolution": [2, 2, 2],
        "coilElementList": list(elements),
        "stimulatorList": [stimulator],
        **more,
    }


def element(kind: int, points: F64, values: F64, form: str) -> dict[str, object]:
    """Return an element of dipoles or conductors."""
    return {
        "name": "wing",
        "stimulator": 0,
        "type": kind,
        "points": packed(points, form),
        "values": packed(values, form),
    }


def write_tcd(path: Path, content: dict[str, object]) -> Path:
    """Write a `.tcd` file."""
    path.write_text(json.dumps(content, indent="\t"), encoding="utf-8")
    return path


def loop(radius_mm: float, z_mm: float, n: int = 240) -> tuple[F64, F64]:
    """Return middles and vectors (n, 3) of a circle's chords, current along +φ."""
    angles = 2.0 * np.pi * np.arange(n) / n
    corners = np.column_stack(
        (radius_mm * np.cos(angles), radius_mm * np.sin(angles), np.full(n, z_mm))
    )
    vectors = np.roll(corners, -1, axis=0) - corners
    return corners + 0.5 * vectors, vectors
