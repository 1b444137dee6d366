"""`m2m study maps`: how well recorded motor maps are predicted, and learnt actively."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m2m_rt.app.places import make_places
from m2m_rt.app.stage_bars import stage_bars, write_figures
from m2m_rt.app.study_shared import JsonOption

if TYPE_CHECKING:
    from m2m_rt.studies.maps import SubjectResult

_MM_PER_CM = 10.0


def register(study: typer.Typer) -> None:
    """Add `m2m study maps`."""
    study.command("maps")(maps)


def maps(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with *_3MAPs.mat.")
    ],
    *,
    json_out: JsonOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for a picture of each subject.")
    ] = None,
    truth_length_cm: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=10.0, help="Of the truth in active mapping; default fitted."
        ),
    ] = None,
) -> None:
    """Predict the pulses of motor maps, each subject with what others taught.

    DIR holds <subject>_3MAPs.mat: NavDataX (n, 3) in cm and MEPampX (n, 1) in µV of
    the maps GRID, RAND and USER, and, for active mapping, <subject>_COMB.mat (n, 3).
    """
    from m2m_rt.adapters.motor_map_file import (
        find_motor_maps,
        left_out_notes,
        read_subject,
    )
    from m2m_rt.studies.maps import study_maps
    from m2m_rt.studies.maps_json import study_as_json

    subjects = [read_subject(path) for path in find_motor_maps(folder)]
    for subject in subjects:
        for note in left_out_notes(subject.maps):
            typer.echo(f"{subject.subject}: {note}", err=True)
    make_places(json_out, report)
    length_mm = None if truth_length_cm is None else truth_length_cm * _MM_PER_CM
    with stage_bars() as step:
        results = study_maps(subjects, step, truth_length_mm=length_mm)
    figures = study_as_json(results)
    if json_out is not None:
        write_figures(json_out, figures)
    if report is not None:
        _draw(results, report)
    _print_table(figures)


def _draw(results: list[SubjectResult], folder: Path) -> None:
    from m2m_rt.studies.maps_picture import draw_subject

    for result in results:
        typer.echo(draw_subject(result, folder), err=True)


def _print_table(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Motor maps: R² of single pulses in log10 µV")
    columns = ("position", "+ map", "best baseline", "from past", "CRPS")
    for name in ("subject", *columns, "in 90 %", "NMSE"):
        table.add_column(name, justify="right")
    for subject, found in figures.items():
        table.add_row(subject, *_cells(found))
    Console().print(table)


def _cells(found: dict[str, Any]) -> tuple[str, ...]:
    r2, progressive = found["r2"], found["progressive"]
    baselines = found["settings"]["baselines"]
    best = max(baselines, key=lambda name: -9.0 if r2[name] is None else r2[name])
    nmse = found["active"]["nmse"]
    return (
        _text(r2["position"]),
        _text(r2["position_map"]),
        f"{_text(r2[best])} ({best})",
        _text(progressive["r2"]),
        _text(progressive["crps"]),
        _text(progressive["coverage_90"]),
        "–" if nmse is None else _text(nmse[-1]),
    )


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
