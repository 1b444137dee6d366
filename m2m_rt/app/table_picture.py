"""Pictures of a field on the cortex, with the coil where it is: from three sides."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from m2m_rt.app.table_scene import (
    HALF_WIDTH_MM,
    CoilLines,
    Cortex,
    View,
    coil_lines,
    coil_view,
    spread_points,
)
from m2m_rt.efield import EfieldTable, FieldAnswer, ScalpDistance
from m2m_rt.units import F32, F64

COLOURS = "viridis"
GREY = 0.78
"""Of the cortex where nothing is known."""

AMBIENT = 0.5
"""Part of a surface's brightness that does not depend on where it faces."""

ARROW_SPACING_MM = 8.0
ARROW_MM = 10.0
"""Length of the arrow at the largest |E|."""

FAINTEST = 0.12
"""Of the largest |E|: fainter places have no arrow."""

DEEPEST_MM = 110.0
"""Of the view beside it."""

CUT_STEP_MM = 1.5

WINDING, HANDLE, AXIS, SCALP = "black", "#D55E00", "#CC79A7", "#0072B2"
"""Told apart with any colour vision (Okabe & Ito 2008)."""


@dataclass(frozen=True, slots=True)
class Painted:
    """Values at the points of a region, and how they are shown."""

    cortex: Cortex | None
    points_mm: F64
    values: F64
    """(n_roi,): NaN where there is none."""

    largest: float
    """End of the colours' scale."""


def draw_field(
    table: EfieldTable,
    cortex: Cortex | None,
    pose: F64,
    answer: FieldAnswer,
    path: Path,
) -> None:
    """Write a PNG of |E| and its direction on the cortex, from above and by the coil.

    A refused pose gives the coil over a grey cortex, and the reason.
    """
    efield = answer.unit_efield_v_per_m
    size = field_size(table, answer)
    largest = 1.0 if efield is None else float(size.max())
    painted = Painted(cortex, table.roi.points_mm, size, largest)
    figure = Figure(figsize=(16.0, 5.9), layout="constrained")
    coil = coil_lines(table, pose)
    panels: Sequence[Axes] = figure.subplots(1, 3)
    for axes, view in zip(panels, _views(pose, cortex), strict=True):
        draw_view(axes, view, painted)
        if view.with_scalp:
            _draw_scalp(axes, view, table.region.scalp)
        if efield is not None:
            _draw_arrows(axes, view, painted, efield)
        _draw_coil(axes, view, coil)
    if efield is not None:
        add_scale(figure, panels, largest, "|E| (V/m per A/µs)")
    figure.legend(handles=_legend(), loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle(_title(table, answer, largest))
    figure.savefig(path, dpi=110)


def field_size(table: EfieldTable, answer: FieldAnswer) -> F64:
    """Return |E| at the points (n_roi,), V/m per A/µs; NaN for a refused pose."""
    if answer.unit_efield_v_per_m is None:
        return np.full(len(table.roi.points_mm), np.nan)
    size: F64 = np.linalg.norm(answer.unit_efield_v_per_m.astype(np.float64), axis=1)
    return size


def draw_view(axes: Axes, view: View, painted: Painted) -> None:
    """Draw the cortex, or the region's points where there is no mesh, from one side."""
    if painted.cortex is None:
        _draw_points(axes, view, painted)
    else:
        _draw_triangles(axes, view, painted, painted.cortex)
    axes.set_aspect("equal")
    left, right, bottom, top = view.limits_mm
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set(title=view.title, xlabel=view.labels[0], ylabel=view.labels[1])


def add_scale(
    figure: Figure, panels: Sequence[Axes], largest: float, label: str
) -> None:
    """Put a colour bar from zero beside the panels."""
    scale = ScalarMappable(Normalize(0.0, largest), COLOURS)
    figure.colorbar(scale, ax=list(panels), label=label, shrink=0.8, aspect=30)


def _views(pose: F64, cortex: Cortex | None) -> tuple[View, View, View]:
    x, y, _ = np.eye(3)
    labels = "left – right (mm)", "back – front (mm)"
    above = View("from above", x, y, np.zeros(3), labels, _limits(pose, cortex))
    half, deepest = HALF_WIDTH_MM, DEEPEST_MM
    beside = View(
        "from the side, at the coil's −x",
        pose[:3, 1],
        -pose[:3, 2],
        pose[:3, 3],
        ("coil y (mm)", "coil −z (mm)"),
        (-half, half, -deepest, 2 * half - deepest),
        with_scalp=True,
    )
    return above, coil_view(pose), beside


def _limits(pose: F64, cortex: Cortex | None) -> tuple[float, float, float, float]:
    """Return a square from above that holds the cortex and the coil."""
    known_mm = pose[:3, 3] + HALF_WIDTH_MM * np.array(((-1.0,) * 3, (1.0,) * 3))
    if cortex is not None:
        known_mm = np.concatenate((known_mm, cortex.corners_mm.reshape(-1, 3)))
    low, high = known_mm[:, :2].min(axis=0), known_mm[:, :2].max(axis=0)
    half = 0.5 * float((high - low).max()) + 5.0
    x, y = (0.5 * (low + high)).tolist()
    return x - half, x + half, y - half, y + half


def _draw_triangles(axes: Axes, view: View, painted: Painted, cortex: Cortex) -> None:
    """Paint the triangles that face the viewer, the nearest last."""
    facing = cortex.normals @ view.toward
    centres_mm = cortex.corners_mm.mean(axis=1)
    seen = np.flatnonzero(facing > 0.0)
    order = seen[np.argsort(centres_mm[seen] @ view.toward)]
    colours = shades(cortex.blend(painted.values), painted.largest)[order]
    colours *= (AMBIENT + (1.0 - AMBIENT) * facing[order])[:, None]
    axes.add_collection(
        PolyCollection(
            view.flat(cortex.corners_mm[order]),  # type: ignore[arg-type] # one array is quick
            facecolors=colours,
            edgecolors="none",
            antialiased=False,  # or seams would show between triangles
            in_layout=False,
        )
    )


def shades(values: F64, largest: float) -> F64:
    """Return red, green, blue (n, 3) of values from zero; grey where they are NaN."""
    known = np.isfinite(values)
    colours = np.full((len(values), 3), GREY)
    colours[known] = colormaps[COLOURS](values[known] / largest)[:, :3]
    return colours


def _draw_points(axes: Axes, view: View, painted: Painted) -> None:
    order = np.argsort(painted.points_mm @ view.toward)
    colours = shades(painted.values, painted.largest)[order]
    x, y = view.flat(painted.points_mm[order]).T
    axes.scatter(x, y, c=colours, s=18)


def _draw_arrows(axes: Axes, view: View, painted: Painted, efield: F32) -> None:
    """Draw E at the foremost points, as long as it is strong in the picture's plane."""
    strong = np.flatnonzero(np.linalg.norm(efield, axis=1) > FAINTEST * painted.largest)
    places = view.flat(painted.points_mm[strong])
    kept = spread_points(
        places, painted.points_mm[strong] @ view.toward, ARROW_SPACING_MM
    )
    along = efield[strong[kept]] @ np.stack((view.right, view.up), axis=1)
    lengths_mm = along * (ARROW_MM / painted.largest)
    axes.quiver(
        *places[kept].T,
        *lengths_mm.T,
        angles="xy",
        scale_units="xy",
        scale=1.0,
        pivot="mid",
        width=0.0042,
        color="white",
        edgecolor="black",
        linewidth=0.6,
        zorder=3,
    )


def _draw_coil(axes: Axes, view: View, coil: CoilLines) -> None:
    """Draw windings, handle and axis over everything, the cortex seen through them."""
    points = [line_mm for line_mm in coil.windings_mm if len(line_mm) == 1]
    if points:
        axes.plot(*view.flat(np.concatenate(points)).T, ".", c=WINDING, ms=3, zorder=4)
    for line_mm in coil.windings_mm:
        axes.plot(*view.flat(line_mm).T, c=WINDING, lw=1.6, alpha=0.75, zorder=4)
    for line_mm, colour in ((coil.handle_mm, HANDLE), (coil.axis_mm, AXIS)):
        axes.plot(*view.flat(line_mm).T, c=colour, lw=3, zorder=5)
    axes.plot(*view.flat(coil.axis_mm[:1]).T, "o", color=WINDING, ms=5, zorder=6)


def _legend() -> list[Line2D]:
    arrow = Line2D([], [], c="black", ls="none", marker=r"$\rightarrow$", ms=16)
    arrow.set_label("direction of E, rising current")
    lines = (
        ("windings", WINDING),
        ("handle (coil −y)", HANDLE),
        ("coil z axis, into the head", AXIS),
        ("scalp, cut at the coil's centre", SCALP),
    )
    return [arrow, *(Line2D([], [], c=c, lw=3, label=name) for name, c in lines)]


def _draw_scalp(axes: Axes, view: View, scalp: ScalpDistance) -> None:
    """Draw the scalp's line in the plane of the picture through its centre."""
    from scipy import ndimage

    steps_mm = np.arange(-DEEPEST_MM, DEEPEST_MM + 1.0, CUT_STEP_MM)
    x, y = np.meshgrid(steps_mm, steps_mm)
    places_mm = view.centre_mm + x[..., None] * view.right + y[..., None] * view.up
    at = np.moveaxis((places_mm - scalp.origin_mm) / scalp.spacing_mm, -1, 0)
    distance_mm = ndimage.map_coordinates(
        scalp.distance_mm.astype(np.float64), at, order=1, cval=np.nan
    )
    axes.contour(x, y, distance_mm, levels=[0.0], colors=SCALP, linewidths=2)


def finding(answer: FieldAnswer) -> str:
    """Return in words how good an answer is, or why there is none."""
    if not answer.valid:
        return f"this pose is refused: {answer.reason}"
    if math.isnan(answer.table_rel_error):
        return "no bound of the table's own error"
    return f"the table's own error ≤ {100.0 * answer.table_rel_error:.2f} %"


def _title(table: EfieldTable, answer: FieldAnswer, largest: float) -> str:
    about = f"{table.name}, coil {table.coil.name}"
    if answer.valid:
        about += f"; largest |E| {largest:.2f} V/m per A/µs"
    return f"{about}; {finding(answer)}"
