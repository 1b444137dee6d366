"""`m2m table check` and `m2m table sphere`: tables and elements against the truth."""

from typing import Annotated

import typer

from m2m_rt.app.cli_table_shared import CacheOption, JsonOption, progress, say
from m2m_rt.app.places import make_places
from m2m_rt.app.table_path import table_path


def register(table: typer.Typer) -> None:
    """Add `m2m table check` and `m2m table sphere`."""
    table.command("check")(check)
    table.command("sphere")(sphere)


def check(  # noqa: PLR0913, PLR0917 - a command's options
    tables: Annotated[
        list[str], typer.Argument(metavar="TABLE", help="Names under models/ or paths.")
    ],
    poses: Annotated[int, typer.Option(min=1, help="How many held-out poses.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the poses.")] = 0,
    json_file: JsonOption = None,
    cache: CacheOption = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Also against a finer mesh; 6 GB.")
    ] = False,
) -> None:
    """Compare tables with direct finite elements at random poses of their regions.

    Several tables over one mesh, for different coils, share its factorisation.
    """
    from m2m_rt.app.table_accuracy import CheckRequest, check_tables

    make_places(json_file, None)
    paths = [table_path(table) for table in tables]
    request = CheckRequest(poses, seed, cache, reference)
    with progress() as report:
        found = check_tables(paths, request, report)
    say(found[0] if len(found) == 1 else {"tables": found}, json_file)


def sphere(json_file: JsonOption = None) -> None:
    """Compare the finite elements with the exact field in a ball; minutes."""
    from m2m_rt.app.table_accuracy import sphere_figures

    make_places(json_file, None)
    with progress() as report:
        figures = sphere_figures(report)
    say(figures, json_file)
