"""`m2m study`: questions that are answered offline, each a command with `--json`."""

import importlib
import importlib.util

import typer

STUDY_MODULES = (
    "cli_study_paper",
    "cli_study_rivals",
    "cli_study_maps",
    "cli_study_adapt",
    "cli_study_target",
)
"""Modules of m2m_rt.app with `register(study)`, in the order of the help page."""


def register(app: typer.Typer) -> None:
    """Add `m2m study …`."""
    study = typer.Typer(help="Offline studies of the models.", no_args_is_help=True)
    found = [
        name
        for name in STUDY_MODULES
        if importlib.util.find_spec(f"m2m_rt.app.{name}") is not None
    ]
    for name in found:
        importlib.import_module(f"m2m_rt.app.{name}").register(study)
    if found:
        app.add_typer(study, name="study")
