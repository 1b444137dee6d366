"""`m2m table build`: a head, a coil and a region become a table."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.app.cli_table_info import description
from m2m_rt.app.cli_table_shared import CacheOption, JsonOption, say
from m2m_rt.app.places import make_places
from m2m_rt.app.table_path import table_path

if TYPE_CHECKING:
    from m2m_rt.app.table_request import BuildRequest

HeadOption = Annotated[
    str,
    typer.Option(
        help="`demo`, a .msh file, a SimNIBS m2m_ folder, or a NIfTI of labels."
    ),
]
CoilOption = Annotated[
    list[str] | None,
    typer.Option(
        help="demo-figure8 (the default), round, double-cone, or a .ccd or .tcd file; "
        "several times for a table each, their modes solved once."
    ),
]
LikeOption = Annotated[
    str | None,
    typer.Option(metavar="TABLE", help="Take a table's mesh and region, no head's."),
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
JobsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.toml",
        help="Many heads, a [[head]] each; with --dask a head a worker.",
    ),
]
ConductivityOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TISSUE=S/m",
        help="wm, gm, csf, skull or scalp, where it is not SimNIBS' value; several "
        "times for several.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the table; for several, the folder that theirs are in."
    ),
]


def register(table: typer.Typer) -> None:
    """Add `m2m table build`."""
    table.command("build")(build)


def build(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    head: HeadOption = "demo",
    like: LikeOption = None,
    coil: CoilOption = None,
    roi: RoiOption = "motor",
    target: TargetOption = None,
    conductivity: ConductivityOption = None,
    out: OutOption = None,
    cache: CacheOption = None,
    simnibs_job: Annotated[
        Path | None, typer.Option(help="Write what SimNIBS is to solve, and stop.")
    ] = None,
    from_simnibs: Annotated[
        Path | None, typer.Option(help="Finish from tools/simnibs_table.py's fields.")
    ] = None,
    max_memory: MemoryOption = None,
    dask: DaskOption = None,
    jobs: JobsOption = None,
    json_file: JsonOption = None,
) -> None:
    """Build a head's tables by finite elements: minutes, offline, no network.

    A build that was killed goes on from its last block when it is called again. With
    --jobs heads fail one by one: the exit status is 1 if any did.
    """
    from m2m_rt.app.build_bars import build_progress
    from m2m_rt.app.table_build import plan_of, run_build
    from m2m_rt.app.table_request import (
        DEFAULT_COIL,
        BuildRequest,
        conductivities_of,
        target_of,
    )
    from m2m_rt.fem import default_cache_folder

    request = BuildRequest(
        head=head,
        like=None if like is None else table_path(like),
        coils=tuple(coil or (DEFAULT_COIL,)),
        roi=roi,
        target_mm=target_of(target),
        conductivities_s_per_m=conductivities_of(conductivity or ()),
        out=out,
        cache=cache or default_cache_folder(),
        simnibs_job=simnibs_job,
        from_simnibs=from_simnibs,
        max_memory_gb=max_memory,
        dask=dask,
    )
    if jobs is not None:
        _build_jobs(jobs, request, json_file)
        return
    plan = plan_of(request)
    make_places(json_file, out)
    with build_progress(plan) as report:
        tables = run_build(request, report)
    found = [description(table) for table in tables]
    if found:
        say(found[0] if len(found) == 1 else {"tables": found}, json_file)


def _build_jobs(jobs: Path, request: "BuildRequest", json_file: Path | None) -> None:
    import msgspec

    from m2m_rt.app.build_bars import heads_progress
    from m2m_rt.app.build_heads import build_heads, summary
    from m2m_rt.app.build_jobs import read_jobs

    requests = read_jobs(jobs, request)
    make_places(json_file, None)
    with heads_progress([each.head for each in requests]) as tell:
        outcomes = build_heads(requests, request.dask, tell)
    typer.echo(summary(outcomes))
    if json_file is not None:
        text = json.dumps({"heads": msgspec.to_builtins(outcomes)}, indent=2)
        json_file.write_text(text + "\n", encoding="utf-8")
    if any(each.error for each in outcomes):
        raise typer.Exit(1)
