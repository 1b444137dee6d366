"""`m2m study adapt`: new subjects, changes and excitability, on virtual people."""

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


def register(study: typer.Typer) -> None:
    """Add `m2m study adapt`."""
    study.command("adapt")(adapt)


def adapt(  # noqa: PLR0913 - the options of a command are its parameters
    *,
    subjects: Annotated[
        int,
        typer.Option(
            min=1,
            help="In every world; five times as many sessions of each change, three "
            "times as many unchanged ones of 300 pulses, with drift and without.",
        ),
    ] = 40,
    seed: SeedOption = 1,
    json_out: JsonOption = None,
    report: ReportOption = None,
    table: TableOption = "demo",
    model: ModelOption = "m2mnet-rt",
    quick: Annotated[bool, typer.Option(help="A try: one subject.")] = False,
) -> None:
    """Ask how quickly, surely and steadily the shipped model learns a new subject.

    Error and coverage against pulses in five worlds beside learning from nothing and
    the truth; gain and shift changes beside the detector that knows all but when;
    excitability beside the filter that knows the true means; doubt beside error. About
    ten minutes on one quiet core.
    """
    from m2m_rt.nets import head_field
    from m2m_rt.studies.adapt import run_study
    from m2m_rt.studies.adapt_picture import headlines, write_report
    from m2m_rt.studies.adapt_plan import AdaptPlan, quick_plan

    plan = quick_plan(seed) if quick else AdaptPlan(n_subjects=subjects, seed=seed)
    make_places(json_out, report)
    lookup, predictor = open_table_and_model(table, model)
    with stage_bars() as progress:
        figures = run_study(head_field(lookup), predictor, plan, progress)
    if json_out is not None:
        write_figures(json_out, figures)
    if report is not None:
        write_report(figures, report)
    for line in headlines(figures):
        typer.echo(line)
