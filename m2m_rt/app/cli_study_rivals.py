"""`m2m study rivals`: the real-time family against plain regressors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.app.chosen import chosen
from m2m_rt.app.model_path import model_folder
from m2m_rt.app.places import make_places
from m2m_rt.app.stage_bars import stage_bars
from m2m_rt.app.study_shared import (
    ModelOption,
    ReportOption,
    SeedOption,
    TableOption,
)
from m2m_rt.app.table_path import table_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m2m_rt.studies.rivals import RivalsPlan
    from m2m_rt.studies.rivals_report import RivalsResult


def register(study: typer.Typer) -> None:
    """Add `m2m study rivals`."""
    study.command("rivals")(rivals)


def rivals(  # noqa: PLR0913, PLR0917 - one argument an option
    json_file: Annotated[
        Path, typer.Option("--json", help="File for all figures.", dir_okay=False)
    ],
    subjects: Annotated[int, typer.Option(min=2, help="Of each simulator.")] = 10,
    seed: SeedOption = 1,
    ablations: Annotated[
        bool, typer.Option(help="Change one thing at a time, random split only.")
    ] = False,
    quick: Annotated[
        bool, typer.Option(help="A small try: 140 pulses, random split.")
    ] = False,
    splits: Annotated[
        str | None, typer.Option(help="Names with commas. Default: all three.")
    ] = None,
    pulses: Annotated[
        bool, typer.Option(help="Ask also after 60, 150 and 300 training pulses.")
    ] = True,
    systems: Annotated[
        str | None, typer.Option(help="Names with commas. Default: all.")
    ] = None,
    report: ReportOption = None,
    model: ModelOption = "m2mnet-rt",
    table: TableOption = "demo",
) -> None:
    """Compare real-time models with plain regressors, also after few pulses.

    On the subjects, pulses and splits of `m2m study paper` with the same seed, but
    every site held out once; about two minutes a subject. The JSON has figures by
    simulator (and all together), question and system, each with its 95 % interval over
    subjects, paired where it says minus. It is written anew after every subject.
    """
    from msgspec.structs import replace

    from m2m_rt.studies.paper_splits import SplitName
    from m2m_rt.studies.rivals import QUICK, RivalsPlan
    from m2m_rt.studies.rivals_report import draw_rivals, result_json

    plan = QUICK if quick else RivalsPlan()
    known = tuple(name.value for name in SplitName)
    named = tuple(SplitName(name) for name in chosen("--splits", splits, known))
    plan = replace(plan, seed=seed, n_subjects=subjects)
    plan = plan if splits is None else replace(plan, splits=named)
    plan = plan if pulses else replace(plan, n_training=())
    make_places(json_file, report)
    for result in _run(plan, table, model, (ablations, systems)):
        json_file.write_bytes(result_json(result))
    if report is not None:
        typer.echo(draw_rivals(result, report))


def _run(
    plan: "RivalsPlan", table: str, model: str, asked: tuple[bool, str | None]
) -> "Iterator[RivalsResult]":
    """Ask whether with ablations, and only the systems named if any is.

    Gives the result after every subject, of those done.
    """
    from itertools import groupby

    from msgspec.structs import replace

    from m2m_rt.adapters.onnx_predictor import read_shipped_model
    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.efield import EfieldLookup
    from m2m_rt.nets import head_field
    from m2m_rt.studies.ablations import ablations as changed_systems
    from m2m_rt.studies.baselines import baselines
    from m2m_rt.studies.paper_splits import SplitName
    from m2m_rt.studies.realtime_system import realtime_systems
    from m2m_rt.studies.rivals import Scored, score_rivals
    from m2m_rt.studies.rivals_report import rivals_result

    head = head_field(EfieldLookup(read_table(table_path(table))))
    model_bytes = read_shipped_model(model_folder(model))
    systems = (*baselines(head), *realtime_systems(head, model_bytes))
    ablations, named = asked
    if ablations:
        systems = (*systems, *changed_systems(head, systems))
        plan = replace(plan, splits=(SplitName.RANDOM,), n_training=())
    names = chosen("--systems", named, tuple(system.name for system in systems))
    systems = tuple(system for system in systems if system.name in names)
    with stage_bars() as progress:
        scored: list[Scored] = []
        every = score_rivals(head, plan, systems, progress)
        for _, of_one in groupby(every, key=lambda one: (one.simulator, one.subject)):
            scored += of_one
            yield rivals_result(plan, scored)
