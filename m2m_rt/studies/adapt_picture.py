"""A study of adaptation to look at: headlines, two pictures, one page."""

from pathlib import Path
from typing import TypeVar, cast

import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m2m_rt.studies.adapt_changes import SCENES
from m2m_rt.studies.adapt_people import World
from m2m_rt.studies.adapt_plan import Figures
from m2m_rt.studies.adapt_state import DRIFTS

T = TypeVar("T")

_NAMES = {
    "model": "m2m, from the population",
    "gp_from_nothing": "Gaussian process, from nothing",
    "nearest_from_nothing": "nearest pulses, from nothing",
    "running_mean": "running mean",
}


def headlines(figures: Figures) -> list[str]:
    """Return the figures that matter, a line each."""
    lines = []
    for world in World:
        ratio = _at(figures, f"worlds/{world}/ratio_30_to_300/median", float)
        coverage = _at(figures, f"worlds/{world}/coverage_90/session/median", float)
        worst = _at(figures, f"worlds/{world}/coverage_90/worst_muscle/median", float)
        lines.append(
            f"{world}: RMSE after 30 over after 300 pulses {ratio:.3f}, "
            f"90 % intervals hold {coverage:.1%} (worst muscle {worst:.1%})"
        )
    for name in SCENES:
        where = f"changes/{name}"
        lines.append(
            f"{name}: within 20 pulses {_share(figures, where, 'within_20')}, 30 "
            f"{_share(figures, where, 'within_30')}, kind right "
            f"{_share(figures, where, 'kind_right')}; all-knowing within 20 "
            f"{_share(figures, f'{where}/all_knowing', 'within_20')}"
        )
    undone = "changes/gain_undone"
    lines.append(
        f"gain undone: within 20 pulses {_share(figures, undone, 'within_20')}, 30 "
        f"{_share(figures, undone, 'within_30')}, where the halving was found"
    )
    for name in ("natural_drift", "no_drift"):
        rate = _at(figures, f"changes/false_alarms/{name}/per_300_pulses", float)
        pulses = _at(figures, f"changes/false_alarms/{name}/pulses", int)
        lines.append(
            f"false alarms in 300 pulses, {name}: {rate:.2f} ({pulses} pulses)"
        )
    for name in DRIFTS:
        ratio = _at(figures, f"excitability/{name}/ratio_to_oracle/median", float)
        lines.append(f"excitability {name}: RMSE over the oracle filter's {ratio:.3f}")
    rank = _at(figures, "doubt/rank_correlation/median", float)
    lines.append(f"doubt: rank correlation of novelty with error {rank:.2f}")
    return lines


def write_report(figures: Figures, folder: Path) -> None:
    """Write two pictures and a page into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _draw_learning(figures).savefig(folder / "learning.png", dpi=120)
    _draw_changes(figures).savefig(folder / "changes.png", dpi=120)
    points = "\n".join(f"- {line}" for line in headlines(figures))
    page = (
        f"# Adaptation\n\n{points}\n\n![error and coverage](learning.png)\n\n"
        "![changes and excitability](changes.png)\n"
    )
    (folder / "adapt.md").write_text(page, encoding="utf-8")


def _draw_learning(figures: Figures) -> Figure:
    """Return error and coverage against pulses, a column a world."""
    drawing = Figure(figsize=(3.2 * len(World), 6.0), layout="constrained")
    axes = drawing.subplots(2, len(World), sharex=True, sharey="row", squeeze=False)
    pulses = _at(figures, "pulses", list[int])
    for column, world in enumerate(World):
        top, below = axes[0, column], axes[1, column]
        where = f"worlds/{world}"
        top.set_title(world.replace("_", " "))
        for name, label in _NAMES.items():
            _line(top, pulses, figures, f"{where}/rmse_log10/{name}", label)
        oracle = _at(figures, f"{where}/rmse_log10_oracle", float)
        top.axhline(oracle, color="0.5", ls=":", label="the truth")
        for name in ("model", "gp_from_nothing"):
            _line(below, pulses, figures, f"{where}/coverage_90/{name}", _NAMES[name])
        below.axhspan(0.88, 0.92, color="0.9")
        below.set_xlabel("pulses learnt")
    axes[0, 0].set_ylabel("RMSE, log10 µV")
    axes[1, 0].set_ylabel("part inside the 90 % interval")
    axes[1, 0].set_ylim(0.6, 1.0)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return drawing


def _draw_changes(figures: Figures) -> Figure:
    """Return shares found against pulses, and the ramp of excitability."""
    drawing = Figure(figsize=(11.0, 3.6), layout="constrained")
    left, right = drawing.subplots(1, 2)
    within = (10, 20, 30, 60)
    for number, name in enumerate(SCENES):
        for who, style in (("", "-"), ("/all_knowing", ":")):
            shares = [
                _at(figures, f"changes/{name}{who}/within_{n}/share", float)
                for n in within
            ]
            label = f"{name.replace('_', ' ')}{', all-knowing' if who else ''}"
            left.plot(
                within, shares, style, color=f"C{number}", marker="o", label=label
            )
    left.set_xlabel("pulses after the change")
    left.set_ylabel("share found and named")
    left.set_ylim(0.0, 1.02)
    left.legend(fontsize="small")
    ramp = "excitability/ramp_1.5_in_90"
    said = _at(figures, f"{ramp}/said_log10", list[float])
    step = _at(figures, f"{ramp}/every_pulses", int)
    at = [step * number for number in range(len(said))]
    right.plot(at, _at(figures, f"{ramp}/true_log10", list[float]), "k:", label="true")
    right.plot(at, said, label="tracked, mean of subjects")
    right.set_xlabel("pulse")
    right.set_ylabel("excitability, log10 of evoked size")
    right.legend(fontsize="small")
    return drawing


def _line(
    axes: Axes, pulses: list[int], figures: Figures, path: str, name: str
) -> None:
    values = _at(figures, path, list[float | None])
    known = [(n, v) for n, v in zip(pulses, values, strict=True) if v is not None]
    axes.plot([n for n, _ in known], [v for _, v in known], marker=".", label=name)
    axes.set_xscale("symlog", linthresh=5)


def _share(figures: Figures, where: str, name: str) -> str:
    return f"{_at(figures, f'{where}/{name}/share', float):.0%}"


def _at(figures: Figures, path: str, kind: type[T]) -> T:
    """Return the value at a path of keys, as a kind."""
    found: object = figures
    for key in path.split("/"):
        found = cast("Figures", found)[key]
    return msgspec.convert(found, kind, strict=False)
