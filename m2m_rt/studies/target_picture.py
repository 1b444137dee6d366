"""The targeting study in a picture: errors over pulses, by who chose them."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure


def draw_target(figures: dict[str, Any], path: Path) -> None:
    """Write a PNG of `summarise_study`'s figures."""
    figure = Figure(figsize=(13.0, 4.0), layout="constrained")
    hotspot, gravity, area, aim = figure.subplots(1, 4)
    muscle = figures["muscle"]
    for design, found in figures["maps"].items():
        curve = found[muscle]
        _line(hotspot, curve, "hotspot_mm_median", design)
        _line(gravity, curve, "gravity_mm_median", design)
        _line(area, curve, "area_error_mm2_median", design)
    hotspot.axhline(3.0, color="0.6", linestyle=":")
    _name(hotspot, f"{muscle}: hotspot", "median error (mm)")
    _name(gravity, f"{muscle}: centre of gravity", "median error (mm)")
    _name(area, f"{muscle}: area", "median error (mm²)")
    _draw_aim(aim, figures)
    hotspot.legend(frameon=False)
    figure.savefig(path, dpi=120)


def _draw_aim(axes: Axes, figures: dict[str, Any]) -> None:
    found = figures["aim"]
    for design in figures["maps"]:
        _line(axes, found[design], "achieved_log10", design)
    any_design = found[next(iter(figures["maps"]))]
    for name, style in (("best", "-"), ("hotspot", "--"), ("planned", ":")):
        values = any_design[f"{name}_log10"]
        axes.axhline(values[-1], color="0.5", linestyle=style, label=name)
    axes.legend(frameon=False, fontsize="small")
    wanted, unwanted = " ".join(found["most"]), " ".join(found["least"])
    if unwanted:
        _name(axes, f"most {wanted}, least {unwanted}", "log10 ratio of expected MEPs")
    else:
        _name(axes, f"most {wanted}", "log10 of its expected MEP (µV)")


def _line(axes: Axes, curve: dict[str, Any], name: str, label: str) -> None:
    axes.plot(curve["pulses"], curve[name], "o-", label=label, markersize=4)


def _name(axes: Axes, title: str, unit: str) -> None:
    axes.set(title=title, xlabel="pulses", ylabel=unit, xlim=(0.0, None))
    if axes.get_ylim()[0] > 0.0:
        axes.set_ylim(0.0, None)
