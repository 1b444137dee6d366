"""The picture of a session: predicted against measured, and the learning curve."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m2m_rt.app.session_data import Scored
from m2m_rt.units import F64

_WINDOW = 10
"""Pulses that a point of the learning curve is the mean of."""


def draw_report(
    scored: Scored, path: Path, *, muscles: tuple[str, ...], truth: F64 | None = None
) -> None:
    """Write a PNG.

    Parameters
    ----------
    scored
        Predictions and answers of a session.
    path
        Where the picture goes.
    muscles
        Names, in the columns' order.
    truth
        (n_trials, n_muscles): the virtual subject's true mean log10 MEPs, if any.
    """
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_scatter(left, scored, muscles)
    _draw_learning(right, scored, truth)
    figure.savefig(path, dpi=110)


def _draw_scatter(axes: Axes, scored: Scored, muscles: tuple[str, ...]) -> None:
    colours = _colours(len(muscles))
    half = len(scored.pulse_ns) // 2
    for muscle, name in enumerate(muscles):
        rows = scored.valid[:, muscle].copy()
        rows[:half] = False
        axes.plot(
            10 ** scored.online[rows, muscle],
            10 ** scored.measured[rows, muscle],
            ".",
            color=colours[muscle],
            label=name,
        )
    ends_uv = (4.0, 2e4)
    axes.plot(ends_uv, ends_uv, color="0.6", linewidth=1)
    axes.set(
        xscale="log",
        yscale="log",
        xlim=ends_uv,
        ylim=ends_uv,
        xlabel="predicted before the pulse (µV)",
        ylabel="measured after it (µV)",
        title="MEP peak to peak, last half of the session",
    )
    axes.legend(ncols=3, fontsize="small", frameon=False)


def _draw_learning(axes: Axes, scored: Scored, truth: F64 | None) -> None:
    curves = {
        "population model, no learning": (scored.prior, "C1"),
        "published predictions": (scored.online, "C0"),
    }
    if truth is not None:
        curves["the subject's true expectation"] = (truth, "0.5")
    for name, (predicted, colour) in curves.items():
        pulses, errors = _running_error(predicted, scored)
        axes.plot(pulses, errors, color=colour, label=name)
    axes.set(
        xlabel="pulse",
        ylabel=f"RMS error of log10 MEP, last {_WINDOW} pulses",
        title="Learning curve",
        ylim=(0, None),
    )
    axes.legend(frameon=False)


def _running_error(predicted: F64, scored: Scored) -> tuple[F64, F64]:
    """Return pulse numbers and the RMS error over the pulses up to each."""
    squared = np.where(scored.valid, (predicted - scored.measured) ** 2, np.nan)
    ends = np.arange(min(_WINDOW, len(squared)), len(squared) + 1)
    errors = [np.sqrt(np.nanmean(squared[max(0, e - _WINDOW) : e])) for e in ends]
    return ends.astype(np.float64), np.array(errors)


def _colours(n_muscles: int) -> list[tuple[float, ...]]:
    from matplotlib import colormaps

    shades = colormaps["turbo"](np.linspace(0.05, 0.95, n_muscles))
    return [tuple(shade) for shade in shades]
