"""`m2m study target` and `m2m study inverse`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from m2m_rt.app.places import make_places
from m2m_rt.app.stage_bars import stage_bars, write_figures
from m2m_rt.app.study_shared import (
    JsonOption,
    ModelOption,
    ReportOption,
    SeedOption,
    TableOption,
    open_table_and_model,
)

SubjectsOption = Annotated[
    int, typer.Option(min=1, help="Simulated, never trained on.")
]
QuickOption = Annotated[bool, typer.Option("--quick", help="A try of half a minute.")]


def register(study: typer.Typer) -> None:
    """Add the studies."""
    study.command()(target)
    study.command()(inverse)


def target(  # noqa: PLR0913 - the options of a command are its parameters
    *,
    subjects: SubjectsOption = 10,
    seed: SeedOption = 1,
    json_out: JsonOption = None,
    report: ReportOption = None,
    table: TableOption = "demo",
    model: ModelOption = "m2mnet-rt",
    quick: QuickOption = False,
    simulator: Annotated[
        str, typer.Option(help="The form of the people: goetz, or foci.")
    ] = "goetz",
    tune: Annotated[
        bool, typer.Option("--tune", help="On the people that settings are chosen on.")
    ] = False,
    muscle: Annotated[
        list[str] | None,
        typer.Option(help="Recorded; again for more. Default all fifteen."),
    ] = None,
    design: Annotated[
        list[str] | None,
        typer.Option(help="active, random or grid; again for more. Default all."),
    ] = None,
) -> None:
    """Find hotspot, map and a selective pose: how soon, how surely, by which pulses."""
    from m2m_rt.sim import SeedStream
    from m2m_rt.studies.target import (
        QUICK_PLAN,
        StudyPlan,
        run_study,
        surface_speed,
        with_designs,
        with_muscles,
    )
    from m2m_rt.studies.target_picture import draw_target
    from m2m_rt.studies.target_summary import study_lines, summarise_study

    plan = replace(
        QUICK_PLAN if quick else StudyPlan(),
        n_people=subjects,
        seed=seed,
        stream=SeedStream.TUNING if tune else SeedStream.EVALUATION,
        simulator=_known(simulator),
    )
    plan = with_muscles(plan, tuple(muscle)) if muscle else plan
    plan = with_designs(plan, tuple(design)) if design else plan
    make_places(json_out, report)
    lookup, predictor = open_table_and_model(table, model)
    with stage_bars() as progress:
        scores = run_study(lookup, predictor, plan, progress)
    figures = summarise_study(scores, plan)
    figures["candidates_per_s_one_thread"] = surface_speed(lookup, predictor)
    _write(figures, json_out, report, "target.json")
    if report is not None:
        draw_target(figures, report / "target.png")
    for line in study_lines(figures):
        typer.echo(line)


def inverse(  # noqa: PLR0913 - the options of a command are its parameters
    *,
    subjects: SubjectsOption = 3,
    seed: SeedOption = 1,
    json_out: JsonOption = None,
    report: ReportOption = None,
    table: TableOption = "demo",
    model: ModelOption = "m2mnet-rt",
    quick: QuickOption = False,
) -> None:
    """Find the field from the MEPs of 15 muscles: Bayes, a network, regressions."""
    from m2m_rt.studies.inverse import QUICK_PLAN, InversePlan, run_inverse_study
    from m2m_rt.studies.inverse_picture import draw_inverse

    plan = replace(QUICK_PLAN if quick else InversePlan(), n_people=subjects, seed=seed)
    make_places(json_out, report)
    lookup, predictor = open_table_and_model(table, model)
    with stage_bars() as progress:
        found = run_inverse_study(lookup, predictor, plan, progress)
    _write(found.figures, json_out, report, "inverse.json")
    if report is not None:
        draw_inverse(found, report / "inverse.png")
    for line in found.lines():
        typer.echo(line)


def _known(simulator: str) -> str:
    from m2m_rt.errors import ConfigError
    from m2m_rt.studies.simulators import SIMULATORS

    if simulator not in SIMULATORS:
        raise ConfigError("--simulator", repr(simulator), " or ".join(SIMULATORS))
    return simulator


def _write(
    figures: dict[str, object],
    json_out: Path | None,
    report: Path | None,
    name: str,
) -> None:
    if json_out is not None:
        write_figures(json_out, figures)
    if report is not None:
        write_figures(report / name, figures)
