"""`m2m study adapt`: new subjects, changes and excitability, on virtual people."""

import json
from pathlib import Path
from typing import Annotated

import typer


def register(study: typer.Typer) -> None:
    """Add `m2m study adapt`."""
    study.command("adapt")(adapt)


def adapt(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    subjects: Annotated[
        int,
        typer.Option(
            min=1,
            help="In every world; five times as many sessions of each change, three "
            "times as many unchanged ones of 300 pulses, with drift and without.",
        ),
    ] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of the people drawn.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where all figures go.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for pictures and a page.")
    ] = None,
    table: Annotated[
        str, typer.Option(help="A name under models/ or a path.")
    ] = "demo",
    model: Annotated[str, typer.Option(help="As in a rig's file.")] = "m2mnet-rt",
    quick: Annotated[bool, typer.Option(help="A try: one subject.")] = False,
) -> None:
    """Ask how quickly, surely and steadily the shipped model learns a new subject.

    Error and coverage against pulses in five worlds beside learning from nothing and
    the truth; gain and shift changes beside the detector that knows all but when;
    excitability beside the filter that knows the true means; doubt beside error. About
    ten minutes on one quiet core.
    """
    from m2m_rt.adapters.onnx_predictor import (
        OnnxPredictor,
        read_manifest,
        read_shipped_model,
    )
    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.app.model_path import model_folder
    from m2m_rt.app.stage_bars import stage_bars
    from m2m_rt.app.table_path import table_path
    from m2m_rt.efield import EfieldLookup
    from m2m_rt.nets import head_field
    from m2m_rt.studies.adapt import run_study
    from m2m_rt.studies.adapt_plan import AdaptPlan

    folder = model_folder(model)
    predictor = OnnxPredictor(
        read_shipped_model(folder), expected_hash=read_manifest(folder).onnx_sha256
    )
    lookup = EfieldLookup(read_table(table_path(table)))
    _refuse_other_table(predictor.contract.table_hash, lookup.table.table_hash, table)
    plan = AdaptPlan(n_subjects=subjects, seed=seed)
    if quick:
        plan = AdaptPlan(
            n_subjects=1,
            seed=seed,
            runs_a_subject=2,
            unchanged_a_subject=1,
            n_poses=150,
        )
    with stage_bars() as progress:
        figures = run_study(head_field(lookup), predictor, plan, progress)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if report is not None:
        from m2m_rt.studies.adapt_picture import write_report

        write_report(figures, report)
    _say(figures)


def _refuse_other_table(trained_on: str, given: str, name: str) -> None:
    from m2m_rt.errors import ConfigError

    if trained_on != given:
        raise ConfigError(
            f"--table {name}",
            f"table {given[:12]}…",
            f"the model's, {trained_on[:12]}…",
        )


def _say(figures: dict[str, object]) -> None:
    from m2m_rt.studies.adapt_picture import headlines

    for line in headlines(figures):
        typer.echo(line)
