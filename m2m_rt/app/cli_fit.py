"""`m2m fit`: a subject's mapper from a table of poses and MEPs, and its use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m2m_rt.app.stage_bars import stage_bars, write_figures
from m2m_rt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from m2m_rt.adapters.mapper_file import MapperContent
    from m2m_rt.adapters.pose_table import PoseTable
    from m2m_rt.learning import Recording
    from m2m_rt.studies.fit import Head, TableFit


DEFAULT_MODEL = "m2mnet-rt"

DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="CSV, TSV or .mat, a row a pulse.")
]
OutOption = Annotated[
    Path, typer.Option(help="Folder for the mapper; with --apply a CSV file.")
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the figures here.")
]
MuscleOption = Annotated[
    list[str] | None,
    typer.Option(help="Muscles to fit; or the name of the only MEP column's."),
]
OthersOption = Annotated[
    list[Path] | None,
    typer.Option(help="Other subjects' tables, to learn hyper-parameters from."),
]
AloneOption = Annotated[
    bool, typer.Option(help="Use no other *_3MAPs.mat beside DATA.")
]
OwnOption = Annotated[
    bool | None,
    typer.Option(
        "--own/--no-own",
        help="Learn hyper-parameters from DATA too; default where it has "
        "orientations or intensities.",
    ),
]
TableOption = Annotated[
    str | None, typer.Option(help="E-field table: use the network's last layer.")
]
ModelOption = Annotated[str, typer.Option(help="The network, with --table.")]
RmtOption = Annotated[
    float | None,
    typer.Option(min=1, max=100, help="Resting threshold, % MSO, with --table."),
]
ApplyOption = Annotated[
    Path | None,
    typer.Option(help="A fitted mapper's folder: predict DATA's poses."),
]


def register(app: typer.Typer) -> None:
    """Add the command `fit`."""
    app.command("fit")(fit)


def fit(  # noqa: PLR0913 - the options of a command are its parameters
    data: DataArgument,
    *,
    out: OutOption,
    json_out: JsonOption = None,
    muscle: MuscleOption = None,
    others: OthersOption = None,
    alone: AloneOption = False,
    own: OwnOption = None,
    table: TableOption = None,
    model: ModelOption = DEFAULT_MODEL,
    rmt: RmtOption = None,
    apply: ApplyOption = None,
) -> None:
    """Fit a subject's mapper to poses and MEPs, or apply one to new poses.

    DATA has a line of names and a row a pulse, in their order: x_mm, y_mm, z_mm (or
    _cm, _m), optionally qw, qx, qy, qz; or m00 to m23 (head from coil, mm); MEPs as
    FDI_uv, FDI_mv or mep_uv, peak to peak; optionally intensity_pct_mso or
    intensity_pct_rmt, map (or session or block), valid, FDI_valid. *_3MAPs.mat and a
    session's trials.csv are such tables. Hyper-parameters come from --others, for a
    *_3MAPs.mat from those beside it too, and are the shipped ones else.
    """
    if apply is not None:
        beside = (json_out, muscle, others, alone, own, table, rmt)
        if any(beside) or own is False or model != DEFAULT_MODEL:
            raise ConfigError("--apply", "with other options", "only DATA and --out")
        _apply(data, apply, out)
        return
    from m2m_rt.adapters.pose_table import read_pose_table
    from m2m_rt.studies.fit import fit_table

    poses = _choose(data, read_pose_table(data), muscle or [])
    names, recordings = _others(data, others or [], alone=alone)
    head = None if table is None else _head(table, model, rmt)
    with stage_bars() as step:
        found = fit_table(poses, recordings, step, own=own, head=head)
    options = "" if table is None else f" --table {table} --model {model}"
    figures = _write(found, out, data, f"m2m fit {data.name}{options}", names)
    _print(figures)
    if json_out is not None:
        write_figures(json_out, figures)


def _choose(path: Path, poses: PoseTable, muscles: Sequence[str]) -> PoseTable:
    """Return the table with only the muscles asked for, an only one renamed."""
    from dataclasses import replace

    if not muscles:
        return poses
    known = poses.mep_uv
    if len(known) == 1 and len(muscles) == 1:
        return replace(poses, mep_uv={muscles[0]: next(iter(known.values()))})
    missing = [name for name in muscles if name not in known]
    if missing:
        raise ConfigError(f"{path}: muscle", ", ".join(missing), ", ".join(known))
    return replace(poses, mep_uv={name: known[name] for name in muscles})


def _others(
    data: Path, asked: Sequence[Path], *, alone: bool
) -> tuple[list[str], list[Recording]]:
    """Return names and recordings of other subjects."""
    from m2m_rt.adapters.motor_map_file import (
        MAPS_SUFFIX,
        find_motor_maps,
        is_motor_map_file,
    )
    from m2m_rt.adapters.pose_table import read_pose_table
    from m2m_rt.studies.fit import recording_of_table

    paths = list(asked)
    if is_motor_map_file(data) and not alone:
        beside = [path for path in find_motor_maps(data.parent) if path != data]
        paths += [path for path in beside if path not in paths]
    if data.resolve() in [path.resolve() for path in paths]:
        raise ConfigError("--others", str(data), "other subjects' tables")
    recordings = []
    for path in paths:
        try:
            recordings.append(recording_of_table(read_pose_table(path)))
        except DataError as err:
            text = str(err)
            raise DataError(text if str(path) in text else f"{path}: {text}") from err
    return [path.name.removesuffix(MAPS_SUFFIX) for path in paths], recordings


def _head(table: str, model: str, rmt_pct_mso: float | None) -> Head:
    from m2m_rt.adapters.mapper_file import HeadModel
    from m2m_rt.adapters.onnx_predictor import (
        OnnxPredictor,
        read_manifest,
        read_shipped_model,
    )
    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.app.model_path import model_folder
    from m2m_rt.app.table_path import table_path
    from m2m_rt.efield import EfieldLookup
    from m2m_rt.studies.fit import Head

    folder = model_folder(model)
    manifest = read_manifest(folder)
    predictor = OnnxPredictor(
        read_shipped_model(folder), expected_hash=manifest.onnx_sha256
    )
    lookup = EfieldLookup(read_table(table_path(table)))
    if predictor.contract.table_hash != lookup.table.table_hash:
        found = f"table {lookup.table.table_hash[:12]}"
        raise ConfigError(
            f"--table {table}",
            found,
            f"{predictor.contract.table_hash[:12]} of {model}",
        )
    names = HeadModel(
        table=table,
        table_hash=lookup.table.table_hash,
        model=model,
        model_hash=manifest.onnx_sha256,
    )
    return Head(lookup, predictor, predictor.contract.muscles, names, rmt_pct_mso)


def _write(
    found: TableFit, out: Path, data: Path, command: str, learnt_from: Sequence[str]
) -> dict[str, Any]:
    from m2m_rt.adapters.mapper_file import write_mapper
    from m2m_rt.studies.fit_files import (
        draw_muscles,
        fit_as_json,
        write_card,
        write_predictions,
    )

    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    manifest = write_mapper(out, found.stored, command=command, data_sha256=digest)
    figures = fit_as_json(found, manifest, learnt_from)
    write_card(out / "card.md", figures, manifest)
    write_predictions(out / "predictions.csv", found)
    for path in draw_muscles(out, found):
        typer.echo(path, err=True)
    return figures


def _apply(poses: Path, mapper: Path, out: Path) -> None:
    from m2m_rt.adapters.mapper_file import read_mapper
    from m2m_rt.adapters.pose_table import read_pose_table
    from m2m_rt.studies.fit import apply_mapper
    from m2m_rt.studies.fit_files import write_answers

    stored = read_mapper(mapper)
    planned = read_pose_table(poses, needs_meps=False)
    answers = apply_mapper(stored, planned, _stored_head(stored.content))
    try:
        write_answers(out, planned.row.tolist(), answers)
    except OSError as err:
        raise ConfigError(f"out {out}", str(err), "a file to write") from err
    typer.echo(f"{out}: {len(planned.pulses)} poses, {', '.join(answers.muscles)}")


def _stored_head(content: MapperContent) -> Head | None:
    """Return the network and table that a mapper was fitted with, unchanged."""
    names = content.head_model
    if names is None:
        return None
    head = _head(names.table, names.model, content.rmt_pct_mso)
    if head.names != names:
        found = f"{names.table} or {names.model} has changed since"
        raise ConfigError("the mapper's head model", found, "the same files; fit again")
    return head


def _print(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Held-out predictions of log10 MEP")
    for name in (
        "muscle",
        "pulses",
        "R² pose",
        "+ map",
        "progressive R²",
        "90 % holds",
    ):
        table.add_column(name, justify="right")
    has_head = any("head_model" in each for each in figures["muscles"].values())
    if has_head:
        table.add_column("head model: R², progressive", justify="right")
    for name, each in figures["muscles"].items():
        r2, progressive = each["r2"], each["progressive"]
        values = (r2["position"], r2["position_map"], progressive["r2"])
        cells = [_text(v) for v in (*values, progressive["coverage_90"])]
        if has_head:
            head = each["head_model"]
            cells.append(f"{_text(head['r2'])}, {_text(head['progressive']['r2'])}")
        table.add_row(name, str(each["n"]), *cells)
    console = Console()
    console.print(table)
    for note in figures["notes"]:
        console.print(note, markup=False)


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
