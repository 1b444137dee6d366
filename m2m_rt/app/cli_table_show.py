"""`m2m table show`: pictures of a table's field, errors and allowed poses."""

from pathlib import Path
from typing import Annotated

import typer

from m2m_rt.app.cli_table_shared import JsonOption, TableArgument, progress, say
from m2m_rt.app.places import make_places


def register(table: typer.Typer) -> None:
    """Add `m2m table show`."""
    table.command("show")(show)


def show(  # noqa: PLR0913, PLR0917 - a command's options
    table: TableArgument,
    pose: Annotated[
        str | None,
        typer.Option(
            help="head_from_coil: 16 numbers, row by row, mm, or a file of them. "
            "Else the planned pose."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path(
        "table_show"
    ),
    json_file: JsonOption = None,
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive", help="Also field.html, to be turned with the mouse."
        ),
    ] = False,
    direct: Annotated[
        bool,
        typer.Option(
            "--direct", help="Also the pose's error against a direct solve: minutes."
        ),
    ] = False,
) -> None:
    """Draw a table's field under its coil, its errors, and which poses it answers.

    The cortex is that of the mesh beside the table; without one, the table's points.
    """
    from m2m_rt.app.table_show import ShowRequest, run_show

    make_places(json_file, out)
    request = ShowRequest(table, pose, out, interactive=interactive, direct=direct)
    with progress() as report:
        figures = run_show(request, report)
    say(figures, json_file)
