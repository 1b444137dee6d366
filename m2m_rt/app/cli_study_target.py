"""`m2m study target` and `m2m study inverse`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.app.stage_bars import stage_bars, write_figures

if TYPE_CHECKING:
    from m2m_rt.adapters.onnx_predictor import OnnxPredictor
    from m2m_rt.efield import EfieldLookup

SubjectsOption = Annotated[
    int, typer.Option(min=1, help="Simulated, never trained on.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the subjects and pulses.")]
TableOption = Annotated[str, typer.Option(help="A name under models/ or a path.")]
ModelOption = Annotated[str, typer.Option(help="A name under models/ or a folder.")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the figures here.")
]
ReportOption = Annotated[
    Path | None, typer.Option(help="Write pictures and figures into this folder.")
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
) -> None:
    """Find hotspot, map and a selective pose: how soon, how surely, by which pulses."""
    from m2m_rt.studies.target import (
        QUICK_PLAN,
        StudyPlan,
        run_study,
        surface_speed,
        with_people,
    )
    from m2m_rt.studies.target_picture import draw_target
    from m2m_rt.studies.target_summary import study_lines, summarise_study

    plan = QUICK_PLAN if quick else StudyPlan(n_people=subjects, seed=seed)
    plan = with_people(
        plan, n_people=subjects, seed=seed, tune=tune, simulator=_known(simulator)
    )
    lookup, predictor = _open(table, model)
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
    from m2m_rt.studies.inverse import (
        QUICK_PLAN,
        InversePlan,
        run_inverse_study,
        with_people,
    )
    from m2m_rt.studies.inverse_picture import draw_inverse

    plan = QUICK_PLAN if quick else InversePlan(n_people=subjects, seed=seed)
    lookup, predictor = _open(table, model)
    with stage_bars() as progress:
        found = run_inverse_study(
            lookup,
            predictor,
            with_people(plan, n_people=subjects, seed=seed),
            progress,
        )
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
        report.mkdir(parents=True, exist_ok=True)
        write_figures(report / name, figures)


def _open(table: str, model: str) -> "tuple[EfieldLookup, OnnxPredictor]":
    """Return a warm look-up and a checked model.

    Raises
    ------
    ConfigError
        If the model was made for another table.
    """
    from m2m_rt.adapters.onnx_predictor import (
        OnnxPredictor,
        read_manifest,
        read_shipped_model,
    )
    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.app.model_path import model_folder
    from m2m_rt.app.table_path import table_path
    from m2m_rt.efield import EfieldLookup
    from m2m_rt.errors import ConfigError

    lookup, folder = EfieldLookup(read_table(table_path(table))), model_folder(model)
    manifest = read_manifest(folder)
    if manifest.contract.table_hash != lookup.table.table_hash:
        found = f"made for table {manifest.contract.table_hash[:12]}"
        expected = f"one for {table}, {lookup.table.table_hash[:12]}"
        raise ConfigError(f"--model {model}", found, expected)
    lookup.warm_up()
    return lookup, OnnxPredictor(
        read_shipped_model(folder), expected_hash=manifest.onnx_sha256
    )
