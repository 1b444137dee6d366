import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement

from m2m_rt.app import cli
from m2m_rt.errors import ConfigError, DataError, LinkLost, ModelRefused

ROOT = Path(__file__).parents[2]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from m2m_rt.app.cli import main; status = main(['--help'])\n"
        "heavy = {'numpy', 'scipy', 'torch', 'pylsl', 'zmq'} & set(sys.modules)\n"
        "sys.exit(f'{heavy} imported' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Research use only" in done.stdout


def test_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("m2m_rt 0.")


def test_unknown_command_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["no-such-command"]) == 2
    assert "no-such-command" in capsys.readouterr().err


def test_session_commands_say_what_m2m_rt_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli.announce()
    assert "not a medical device" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("rig.toml: emg.fs_hz", "1000", "2000"), 2),
        (DataError("the file\nis cut off"), 2),
        (ModelRefused("hash differs"), 2),
        (LinkLost("emg"), 1),
    ],
)
def test_our_errors_are_one_line_and_a_status(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    assert cli.run_app(app, []) == status
    said = capsys.readouterr().err
    assert said == f"m2m: {' '.join(str(error).split())}\n"


def test_a_bug_keeps_its_traceback() -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cli.run_app(app, [])


def app_that_writes(path: Path) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def write(out: Path) -> None:
        del out
        path.write_text("figures")

    return app


@pytest.mark.parametrize("named", ["none/a.json", "none", "none/a.json/b"])
def test_a_users_file_that_cannot_be_used_is_one_line(
    named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = app_that_writes(tmp_path / "none" / "a.json")
    assert cli.run_app(app, [str(tmp_path / named)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"m2m: {tmp_path / 'none' / 'a.json'}: found No such file")


def test_a_file_that_nobody_named_keeps_its_traceback(tmp_path: Path) -> None:
    app = app_that_writes(tmp_path / "none" / "a.json")
    with pytest.raises(FileNotFoundError):
        cli.run_app(app, [str(tmp_path / "other.json")])


@pytest.mark.parametrize(
    "command",
    [
        *(["coil", "round", "--json"], ["table", "info", "demo", "--json"]),
        ["demo", "--report"],
    ],
)
def test_a_place_for_figures_that_is_a_folder_is_one_line(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command, str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"m2m: {tmp_path}: found ")


@pytest.mark.parametrize("extra", ["fem", "train"])
def test_every_optional_package_is_known_by_its_module(extra: str) -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    listed = pyproject["project"]["optional-dependencies"][extra]
    names = {Requirement(line).name for line in listed}
    assert names <= set(cli.OPTIONAL_PACKAGES.values())


def test_a_command_without_its_extra_says_what_installs_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"  # as if it were not installed
        "from m2m_rt.app.cli import main\n"
        "sys.exit(main(['train', '--out', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "trained")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("m2m: the package torch: found not installed")
    assert "python tools/start.py setup" in line


def test_a_missing_module_of_our_own_is_a_bug() -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise ModuleNotFoundError(name="m2m_rt.nowhere")

    with pytest.raises(ModuleNotFoundError):
        cli.run_app(app, [])
