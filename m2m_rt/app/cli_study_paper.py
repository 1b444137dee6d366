"""`m2m study paper`: the published networks and their rivals on the paper's design."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.app.chosen import chosen
from m2m_rt.app.model_path import model_folder
from m2m_rt.app.places import make_places
from m2m_rt.app.stage_bars import stage_bars
from m2m_rt.app.study_shared import ReportOption, SeedOption, TableOption
from m2m_rt.app.table_path import table_path

if TYPE_CHECKING:
    from m2m_rt.nets import HeadField
    from m2m_rt.studies.paper_outcomes import StudyPlan
    from m2m_rt.studies.paper_results import StudyResult
    from m2m_rt.studies.systems import System

SHIPPED_MODEL = "m2mnet-rt"


def register(study: typer.Typer) -> None:
    """Add `m2m study paper`."""
    study.command("paper")(paper)


def paper(  # noqa: PLR0913, PLR0917 - one argument an option
    json_file: Annotated[
        Path, typer.Option("--json", help="File for all figures.", dir_okay=False)
    ],
    report: ReportOption = None,
    quick: Annotated[bool, typer.Option(help="A small try within minutes.")] = False,
    subjects: Annotated[
        int | None, typer.Option(min=1, help="Of each simulator. Default: 1.")
    ] = None,
    simulator: Annotated[
        str | None, typer.Option(help="Names with commas. Default: all.")
    ] = None,
    splits: Annotated[
        str | None, typer.Option(help="Names with commas. Default: all three.")
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(help="efield, nrp. Default: both.")
    ] = None,
    side: Annotated[
        int, typer.Option(help="Voxels along the box: 32 of 2 mm, 64 of 1 mm.")
    ] = 32,
    encoder_epochs: Annotated[
        int | None, typer.Option(min=1, help="Default: the paper's 100.")
    ] = None,
    mapper_epochs: Annotated[
        int | None, typer.Option(min=1, help="Default: the paper's 150.")
    ] = None,
    seed: SeedOption = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="For torch. Default: one a core.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="For networks and finished fits.")
    ] = None,
    table: TableOption = "demo",
) -> None:
    """Compare {|E|, NRP} × {direct, synergy, both} with simpler ways.

    The published M2M-Net on the published design (699 pulses, 15 muscles) from
    simulated subjects with a known ceiling, on three splits. What is done is kept in
    the cache: a killed study goes on where it was, and a finished one is only read.
    """
    from m2m_rt.fem import default_cache_folder
    from m2m_rt.studies.paper_report import write_report
    from m2m_rt.studies.paper_results import result_json

    plan = _plan(quick=quick, seed=seed, side=side, subjects=subjects)
    plan = _with_choices(plan, simulator, splits, inputs)
    plan = _with_epochs(plan, encoder_epochs, mapper_epochs)
    make_places(json_file, report)
    folder = cache or default_cache_folder() / "study-paper"
    result = _run(plan, table, folder, threads or os.cpu_count() or 1)
    json_file.write_bytes(result_json(result))
    if report is not None:
        typer.echo(write_report(result, report))


def _plan(*, quick: bool, seed: int, side: int, subjects: int | None) -> "StudyPlan":
    from msgspec.structs import replace

    from m2m_rt.studies.paper_outcomes import QUICK, StudyPlan

    plan = QUICK if quick else StudyPlan()
    n_subjects = plan.n_subjects if subjects is None else subjects
    return replace(plan, seed=seed, side=side, n_subjects=n_subjects)


def _with_choices(
    plan: "StudyPlan",
    simulator: str | None,
    splits: str | None,
    inputs: str | None,
) -> "StudyPlan":
    """Take what the user has named.

    Raises
    ------
    ConfigError
        If a name is not known.
    """
    from msgspec.structs import replace

    from m2m_rt.nets.paper import PaperInput
    from m2m_rt.studies.paper_splits import SplitName
    from m2m_rt.studies.simulators import SIMULATORS

    if simulator is not None:
        names = chosen("--simulator", simulator, tuple(SIMULATORS))
        plan = replace(plan, simulators=names)
    if splits is not None:
        names = chosen("--splits", splits, tuple(name.value for name in SplitName))
        plan = replace(plan, splits=tuple(SplitName(name) for name in names))
    if inputs is not None:
        names = chosen("--inputs", inputs, tuple(kind.value for kind in PaperInput))
        plan = replace(plan, inputs=tuple(PaperInput(name) for name in names))
    return plan


def _with_epochs(
    plan: "StudyPlan", encoder_epochs: int | None, mapper_epochs: int | None
) -> "StudyPlan":
    """Shorten the trainings; the mapper's falling rate is shortened alike."""
    from msgspec.structs import replace

    if encoder_epochs is not None:
        encoder = replace(plan.encoder, epochs=encoder_epochs)
        plan = replace(plan, encoder=encoder)
    if mapper_epochs is not None:
        step = plan.mapper.rate_step_epochs * mapper_epochs / plan.mapper.epochs
        mapper = replace(
            plan.mapper, epochs=mapper_epochs, rate_step_epochs=max(1, round(step))
        )
        plan = replace(plan, mapper=mapper)
    return plan


def _run(plan: "StudyPlan", table: str, cache: Path, threads: int) -> "StudyResult":
    import torch

    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.efield import EfieldLookup
    from m2m_rt.nets import head_field
    from m2m_rt.studies.paper_results import encoder_results, study_result
    from m2m_rt.studies.paper_study import answers, plan_study

    torch.set_num_threads(threads)
    head = head_field(EfieldLookup(read_table(table_path(table))))
    study = plan_study(head, plan, _rivals(head), cache)
    with stage_bars() as progress:
        found = list(answers(study, progress))
        return study_result(plan, found, encoder_results(study, progress))


def _rivals(head: "HeadField") -> "tuple[System, ...]":
    """Return baselines and real-time systems, with the shipped model if it fits."""
    from m2m_rt.adapters.onnx_predictor import read_manifest, read_shipped_model
    from m2m_rt.studies.baselines import baselines
    from m2m_rt.studies.realtime_system import realtime_systems

    folder = model_folder(SHIPPED_MODEL)
    model_bytes = None
    if read_manifest(folder).contract.table_hash == head.lookup.table.table_hash:
        model_bytes = read_shipped_model(folder)
    return (*baselines(head), *realtime_systems(head, model_bytes))
