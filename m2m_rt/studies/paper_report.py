"""The study's page: pictures, tables, and its questions answered from the numbers."""

import html
from collections.abc import Sequence
from pathlib import Path

from m2m_rt.studies.mean_interval import Interval
from m2m_rt.studies.paper_picture import draw_intensities, draw_muscles, draw_scores
from m2m_rt.studies.paper_results import SplitResult, StudyResult
from m2m_rt.studies.paper_tables import NETWORKS, Comparison, Summary

_COLUMNS = ("mse", "nrmse", "cosine", "r2", "r2_log10")
_CRITERIA = (
    "aic",
    "aic_effective",
    "aic_readout",
    "bic",
    "bic_effective",
    "bic_readout",
)
_VERDICTS = {"yes": "Yes", "no": "No, it is worse", "undecided": "Not decided"}


def write_report(result: StudyResult, folder: Path) -> Path:
    """Write pictures and `index.html`; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_scores(result, folder / "scores.png")
    for name, split in result.splits.items():
        draw_muscles(split, folder / f"muscles-{name}.png")
        draw_intensities(split, folder / f"intensities-{name}.png")
    page = folder / "index.html"
    page.write_text(_page(result), encoding="utf-8")
    return page


def _page(result: StudyResult) -> str:
    plan = result.plan
    size = sum(plan.design.n_pulses)
    parts = [
        "<!doctype html><meta charset='utf-8'><title>M2M-Net and its rivals</title>",
        "<style>body{font:15px sans-serif;max-width:70em;margin:2em auto}"
        "table{border-collapse:collapse}td,th{padding:.2em .7em;text-align:right}"
        "td:first-child,th:first-child{text-align:left}img{max-width:100%}</style>",
        "<h1>Which mapper predicts muscles best from stimulation?</h1>",
        f"<p>{size} pulses, {plan.n_subjects} simulated subject(s) of each of: "
        f"{', '.join(plan.simulators)}. Input volume {plan.side}³; autoencoder "
        f"{plan.encoder.epochs} epochs, mapper {plan.mapper.epochs} (published: 100, "
        "150). The ceiling is the subject's own expectation. Intervals are 95 % "
        "over subjects (Student's t), who share poses and splits.</p>",
        "<img src='scores.png' alt='scores of all systems'>",
    ]
    for name, split in result.splits.items():
        parts += _split_part(name, split)
    parts += _encoder_part(result)
    for simulator, splits in result.by_simulator.items():
        if len(result.by_simulator) > 1:
            parts.append(f"<h2>Simulator {html.escape(simulator)} alone</h2>")
            parts += [_answers_table(s.answers, name) for name, s in splits.items()]
    return "\n".join(parts) + "\n"


def _split_part(name: str, split: SplitResult) -> list[str]:
    title = html.escape(name.replace("_", " "))
    return [
        f"<h2>Split: {title}</h2>",
        _answers_table(split.answers, name),
        f"<p>{rival_sentence(split)}</p>",
        _scores_table(split),
        f"<img src='muscles-{name}.png' alt='per muscle'>",
        f"<img src='intensities-{name}.png' alt='per intensity'>",
        "<h3>Size and fit</h3>"
        "<p>k: all trained numbers; those above 1e-3; the linear readout's. n is test "
        "pulses × muscles, and RSS theirs.</p>",
        _criteria_table(split),
    ]


def _encoder_part(result: StudyResult) -> list[str]:
    rows = [
        (e.input, str(e.n_fields), f"{e.explained:.3f}", str(e.k_effective))
        for e in result.encoders
    ]
    head = ("input", "fields learnt", "variance explained", "weights above 1e-3")
    return [
        "<h2>Autoencoders</h2>",
        "<p>They learn from fields alone, never from MEPs, and serve all subjects. "
        "Explained is the part of the variance about the mean field, in pulses that "
        "were not learnt. Leaving an intensity out, the random split's are used: they "
        "have seen fields of the intensity that is left out. The networks give "
        "amplitudes; log10 is a line through them for each muscle, fitted on training "
        "pulses.</p>",
        _table(head, rows),
    ]


def rival_sentence(split: SplitResult) -> str:
    """Return which rivals beat which networks, by NRMSE with its interval."""
    said = []
    for rival in (*split.realtime, *split.baselines):
        rows = [a for a in split.answers if a.better == rival and a.score == "nrmse"]
        won = [a.worse for a in rows if a.verdict == "yes"]
        lost = [a.worse for a in rows if a.verdict == "no"]
        beats = _listed(won)
        loses = f"; is beaten by {_listed(lost)}" if lost else ""
        said.append(f"{rival} beats {beats}{loses}.")
    if not said:
        return "No rivals were asked."
    return "By NRMSE: " + " ".join(said)


def _listed(names: list[str]) -> str:
    if not names:
        return "no network for sure"
    return "all six networks" if len(names) == len(NETWORKS) else ", ".join(names)


def _answers_table(answers: list[Comparison], split: str) -> str:
    between = [a for a in answers if a.better in NETWORKS]
    rows = [
        (
            f"{a.question} ({a.better} against {a.worse})",
            a.score,
            f"{a.difference:+.4f}",
            _interval(a.interval),
            _VERDICTS[a.verdict],
        )
        for a in between
    ]
    head = ("Question", "by", "better by", "95 % interval", "answer")
    return f"<h3>Networks, {html.escape(split)}</h3>" + _table(head, rows)


def _scores_table(split: SplitResult) -> str:
    everyone = {"ceiling": split.ceiling} | split.systems
    rows = [
        (name, *(_with_interval(summary, column) for column in _COLUMNS))
        for name, summary in everyone.items()
    ]
    return _table(("system", *_COLUMNS), rows)


def _criteria_table(split: SplitResult) -> str:
    sizes = ("k_all", "k_effective", "k_readout")
    rows = [
        (name, *(f"{getattr(summary, c):.0f}" for c in (*sizes, *_CRITERIA)))
        for name, summary in split.systems.items()
    ]
    return _table(("system", *sizes, *_CRITERIA), rows)


def _with_interval(summary: Summary, column: str) -> str:
    return f"{getattr(summary, column):.4f} {_interval(summary.intervals[column])}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"[{interval[0]:.4f}, {interval[1]:.4f}]"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...], tag: str) -> str:
        inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
        return f"<tr>{inner}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table>{line(head, 'th')}{body}</table>"
