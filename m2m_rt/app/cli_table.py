"""`m2m table`: build, describe, check, time and show E-field tables."""

import importlib
import importlib.util

import typer

TABLE_MODULES = (
    "cli_table_build",
    "cli_table_info",
    "cli_table_check",
    "cli_table_bench",
    "cli_table_show",
    "cli_table_chain",
)
"""Modules of m2m_rt.app with `register(table)`, in the order of the help page."""


def register(app: typer.Typer) -> None:
    """Add `m2m table …`."""
    table = typer.Typer(help="E-field tables.", no_args_is_help=True)
    for name in TABLE_MODULES:
        if importlib.util.find_spec(f"m2m_rt.app.{name}") is not None:
            importlib.import_module(f"m2m_rt.app.{name}").register(table)
    app.add_typer(table, name="table")
