"""`m2m table check` and `m2m table sphere`: tables and elements against the truth."""

from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.app.cli_table_shared import (
    CacheOption,
    JsonOption,
    TableArgument,
    known,
    mesh_of,
    model_of,
    progress,
    say,
)
from m2m_rt.app.table_path import table_path

if TYPE_CHECKING:
    from m2m_rt.fem import TableErrors

REFERENCE_POSES = 4
"""How many of the poses are also solved on a finer mesh, a minute or more each."""


def register(table: typer.Typer) -> None:
    """Add `m2m table check` and `m2m table sphere`."""
    table.command("check")(check)
    table.command("sphere")(sphere)


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
    with progress() as report:
        mesh = mesh_of(loaded, path, cache, report)
        model = model_of(loaded, mesh, report)
        coil = coil_of_table(loaded, path.parent)
        at = held_out_poses(loaded, poses, np.random.default_rng(seed))
        errors = check_table(
            loaded, model, coil, at, lambda part: report("direct solves", part)
        )
        figures = _figures(errors)
        if reference:
            some = at[:REFERENCE_POSES]
            figures["reference"] = reference_figures(loaded, model, coil, some, report)
    say({"seed": seed, "table": str(path)} | figures, json_file)


def sphere(json_file: JsonOption = None) -> None:
    """Compare the finite elements with the exact field in a ball; minutes."""
    from m2m_rt.app.table_accuracy import sphere_figures

    with progress() as report:
        figures = sphere_figures(report)
    say(figures, json_file)


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
        "bound_rank_correlation": known(errors.bound_rank_correlation),
    }
