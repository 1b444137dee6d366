"""A page that shows a field on the cortex and is turned with the mouse.

One HTML file that holds all it needs: no server, no package, no network, and it can be
kept beside a recording or sent to somebody.
"""

import base64
import html
import json
from collections.abc import Iterator
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_hex

from m2m_rt.app.table_picture import (
    AXIS,
    FAINTEST,
    HANDLE,
    WINDING,
    field_size,
    finding,
    shades,
)
from m2m_rt.app.table_scene import Cortex, coil_lines, coil_view
from m2m_rt.efield import EfieldTable, FieldAnswer
from m2m_rt.units import F32, F64, I64

SHOWN_MM = 35.0
"""The cortex is shown as far as this from the region: a browser paints some twenty
thousand triangles a frame smoothly."""

ARROW_SPACING_MM = 10.0
ARROW_MM = 9.0
WIDTH_MM = 210.0
"""Of what the window shows at first."""

SCALE = np.linspace(0.0, 1.0, 13)

Line = dict[str, object]


def page_of(
    table: EfieldTable, cortex: Cortex | None, pose: F64, answer: FieldAnswer
) -> str:
    """Return the page: |E| on the cortex, arrows of E, and the coil at a pose.

    Without a cortex the region's points are shown; a refused pose has no field.
    """
    efield = answer.unit_efield_v_per_m
    size = field_size(table, answer)
    largest = 1.0 if efield is None else float(size.max())
    middle_mm = table.roi.points_mm.mean(axis=0)
    lines = list(_coil(table, pose, middle_mm))
    if efield is not None:
        lines += _arrows(table, efield, largest, middle_mm)
    if cortex is None:
        lines += _points(table, size, largest, middle_mm)
    view = coil_view(pose)
    data = _surface(table, cortex, size, largest) | {
        "lines": lines,
        "turn": np.stack((view.right, view.up, view.toward)).tolist(),
        "width_mm": WIDTH_MM,
        "scale": [to_hex(tuple(each)) for each in shades(SCALE, 1.0)],
    }
    named = html.escape(f"{table.name}, coil {table.coil.name}")
    fields = {
        "title": named,
        "about": named + "<br>" + html.escape(finding(answer)) + _key(),
        "largest": "–" if efield is None else f"{largest:.2f}",
        "data": json.dumps(data),
    }
    page = (files("m2m_rt.app") / "table_page.html").read_text(encoding="utf-8")
    for name, text in fields.items():
        page = page.replace("{{" + name + "}}", text)
    return page


def _key() -> str:
    parts = ((WINDING, "windings"), (HANDLE, "handle"), (AXIS, "z axis, into the head"))
    spans = (f'<span class="line" style="color:{c}">{name}</span>' for c, name in parts)
    return "<br>" + ", ".join(spans)


def _surface(
    table: EfieldTable, cortex: Cortex | None, size: F64, largest: float
) -> dict[str, object]:
    """Return triangles near the region as base64 of little-endian numbers."""
    if cortex is None:
        return dict.fromkeys(("points", "triangles", "normals", "colours"), "")
    roi_mm = table.roi.points_mm
    nearest_mm = np.linalg.norm(
        cortex.corners_mm.mean(axis=1) - roi_mm[cortex.neighbours[:, 0]], axis=1
    )
    shown = np.flatnonzero(nearest_mm < SHOWN_MM)
    points_mm, triangles = np.unique(
        cortex.corners_mm[shown].reshape(-1, 3), axis=0, return_inverse=True
    )
    return {
        "points": _base64((points_mm - roi_mm.mean(axis=0)).astype("<f4")),
        "triangles": _base64(triangles.astype("<u4")),
        "normals": _base64(cortex.normals[shown].astype("<f4")),
        "colours": _base64(_bytes(shades(cortex.blend(size), largest))[shown]),
    }


def _coil(table: EfieldTable, pose: F64, middle_mm: F64) -> Iterator[Line]:
    coil = coil_lines(table, pose)
    for line_mm in coil.windings_mm:
        yield _line(line_mm - middle_mm, WINDING, 2.0)
    yield _line(coil.handle_mm - middle_mm, HANDLE, 5.0)
    yield _line(coil.axis_mm - middle_mm, AXIS, 4.0) | {"arrow": True}


def _arrows(
    table: EfieldTable, efield: F32, largest: float, middle_mm: F64
) -> list[Line]:
    """Return arrows along E at the strongest point of each cell of space."""
    size = np.linalg.norm(efield, axis=1)
    at_mm = table.roi.points_mm - middle_mm
    found = []
    for k in _strongest(at_mm, size, FAINTEST * largest):
        half_mm = 0.5 * ARROW_MM / largest * efield[k].astype(np.float64)
        ends_mm = np.stack((at_mm[k] - half_mm, at_mm[k] + half_mm))
        line = _line(ends_mm + 2.0 * table.roi.normals[k], "#ffffff", 2.2)
        found.append(
            line | {"arrow": True, "normal": table.roi.normals[k].round(3).tolist()}
        )
    return found


def _strongest(at_mm: F64, size: F32, least: float) -> I64:
    cells = np.floor(at_mm / ARROW_SPACING_MM).astype(np.int64)
    order = np.lexsort((-size, *cells.T))
    _, first = np.unique(cells[order], axis=0, return_index=True)
    kept = order[first]
    return kept[size[kept] > least]


def _points(
    table: EfieldTable, size: F64, largest: float, middle_mm: F64
) -> list[Line]:
    places_mm = table.roi.points_mm - middle_mm
    return [
        _line(place[np.newaxis], to_hex(tuple(shade)), 2.0)
        for place, shade in zip(places_mm, shades(size, largest), strict=True)
    ]


def _line(points_mm: F64, colour: str, width: float) -> Line:
    return {"points": points_mm.round(2).tolist(), "colour": colour, "width": width}


def _bytes(colours: F64) -> npt.NDArray[np.uint8]:
    return np.round(255.0 * colours).astype(np.uint8)


def _base64(array: npt.NDArray[np.generic]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
