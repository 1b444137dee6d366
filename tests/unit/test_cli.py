import subprocess
import sys

import pytest
import typer

from m2m_rt.app import cli
from m2m_rt.errors import ConfigError, DataError, LinkLost, ModelRefused


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
