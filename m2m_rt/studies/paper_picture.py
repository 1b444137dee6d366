"""Pictures of the study: all systems, muscle by muscle, intensity by intensity."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from m2m_rt.model import MUSCLES
from m2m_rt.studies.paper_results import SplitResult, StudyResult
from m2m_rt.studies.paper_tables import NETWORKS, Summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

_SCORES = (("nrmse", "NRMSE"), ("r2_log10", "R² of log10 MEP"))


def draw_scores(result: StudyResult, file: Path) -> None:
    """Draw NRMSE and R² log10 of every system, a row a split."""
    from matplotlib.figure import Figure

    n = len(result.splits)
    n_systems = max(len(split.systems) for split in result.splits.values())
    size = (11.0, n * (1.2 + 0.24 * n_systems))
    figure = Figure(figsize=size, layout="constrained")
    rows = figure.subplots(n, len(_SCORES), squeeze=False)
    for (name, split), panels in zip(result.splits.items(), rows, strict=True):
        for axes, (score, label) in zip(panels, _SCORES, strict=True):
            _bars(axes, split, score)
            axes.set(xlabel=label, title=name.replace("_", " "))
    figure.savefig(file, dpi=110)


def draw_muscles(split: SplitResult, file: Path) -> None:
    """Draw each muscle's NRMSE and R² log10: networks, the best rival, the ceiling."""
    _lines(split, file, [str(muscle) for muscle in MUSCLES], _of_muscles)


def draw_intensities(split: SplitResult, file: Path) -> None:
    """Draw the same of each intensity."""
    _lines(split, file, list(split.ceiling.per_intensity), _of_intensities)


def _bars(axes: "Axes", split: SplitResult, score: str) -> None:
    names = list(split.systems)
    values = [getattr(split.systems[name], score) for name in names]
    colours = ["C0" if name in NETWORKS else "0.6" for name in names]
    colours = [
        "C1" if name in split.realtime else c
        for name, c in zip(names, colours, strict=True)
    ]
    places = np.arange(len(names))[::-1]
    axes.barh(places, values, color=colours, height=0.7)
    for place, name in zip(places, names, strict=True):
        interval = split.systems[name].intervals[score]
        if interval is not None:
            axes.plot(interval, (place, place), c="k", lw=1.2)
    axes.set_yticks(places, names)
    axes.axvline(getattr(split.ceiling, score), ls="--", c="C2", label="ceiling")
    axes.legend(frameon=False, fontsize=8)


def _lines(
    split: SplitResult,
    file: Path,
    labels: list[str],
    values_of: "Callable[[Summary, str], list[float]]",
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 3.6), layout="constrained")
    rivals = split.realtime | split.baselines
    shown = {n: one for n, one in split.systems.items() if n in NETWORKS}
    if rivals:
        best = min(rivals, key=lambda name: rivals[name].nrmse)
        shown[best] = rivals[best]
    for axes, (score, label) in zip(figure.subplots(1, 2), _SCORES, strict=True):
        for name, summary in shown.items():
            axes.plot(labels, values_of(summary, score), marker=".", label=name)
        ceiling = values_of(split.ceiling, score)
        axes.plot(labels, ceiling, ls="--", c="0.4", label="ceiling")
        axes.set(ylabel=label)
        axes.tick_params(axis="x", rotation=60)
    axes.legend(frameon=False, fontsize=7)
    figure.savefig(file, dpi=110)


def _of_muscles(summary: Summary, score: str) -> list[float]:
    return summary.per_muscle[score]


def _of_intensities(summary: Summary, score: str) -> list[float]:
    return [scores[score] for scores in summary.per_intensity.values()]
