"""The command `m2m`: finds the sub-commands and turns our errors into one line.

Nothing heavy is imported here or at the top of a sub-command's module, so that
`m2m --help` answers at once.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from m2m_rt.app.threads import limit_threads
from m2m_rt.errors import ConfigError, DataError, M2mError, ModelRefused

RESEARCH_USE = "Research use only; not a medical device."

COMMAND_MODULES = (
    "cli_session",
    "cli_replay",
    "cli_map",
    "cli_streams",
    "cli_mep",
    "cli_table",
    "cli_files",
    "cli_register",
    "cli_train",
    "cli_model",
    "cli_fit",
    "cli_bench",
    "cli_study",
)
"""Modules of m2m_rt.app with `register(app)`, in the order of the help page."""

OPTIONAL_PACKAGES = {
    **{name: name for name in ("torch", "onnx", "onnxscript", "pypardiso", "pyamg")},
    **{name: name for name in ("nibabel", "nilearn", "mne", "meshio", "pytetwild")},
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
"""Module and package of what only the extras `fem` and `train` bring."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `m2m` with the arguments (default: the process's); return its exit status."""
    limit_threads()
    return run_app(_build(), arguments)


def run_app(app: typer.Typer, arguments: Sequence[str] | None) -> int:
    """Run a command line and return its exit status.

    A wrong set-up (a package of an extra that is not installed is one), unusable data,
    a refused model or a file of the user's that cannot be read or written is one line
    on stderr and 2; a lost device is one line and 1; anything else is a bug and keeps
    its traceback.
    """
    try:
        app(arguments, prog_name="m2m")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except M2mError as err:
        return report_error("m2m", err)
    except ModuleNotFoundError as err:
        return report_error("m2m", _without_extra(err))
    except OSError as err:
        return report_error("m2m", _of_users(err, arguments))
    return 0


def report_error(program: str, err: M2mError) -> int:
    """Say in one line on stderr what is wrong; return the exit status it deserves."""
    typer.echo(f"{program}: {' '.join(str(err).split())}", err=True)
    return 2 if isinstance(err, ConfigError | DataError | ModelRefused) else 1


def _without_extra(err: ModuleNotFoundError) -> ConfigError:
    """Return what to do about an optional package; raise what is not one."""
    package = OPTIONAL_PACKAGES.get((err.name or "").partition(".")[0])
    if package is None:
        raise err
    expected = "all extras: `python tools/start.py setup` installs them"
    return ConfigError(f"the package {package}", "not installed", expected)


def _of_users(err: OSError, arguments: Sequence[str] | None) -> ConfigError:
    """Return which file that the user named cannot be used; raise what is not one."""
    words = sys.argv[1:] if arguments is None else arguments
    named = [os.path.abspath(text) for word in words for text in _places_in(word)]
    for place in (err.filename2, err.filename):
        if isinstance(place, str) and _is_about(os.path.abspath(place), named):
            found, expected = str(err.strerror), "a file or folder that can be used"
            return ConfigError(place[:200], found, expected)
    raise err


def _places_in(word: str) -> list[str]:
    """Return what an argument may name: itself, or what follows an option's sign."""
    return [text for text in (word, word.partition("=")[2]) if text]


def _is_about(place: str, named: Sequence[str]) -> bool:
    """Return whether a path is one of those named, within one or on the way to one."""
    return any(
        os.path.commonpath((place, one)) in {place, one}
        for one in named
        if os.path.splitdrive(place)[0] == os.path.splitdrive(one)[0]
    )


def announce() -> None:
    """Say on stderr what this is and what it is not for; sessions begin with it."""
    typer.echo(f"{_version()}. {RESEARCH_USE}", err=True)


def _build() -> typer.Typer:
    app = typer.Typer(
        name="m2m",
        help=f"Predict muscle responses to TMS before each pulse. {RESEARCH_USE}",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_root)
    for name in COMMAND_MODULES:
        module = f"m2m_rt.app.{name}"
        if importlib.util.find_spec(module) is not None:
            importlib.import_module(module).register(app)
    return app


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(_version())
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Say the version."
        ),
    ] = False,
) -> None: ...


def _version() -> str:
    return f"m2m_rt {importlib.metadata.version('m2m_rt')}"


if __name__ == "__main__":
    sys.exit(main())
