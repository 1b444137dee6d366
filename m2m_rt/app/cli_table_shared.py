"""What the commands `m2m table …` have in common: options, progress, a table's mesh."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.app.table_path import MESH_FILE
from m2m_rt.errors import ConfigError

if TYPE_CHECKING:
    from m2m_rt.efield import EfieldTable
    from m2m_rt.fem import HeadMesh, HeadModel

TableArgument = Annotated[
    str, typer.Argument(metavar="TABLE", help="A name under models/ or a path.")
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the figures to this file too.")
]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", help="For meshes and unfinished work.")
]


def model_of(
    table: "EfieldTable", mesh: "HeadMesh", report: Callable[[str, float], None]
) -> "HeadModel":
    """Return the factorised finite elements that a table was made with."""
    from m2m_rt.fem import DEFAULT_CONDUCTIVITIES, head_model

    report("assembly and factorisation", 0.0)
    made = table.provenance
    return head_model(
        mesh,
        table.roi.points_mm,
        order=made.element_order,
        conductivities=DEFAULT_CONDUCTIVITIES.with_values(made.conductivities_s_per_m),
    )


def mesh_of(
    table: "EfieldTable",
    path: Path,
    cache: Path | None,
    report: Callable[[str, float], None],
) -> "HeadMesh":
    """Return the mesh a table was solved on: beside it, or the demo head's made again.

    Raises
    ------
    ConfigError
        If it is not there and cannot be made, or is another.
    """
    from m2m_rt.fem import (
        DEMO_HEAD_NAME,
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
    elif (table.name, table.provenance.element_order) != (DEMO_HEAD_NAME, 1):
        raise ConfigError(str(beside), "no file", "the mesh that came with the table")
    else:
        folder = cache or default_cache_folder()
        mesh = cached_head_mesh(load_demo_head(), MesherSettings(), folder, report)
    found, expected = mesh_sha256(mesh), table.provenance.mesh_sha256
    if found != expected:
        raise ConfigError(f"mesh of {path}", f"sha256 {found[:12]}…", expected[:12])
    return mesh


def known(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def say(figures: dict[str, object], json_file: Path | None) -> None:
    """Write figures to standard output, and to a file if there is one."""
    text = json.dumps(figures, indent=2)
    typer.echo(text)  # first: they may have taken an hour
    if json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
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
