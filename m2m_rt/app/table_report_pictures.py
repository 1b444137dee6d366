"""Pictures of what a table is worth: allowed poses, bounds, errors, singular values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from m2m_rt.app.table_picture import COLOURS, Painted, add_scale, draw_view
from m2m_rt.app.table_region import PoseMap
from m2m_rt.app.table_scene import Cortex, coil_view
from m2m_rt.efield import EfieldTable, PoseFault
from m2m_rt.units import F64, I64

COLOUR_OF: dict[PoseFault | None, str] = {
    None: "#009E73",
    PoseFault.OUTSIDE_REGION: "#999999",
    PoseFault.TILTED: "#E69F00",
    PoseFault.TOO_NEAR: "#D55E00",
    PoseFault.TOO_FAR: "#56B4E9",
    PoseFault.WRONG_SIDE: "#CC79A7",
    PoseFault.FACING_AWAY: "#0072B2",
    PoseFault.OUTSIDE_COIL_GRID: "#F0E442",
    PoseFault.NOT_RIGID: "#000000",
    PoseFault.NOT_FINITE: "#444444",
}
"""Told apart with any colour vision (Okabe & Ito 2008)."""


@dataclass(frozen=True, slots=True)
class DirectErrors:
    """A table's field at one pose against its direct solve."""

    pose: F64
    """(4, 4)"""

    away: F64
    """(n_roi,): |table − direct| as a fraction of the largest direct |E|."""

    rel_l2: float


def draw_region(table: EfieldTable, maps: Sequence[PoseMap], path: Path) -> None:
    """Write a PNG of which poses around the planned one are allowed, and why not."""
    figure = Figure(figsize=(15.0, 6.2), layout="constrained")
    shown = list(COLOUR_OF)
    colours = ListedColormap([COLOUR_OF[reason] for reason in shown])
    for axes, each in zip(figure.subplots(1, len(maps)), maps, strict=True):
        codes = np.array([shown.index(reason) for reason in each.reasons])
        codes = codes.reshape(each.bound.shape)
        _draw_map(axes, each, codes, colours, (-0.5, len(shown) - 0.5))
    found = {reason for each in maps for reason in each.reasons}
    patches = [
        Patch(color=COLOUR_OF[reason], label=reason or "allowed")
        for reason in shown
        if reason in found
    ]
    figure.legend(
        handles=patches, loc="outside lower center", ncols=len(patches), frameon=False
    )
    figure.suptitle(
        f"{table.name}, coil {table.coil.name}: poses that the table answers; "
        "○ the planned pose"
    )
    figure.savefig(path, dpi=110)


def draw_errors(
    table: EfieldTable,
    cortex: Cortex | None,
    maps: Sequence[PoseMap],
    direct: DirectErrors | None,
    path: Path,
) -> None:
    """Write a PNG of the bound over poses, and of one pose's error on the cortex.

    The bound is of the relative error, in per cent; a table without one gives empty
    maps that say so.
    """
    n_panels = len(maps) + (direct is not None)
    figure = Figure(figsize=(5.2 * n_panels, 5.0), layout="constrained")
    panels = list(figure.subplots(1, n_panels))
    if direct is not None:
        _draw_direct(figure, panels.pop(0), table, cortex, direct)
    _draw_bounds(figure, panels, table, maps)
    figure.suptitle(
        f"{table.name}, coil {table.coil.name}: the table against direct solves on its "
        f"own mesh, median error when built {_percent(table.self_error)}"
    )
    figure.savefig(path, dpi=110)


def draw_spectrum(table: EfieldTable, path: Path) -> None:
    """Write a PNG of the singular values of source modes and reduced basis."""
    rank = table.project.shape[0]
    n_modes = len(table.singular_values) - rank
    parts = (
        ("source modes, at the sensors", table.singular_values[:n_modes]),
        ("reduced basis, over the allowed poses", table.singular_values[n_modes:]),
    )
    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, 2), parts, strict=True):
        axes.set(title=title, xlabel="number", ylabel="singular value ÷ the first")
        if not len(values):
            continue
        relative = values / values[0]
        axes.semilogy(np.arange(1, len(values) + 1), relative, color="#0072B2", lw=2)
        axes.axvline(len(values), color="#D55E00", lw=2)
        axes.annotate(
            f"cut after {len(values)}\nat {relative[-1]:.1e}",
            (len(values), relative[0]),
            xytext=(-8, -4),
            textcoords="offset points",
            ha="right",
            va="top",
        )
        axes.grid(alpha=0.3)
    figure.suptitle(f"{table.name}, coil {table.coil.name}: what the table keeps")
    figure.savefig(path, dpi=110)


def _draw_direct(
    figure: Figure,
    axes: Axes,
    table: EfieldTable,
    cortex: Cortex | None,
    direct: DirectErrors,
) -> None:
    per_cent = 100.0 * direct.away
    painted = Painted(cortex, table.roi.points_mm, per_cent, float(per_cent.max()))
    view = coil_view(direct.pose)
    draw_view(axes, view, painted)
    axes.set_title(f"this pose: {_percent(direct.rel_l2)} relative L2")
    add_scale(
        figure, [axes], painted.largest, "|table − direct| (% of the largest |E|)"
    )


def _draw_bounds(
    figure: Figure, panels: Sequence[Axes], table: EfieldTable, maps: Sequence[PoseMap]
) -> None:
    known = [each.bound[np.isfinite(each.bound)] for each in maps]
    largest = max((100.0 * float(b.max()) for b in known if len(b)), default=0.0)
    for axes, each in zip(panels, maps, strict=True):
        axes.set_facecolor("0.85")
        _draw_map(axes, each, 100.0 * each.bound, COLOURS, (0.0, largest or 1.0))
        if table.bound is None:
            axes.text(0.5, 0.5, "no bound", transform=axes.transAxes, ha="center")
    if largest > 0.0:
        add_scale(figure, panels, largest, "bound of the relative error (%)")


def _draw_map(
    axes: Axes,
    each: PoseMap,
    values: F64 | I64,
    colours: str | ListedColormap,
    ends: tuple[float, float],
) -> None:
    axes.pcolormesh(
        *(each.x, each.y, values),
        cmap=colours,
        vmin=ends[0],
        vmax=ends[1],
        shading="nearest",
    )
    axes.plot(0.0, 0.0, "o", mfc="white", mec="black", ms=8)
    axes.set(title=each.title, xlabel=each.labels[0], ylabel=each.labels[1])
    axes.set_box_aspect(1.0)


def _percent(fraction: float) -> str:
    return f"{100.0 * fraction:.2g} %"
