"""tools/start.py with real environments and a real pip, on a project of one module.

The project builds itself (no index is asked), so this needs no network.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "m2m_rt"
version = "0.1"
"""

BACKEND = """\
import pathlib, zipfile
HEAD = "Metadata-Version: 2.1\\nName: m2m_rt\\nVersion: 0.1\\n"
EXTRAS = "".join(f"Provides-Extra: {e}\\n" for e in ("dev", "fem", "scale", "train"))
WHEEL = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    needs = pathlib.Path("needs.txt").read_text()
    name = "m2m_rt-0.1-py3-none-any.whl"
    info = "m2m_rt-0.1.dist-info"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as wheel:
        wheel.writestr("m2m_rt.pth", str(pathlib.Path.cwd()))
        wheel.writestr(f"{info}/METADATA", HEAD + EXTRAS + needs)
        wheel.writestr(f"{info}/WHEEL", WHEEL)
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""

COMMAND = """\
import sys
print("demo got", sys.argv[2:])
sys.exit(3)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project, in a folder with a space in its name, set up once."""
    root = tmp_path_factory.mktemp("a clone")
    for folder in ("tools", "m2m_rt/app"):
        (root / folder).mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "start.py", root / "tools")
    (root / "tools" / "constraints.txt").write_text("", "utf-8")
    (root / "pyproject.toml").write_text(PYPROJECT, "utf-8")
    (root / "backend.py").write_text(BACKEND, "utf-8")
    (root / "needs.txt").write_text("", "utf-8")
    (root / "m2m_rt" / "app" / "cli.py").write_text(COMMAND, "utf-8")
    done = start(root, "setup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "making" in done.stdout
    return root


def start(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "tools" / "start.py"), *arguments],
        env={**os.environ, "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        cwd=root.parent,
    )


def stamp(root: Path) -> dict[str, object]:
    text = (root / ".venv" / "m2m-installed.json").read_text("utf-8")
    made: dict[str, object] = json.loads(text)
    return made


def change_pins(root: Path) -> None:
    with (root / "tools" / "constraints.txt").open("a", encoding="utf-8") as pins:
        pins.write("# changed\n")


def test_a_second_call_installs_nothing(project: Path) -> None:
    assert "installing" not in start(project, "setup").stdout


def test_further_arguments_and_the_exit_status_pass_through(project: Path) -> None:
    done = start(project, "demo", "--pulses", "20")
    assert "demo got ['--pulses', '20']" in done.stdout
    assert done.returncode == 3


def test_changed_pins_are_installed_and_held_extras_kept(project: Path) -> None:
    change_pins(project)
    assert "installing m2m_rt[dev,fem,scale,train]" in start(project, "demo").stdout
    assert stamp(project)["extras"] == ["dev", "fem", "scale", "train"]


def test_an_interrupted_installation_starts_over(project: Path) -> None:
    (project / ".venv" / "m2m-installing").touch()
    (project / ".venv" / "half-written").touch()
    done = start(project, "setup")
    assert done.returncode == 0
    assert not (project / ".venv" / "half-written").exists()
    assert not (project / ".venv" / "m2m-installing").exists()


def test_a_failing_pip_is_explained_and_leaves_the_environment(project: Path) -> None:
    before = stamp(project)
    change_pins(project)
    (project / "needs.txt").write_text("Requires-Dist: no-such-thing\n", "utf-8")
    done = start(project, "setup")
    assert done.returncode == 1
    assert "a package has no release for this Python and machine" in done.stderr
    assert "-m pip install" in done.stderr
    assert "Traceback" not in done.stderr
    assert stamp(project) == before
    (project / "needs.txt").write_text("", "utf-8")
    again = start(project, "setup")
    assert again.returncode == 0
    assert "making" not in again.stdout


def test_an_unknown_action_is_answered_with_the_known_ones(project: Path) -> None:
    done = start(project, "dmeo")
    assert done.returncode == 2
    assert "demo" in done.stderr


def test_the_help_says_that_setup_installs_everything(project: Path) -> None:
    done = start(project, "--help")
    said = " ".join(done.stdout.split())
    assert "setup: only the environment, with everything" in said
    assert "`m2m table build` (fem) and `m2m train` (train)" in said


def test_the_readmes_heading_that_is_pointed_to_is_there() -> None:
    source = (ROOT / "tools" / "start.py").read_text("utf-8")
    (heading,) = re.findall(r"README's \"\s+\"'([^']+)'", source)
    assert f"\n## {heading}\n" in (ROOT / "README.md").read_text("utf-8")
