"""All figures of the rivals' study, and their picture."""

from pathlib import Path

import msgspec

from m2m_rt.studies.paper_study import CEILING
from m2m_rt.studies.rivals import RivalsPlan, Scored, SystemFigures, figures

Table = dict[str, dict[str, SystemFigures]]
"""By question and system."""

PICTURE = "rivals.png"


class RivalsResult(msgspec.Struct, frozen=True, kw_only=True):
    """Everything, first over all subjects, then by simulator."""

    plan: RivalsPlan
    together: Table
    by_simulator: dict[str, Table]


def rivals_result(plan: RivalsPlan, scored: list[Scored]) -> RivalsResult:
    """Return all figures of the scores."""
    return RivalsResult(
        plan=plan,
        together=figures(scored),
        by_simulator={
            name: figures([one for one in scored if one.simulator == name])
            for name in plan.simulators
        },
    )


def result_json(result: RivalsResult) -> bytes:
    """Return the JSON file; NaN is null."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2)


def draw_rivals(result: RivalsResult, folder: Path) -> str:
    """Draw each question's R² and NRMSE with intervals; return the picture's path."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    table = result.together
    figure = Figure(figsize=(4.2 * len(table), 7.5), layout="constrained")
    axes = figure.subplots(2, len(table), squeeze=False)
    for column, (question, systems) in enumerate(table.items()):
        shown = [name for name in systems if name != "mean"]
        for row, key in enumerate(("r2_log10", "nrmse")):
            panel = axes[row, column]
            means = [getattr(systems[name], key) for name in shown]
            for place, (name, mean) in enumerate(zip(shown, means, strict=True)):
                color = "black" if name == CEILING else "C0"
                color = "C1" if name.startswith("realtime") else color
                panel.plot([mean.low, mean.high], [place, place], color=color)
                panel.plot(mean.mean, place, "o", color=color)
            panel.set_yticks(
                range(len(shown)), shown if column == 0 else [""] * len(shown)
            )
            panel.invert_yaxis()
            panel.set_title(question)
            panel.set_xlabel("R² of log10 MEP" if key == "r2_log10" else "NRMSE")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / PICTURE, dpi=110)
    return str(folder / PICTURE)
