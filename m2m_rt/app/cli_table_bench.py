"""`m2m table bench`: how fast a table answers on this machine."""

import os
from typing import Annotated

import typer

from m2m_rt.app.cli_table_shared import (
    JsonOption,
    TableArgument,
    mesh_of,
    model_of,
    progress,
    say,
)
from m2m_rt.app.places import make_places
from m2m_rt.app.table_path import MESH_FILE, table_path
from m2m_rt.app.threads import THREAD_LIMITS


def register(table: typer.Typer) -> None:
    """Add `m2m table bench`."""
    table.command("bench")(bench)


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
    from m2m_rt.app.first_query import first_query_s
    from m2m_rt.app.table_bench import bench_table, direct_fem_ms
    from m2m_rt.fem import coil_of_table, held_out_poses

    make_places(json_file, None)
    path = table_path(table)
    loaded = read_table(path)
    coil = coil_of_table(loaded, path.parent)
    with progress() as report:
        figures = bench_table(loaded, coil, report, np.random.default_rng(seed))
        report("first answer of new processes", 0.0)
        figures["first_query_s"] = first_query_s(path)
        if (path.parent / MESH_FILE).is_file():
            model = model_of(loaded, mesh_of(loaded, path, None, report), report)
            report("direct solves", 0.0)
            poses = held_out_poses(loaded, 4, np.random.default_rng(seed))
            figures["direct_fem_ms"] = direct_fem_ms(model, coil, poses)
    say({"seed": seed, "table": str(path)} | figures, json_file)
