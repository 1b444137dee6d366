"""The picture of a registration: what is left at each point, and in which direction."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m2m_rt.errors import ConfigError
from m2m_rt.geometry import Registration, left_out_errors_mm

_MAGNIFIED = 10.0
_FEWEST_LEFT_OUT = 4


def draw_registration(registration: Registration, path: Path) -> None:
    """Write a PNG: residuals by point, and as arrows from above and from the right."""
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    bars, above, side = figure.subplots(1, 3)
    _draw_bars(bars, registration)
    _draw_arrows(above, registration, axes=(0, 1))
    _draw_arrows(side, registration, axes=(1, 2))
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as err:
        raise ConfigError(f"picture {path}", str(err), "a .png, .svg or .pdf") from err


def _draw_bars(bars: Axes, registration: Registration) -> None:
    names, fit = registration.pairs.names, registration.fit
    places = np.arange(len(names))
    left_mm = np.linalg.norm(fit.residual_mm, axis=1)
    bars.bar(places, left_mm, color="tab:blue", label="left over by the fit")
    if len(names) >= _FEWEST_LEFT_OUT:
        errors_mm = left_out_errors_mm(registration.pairs)
        bars.plot(places, errors_mm, "k_", markersize=18, label="if left out")
    noise = fit.noise
    bars.axhspan(noise.low_mm, noise.high_mm, color="tab:orange", alpha=0.2)
    label = f"noise per axis {noise.noise_mm:.1f} mm, 95 %"
    bars.axhline(noise.noise_mm, color="tab:orange", label=label)
    bars.set_xticks(places, names, rotation=40, ha="right")
    bars.set_ylabel("distance (mm)")
    bars.set_ylim(bottom=0.0)
    bars.set_ylim(top=1.3 * bars.get_ylim()[1])  # room for the legend
    bars.legend(fontsize="small", loc="upper right")


def _draw_arrows(
    plane: Axes, registration: Registration, axes: tuple[int, int]
) -> None:
    head_mm = registration.pairs.a_mm[:, axes]
    residual_mm = -registration.fit.residual_mm[:, axes]  # from where it should be
    plane.plot(head_mm[:, 0], head_mm[:, 1], "o", color="0.3")
    plane.quiver(
        head_mm[:, 0],
        head_mm[:, 1],
        residual_mm[:, 0],
        residual_mm[:, 1],
        angles="xy",
        scale_units="xy",
        scale=1.0 / _MAGNIFIED,
        color="tab:red",
        width=0.008,
    )
    for name, (x, y) in zip(registration.pairs.names, head_mm, strict=True):
        plane.annotate(name, (x, y), xytext=(5, 5), textcoords="offset points")
    words = ("left → right", "back → front", "down → up")
    plane.set_xlabel(f"head {'xyz'[axes[0]]} (mm): {words[axes[0]]}")
    plane.set_ylabel(f"head {'xyz'[axes[1]]} (mm): {words[axes[1]]}")
    plane.set_title(f"measured − head point, × {_MAGNIFIED:g}", fontsize="medium")
    plane.set_aspect("equal", adjustable="datalim")
    plane.margins(0.25)
