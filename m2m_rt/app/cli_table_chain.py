"""`m2m table chain`: how much of a table's error each approximation brings in."""

from typing import Annotated

import typer

from m2m_rt.app.cli_table_shared import (
    CacheOption,
    JsonOption,
    TableArgument,
    mesh_of,
    progress,
    say,
)
from m2m_rt.app.places import make_places
from m2m_rt.app.table_path import table_path


def register(table: typer.Typer) -> None:
    """Add `m2m table chain`."""
    table.command("chain")(chain)


def chain(  # noqa: PLR0913, PLR0917 - a command's options
    table: TableArgument,
    poses: Annotated[int, typer.Option(min=1, help="How many held-out poses.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the poses.")] = 0,
    json_file: JsonOption = None,
    cache: CacheOption = None,
    reference: Annotated[
        bool,
        typer.Option("--reference/--no-reference", help="Also the mesh's links; 6 GB."),
    ] = True,
) -> None:
    """Measure a table's error link by link, from the coil's dipoles to float32."""
    import numpy as np

    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.app.table_chain import chain_figures
    from m2m_rt.fem import held_out_poses

    make_places(json_file, None)
    path = table_path(table)
    loaded = read_table(path)
    at = held_out_poses(loaded, poses, np.random.default_rng(seed))
    with progress() as report:
        mesh = mesh_of(loaded, path, cache, report)
        figures = chain_figures(loaded, path, mesh, at, report, reference=reference)
    say({"seed": seed, "table": str(path)} | figures, json_file)
