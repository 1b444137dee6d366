"""The inverse study in a picture: one pulse's field, found and true, and the scores."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m2m_rt.studies.inverse import Example, InverseFindings
from m2m_rt.units import F32, F64


def draw_inverse(findings: InverseFindings, path: Path) -> None:
    """Write a PNG."""
    figure = Figure(figsize=(15.0, 4.2), layout="constrained")
    true, mean, sd, scores = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.2))
    example = findings.example
    most = float(max(example.true.max(), example.found.mean.max()))
    _draw_map(true, example, example.true, ("true |E|", most))
    _draw_map(mean, example, example.found.mean[0], ("found from the MEPs", most))
    _draw_map(sd, example, example.found.sd[0], ("its standard deviation", most / 3))
    _draw_scores(scores, findings.figures)
    figure.savefig(path, dpi=120)


def _draw_map(
    axes: Axes, example: Example, values: F32 | F64, how: tuple[str, float]
) -> None:
    """Draw points from above, the strongest on top."""
    title, most = how
    order = np.argsort(values)
    x_mm, y_mm, _ = example.points_mm[order].T
    dots = axes.scatter(x_mm, y_mm, c=values[order], s=9, vmin=0.0, vmax=most)
    axes.set(title=title, xlabel="head x (mm)", ylabel="head y (mm)", aspect="equal")
    axes.figure.colorbar(dots, ax=axes, shrink=0.8)


def _draw_scores(axes: Axes, figures: dict[str, Any]) -> None:
    bars = [
        (f"{method} ({where.replace('_', ' ')})", one["nrmse"])
        for where in ("within_subject", "new_subject", "several_pulses")
        for method, one in figures[where].items()
    ]
    names, values = zip(*reversed(bars), strict=True)
    axes.barh(names, values, color="C0")
    axes.set(xlabel="NRMSE of |E|", title="all methods")
    axes.tick_params(axis="y", labelsize="small")
