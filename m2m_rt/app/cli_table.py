"""`m2m table`: build, describe, check and time E-field tables."""

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.app.table_path import MESH_FILE, table_path, tables_folder
from m2m_rt.app.threads import THREAD_LIMITS
from m2m_rt.errors import ConfigError

if TYPE_CHECKING:
    from m2m_rt.efield import EfieldTable
    from m2m_rt.fem import HeadMesh, HeadModel, TableErrors

TableArgument = Annotated[
    str, typer.Argument(metavar="TABLE", help="A name under models/ or a path.")
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the figures to this file too.")
]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", help="For meshes and unfinished work.")
]
HeadOption = Annotated[
    str,
    typer.Option(
        help="`demo`, a .msh file, a SimNIBS m2m_ folder, or a NIfTI of labels."
    ),
]
CoilOption = Annotated[
    str,
    typer.Option(help="demo-figure8, round, double-cone, or a .ccd or .tcd file."),
]
RoiOption = Annotated[str, typer.Option(help="motor, box, patch[:mm] or cortex.")]
TargetOption = Annotated[
    str | None,
    typer.Option(help="x,y,z in mm: the place in the cortex to stimulate."),
]
MemoryOption = Annotated[
    float | None,
    typer.Option("--max-memory", metavar="GB", min=0.1, help="Of each process."),
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Solve on a Dask scheduler's workers, or on `local:N` processes.",
    ),
]

REFERENCE_POSES = 4
"""How many of the poses are also solved on a finer mesh, a minute or more each."""


def register(app: typer.Typer) -> None:
    """Add `m2m table …`."""
    table = typer.Typer(help="E-field tables.", no_args_is_help=True)
    table.command("build")(build)
    table.command("info")(info)
    table.command("check")(check)
    table.command("sphere")(sphere)
    table.command("bench")(bench)
    app.add_typer(table, name="table")


def build(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    head: HeadOption = "demo",
    coil: CoilOption = "demo-figure8",
    roi: RoiOption = "motor",
    target: TargetOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the table.")] = None,
    cache: CacheOption = None,
    simnibs_job: Annotated[
        Path | None, typer.Option(help="Write what SimNIBS is to solve, and stop.")
    ] = None,
    from_simnibs: Annotated[
        Path | None, typer.Option(help="Finish from tools/simnibs_table.py's fields.")
    ] = None,
    max_memory: MemoryOption = None,
    dask: DaskOption = None,
) -> None:
    """Build a head's table by finite elements: minutes, offline, no network.

    A build that was killed goes on from its last block when it is called again.
    """
    from m2m_rt.app.table_build import BuildRequest, run_build, target_of
    from m2m_rt.fem import default_cache_folder

    request = BuildRequest(
        head=head,
        coil=coil,
        roi=roi,
        target_mm=target_of(target),
        folder=out or tables_folder() / Path(head).stem,
        cache=cache or default_cache_folder(),
        simnibs_job=simnibs_job,
        from_simnibs=from_simnibs,
        max_memory_gb=max_memory,
        dask=dask,
    )
    with _progress() as report:
        table = run_build(request, report)
    if table is not None:
        _say(_description(table), None)


def info(table: TableArgument, json_file: JsonOption = None) -> None:
    """Describe a table: head, coil, region, sizes, accuracy, where it comes from."""
    from m2m_rt.adapters.table_file import read_table

    _say(_description(read_table(table_path(table))), json_file)


def check(  # noqa: PLR0913, PLR0917 - a command's options
    table: TableArgument,
    poses: Annotated[int, typer.Option(min=1, help="How many held-out poses.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the poses.")] = 0,
    json_file: JsonOption = None,
    cache: CacheOption = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Also against a finer mesh; 6 GB.")
    ] = False,
) -> None:
    """Compare a table with direct finite elements at random poses of its region."""
    import numpy as np

    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.app.table_accuracy import reference_figures
    from m2m_rt.fem import check_table, coil_of_table, held_out_poses

    path = table_path(table)
    loaded = read_table(path)
    with _progress() as report:
        mesh = _mesh_of(loaded, path, cache, report)
        model = _model_of(loaded, mesh, report)
        coil = coil_of_table(loaded, path.parent)
        at = held_out_poses(loaded, poses, np.random.default_rng(seed))
        errors = check_table(
            loaded, model, coil, at, lambda part: report("direct solves", part)
        )
        figures = _figures(errors)
        if reference:
            some = at[:REFERENCE_POSES]
            figures["reference"] = reference_figures(loaded, model, coil, some, report)
    _say({"seed": seed, "table": str(path)} | figures, json_file)


def sphere(json_file: JsonOption = None) -> None:
    """Compare the finite elements with the exact field in a ball; minutes."""
    from m2m_rt.app.table_accuracy import sphere_figures

    with _progress() as report:
        figures = sphere_figures(report)
    _say(figures, json_file)


def bench(
    table: TableArgument,
    seed: Annotated[int, typer.Option(help="Of the poses.")] = 0,
    json_file: JsonOption = None,
) -> None:
    """Time a table's answers on one thread of this machine, in about a minute.

    Direct solves are timed beside it where the table's mesh lies beside the table.
    """
    # Before numpy loads, and over what the user has set: the comparison is per thread.
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    import numpy as np

    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.app.table_bench import bench_table, direct_fem_ms
    from m2m_rt.fem import coil_of_table, held_out_poses

    path = table_path(table)
    loaded = read_table(path)
    coil = coil_of_table(loaded, path.parent)
    with _progress() as report:
        figures = bench_table(loaded, coil, report, np.random.default_rng(seed))
        if (path.parent / MESH_FILE).is_file():
            model = _model_of(loaded, _mesh_of(loaded, path, None, report), report)
            report("direct solves", 0.0)
            poses = held_out_poses(loaded, 4, np.random.default_rng(seed))
            figures["direct_fem_ms"] = direct_fem_ms(model, coil, poses)
    _say({"seed": seed, "table": str(path)} | figures, json_file)


def _model_of(
    table: "EfieldTable", mesh: "HeadMesh", report: Callable[[str, float], None]
) -> "HeadModel":
    """Return the factorised finite elements that a table was made with."""
    from m2m_rt.fem import head_model

    report("assembly and factorisation", 0.0)
    return head_model(mesh, table.roi.points_mm, order=table.provenance.element_order)


def _mesh_of(
    table: "EfieldTable",
    path: Path,
    cache: Path | None,
    report: Callable[[str, float], None],
) -> "HeadMesh":
    """Return the mesh a table was solved on: shipped beside it, or made again."""
    from m2m_rt.fem import (
        MesherSettings,
        cached_head_mesh,
        default_cache_folder,
        load_demo_head,
        mesh_sha256,
        read_mesh,
    )

    beside = path.parent / MESH_FILE
    if beside.is_file():
        mesh = read_mesh(beside)
    else:
        folder = cache or default_cache_folder()
        mesh = cached_head_mesh(load_demo_head(), MesherSettings(), folder, report)
    found, expected = mesh_sha256(mesh), table.provenance.mesh_sha256
    if found != expected:
        raise ConfigError(f"mesh of {path}", f"sha256 {found[:12]}…", expected[:12])
    return mesh


def _figures(errors: "TableErrors") -> dict[str, object]:
    import numpy as np

    return {
        "poses": len(errors.rel_l2),
        "rel_l2": {
            "median": float(np.median(errors.rel_l2)),
            "max": float(errors.rel_l2.max()),
        },
        "pointwise": {"median": float(np.median(errors.pointwise))},
        "peak_rel_error": {
            "median": float(np.median(errors.peak_rel_error)),
            "max": float(errors.peak_rel_error.max()),
        },
    } | _bound_figures(errors)


def _bound_figures(errors: "TableErrors") -> dict[str, object]:
    """Return how good the bounds are; null for a table that has none."""
    import numpy as np

    if not np.isfinite(errors.bound).all():
        return {"bound_coverage": None, "bound_over_median": None}
    return {
        "bound_coverage": errors.bound_coverage(),
        "bound_coverage_near_edge": errors.bound_coverage(0.25),
        "bound_over_median": errors.bound_over_median,
        "bound_rank_correlation": _known(errors.bound_rank_correlation),
    }


def _description(table: "EfieldTable") -> dict[str, object]:
    region, origin = table.region, table.provenance
    return {
        "name": table.name,
        "table_hash": table.table_hash,
        "coil": table.coil.name,
        "roi_points": len(table.roi.points_mm),
        "sensors": len(table.sensors_mm),
        "rank": int(table.project.shape[0]),
        "planned_peak_v_per_m": table.planned_peak_v_per_m,
        "self_error": table.self_error,
        "fem_rel_error": table.fem_rel_error,
        "uncertainty": _uncertainty(table),
        "planned_head_from_coil": region.planned_head_from_coil.tolist(),
        "region": {
            "max_offset_mm": region.max_offset_mm,
            "max_tilt_deg": region.max_tilt_deg,
            "min_winding_mm": region.min_winding_mm,
            "max_winding_mm": region.max_winding_mm,
        },
        "provenance": {
            "head_name": origin.head_name,
            "mesh_sha256": origin.mesh_sha256,
            "coil_sha256": origin.coil_sha256,
            "code_sha256": origin.code_sha256,
            "element_order": origin.element_order,
            "conductivities_s_per_m": origin.conductivities_s_per_m,
            "made_from": origin.made_from,
        },
    }


def _uncertainty(table: "EfieldTable") -> dict[str, object] | None:
    known = table.uncertainty
    if known is None:
        return None
    return {
        "conductivity_change": known.conductivity_change,
        "conductivity_rel_error": known.conductivity_rel_error
        | {"total": known.conductivity_total},
        "coil_rel_error": _known(known.coil_rel_error),
        "coil_source": known.coil_source,
    }


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def _say(figures: dict[str, object], json_file: Path | None) -> None:
    text = json.dumps(figures, indent=2)
    if json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")
    typer.echo(text)


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Show one bar a step; yield the function that steps report to."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (SpinnerColumn(), TextColumn("{task.description:<34}"), BarColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    bars = Progress(*columns, *times, console=Console(stderr=True))
    steps: dict[str, TaskID] = {}

    def report(step: str, done: float) -> None:
        if step not in steps:
            for earlier in steps.values():
                bars.update(earlier, completed=1.0)
            steps[step] = bars.add_task(step, total=1.0)
        bars.update(steps[step], completed=done)

    with bars:
        yield report
        for task in steps.values():
            bars.update(task, completed=1.0)
