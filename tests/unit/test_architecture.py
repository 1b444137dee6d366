"""The layers hold, and the tools that hold them notice what they are there for."""

import importlib
import inspect
import json
import pkgutil
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import m2m_rt
from m2m_rt.app.daemons import DAEMONS

ROOT = Path(__file__).resolve().parents[2]
PURITY = runpy.run_path(str(ROOT / "tools" / "check_purity.py"))
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as run; run()"
PACKAGES = sorted(
    f"m2m_rt.{module.name}"
    for module in pkgutil.iter_modules(m2m_rt.__path__)
    if module.ispkg
)
NOT_IN_REAL_TIME = (
    *("torch", "sklearn"),
    *("m2m_rt.fem", "m2m_rt.nets", "m2m_rt.studies"),
)


def copy_of_the_repository(folder: Path) -> Path:
    for name in ("m2m_rt", "daemons", "tools"):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def plant_in_a_node(root: Path, line: str) -> None:
    node = max((root / "m2m_rt" / "nodes").glob("*.py"))
    node.write_text(f"{node.read_text('utf-8')}\n\n{line}\n", "utf-8")


def run_python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=root, capture_output=True, text=True
    )


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return run_python(root, "-c", LINT_IMPORTS, "--no-logo", "--no-cache")


# -- planted breaches ---------------------------------------------------------------


def test_import_contracts_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from datetime import datetime",
        "import random",
        "from pathlib import Path",
        "from m2m_rt import adapters",
        "import m2m_rt.runtime",
    ],
)
def test_a_planted_import_breaks_a_contract(line: str, tmp_path: Path) -> None:
    root = copy_of_the_repository(tmp_path)
    plant_in_a_node(root, line)
    done = lint_imports(root)
    assert done.returncode == 1, done.stdout
    assert "m2m_rt.nodes" in done.stdout
    assert "BROKEN" in done.stdout


def test_a_package_outside_the_layers_breaks_a_contract(tmp_path: Path) -> None:
    root = copy_of_the_repository(tmp_path)
    (root / "m2m_rt" / "utils.py").write_text('"""Odds and ends."""\n', "utf-8")
    assert lint_imports(root).returncode == 1


def test_the_repository_is_pure() -> None:
    done = run_python(ROOT, "tools/check_purity.py")
    assert done.returncode == 0, done.stdout


def test_a_planted_file_opening_fails_the_purity_check(tmp_path: Path) -> None:
    root = copy_of_the_repository(tmp_path)
    plant_in_a_node(root, "def peek() -> str:\n    return open('a.txt').read()")
    done = run_python(root, "tools/check_purity.py")
    assert done.returncode == 1
    assert "m2m_rt/nodes/" in done.stdout
    assert "open" in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "open('a')",
        "read = open",
        "print('x')",
        "eval('1')",
        "np.load('a.npy')",
        "np.loadtxt('a.txt')",
        "np.memmap('a.dat')",
        "rows.tofile('a.dat')",
        "np.random.normal()",
        "numpy.random.seed(1)",
        "from numpy.random import rand",
        "np.random.default_rng()",
        "np.random.default_rng(None)",
        "default_rng(seed=None)",
        "clock.perf_counter()",
        "host.environ['HOME']",
        "import time",
        "import os.path",
        "from time import monotonic",
        "import pickle",
    ],
)
def test_the_core_touches_nothing(line: str) -> None:
    assert PURITY["check_file"]("m2m_rt/nodes/pose.py", line + "\n")
    assert PURITY["check_file"]("m2m_rt/ports.py", line + "\n")


@pytest.mark.parametrize(
    "line",
    [
        "np.random.default_rng(7)",
        "np.random.default_rng(seed)",
        "def draw(rng: np.random.Generator) -> None: ...",
        "table.lookup(pose)",
        "models.load(model_hash)",
        "opened = 1",
        "import numpy as np",
        "from m2m_rt.messages import Tick",
    ],
)
def test_pure_code_is_left_alone(line: str) -> None:
    assert not PURITY["check_file"]("m2m_rt/nodes/pose.py", line + "\n")


def test_adapters_may_open_files() -> None:
    assert not PURITY["check_file"]("m2m_rt/adapters/table.py", "open('a')\n")


@pytest.mark.parametrize(
    "line",
    [
        "if replay: pass",
        "if not settings.is_replay: pass",
        "x = 1 if self._replaying else 2",
        "while in_replay: pass",
        "if x and mode == 'replay': pass",
        "if mode is Mode.REPLAY: pass",
        "if is_replay(): pass",
    ],
)
def test_nothing_asks_whether_it_is_a_replay(line: str) -> None:
    assert PURITY["check_file"]("m2m_rt/runtime/loop.py", line + "\n")


def test_a_replay_may_be_asked_about_itself() -> None:
    line = "if not replay.is_at_cut_end(): pass"
    assert not PURITY["check_file"]("m2m_rt/replay/exact.py", line + "\n")


@pytest.mark.parametrize(
    "line",
    [
        "import fcntl",
        "import resource",
        "from signal import SIGKILL",
        "signal.SIGSTOP",
        "os.fork()",
        "os.sched_setaffinity(0, {1})",
        "os.geteuid()",
        "os.fdatasync(fd)",
        "os.killpg(pid, 9)",
        "Popen(command, preexec_fn=prepare)",
        "bind('ipc://bus')",
        "read('/proc/self/stat')",
    ],
)
def test_posix_lies_in_one_adapter(line: str) -> None:
    assert PURITY["check_file"]("m2m_rt/adapters/clock.py", line + "\n")
    assert PURITY["check_file"]("tools/start.py", line + "\n")
    assert not PURITY["check_file"]("m2m_rt/adapters/host.py", line + "\n")


def test_a_long_file_or_daemon_is_refused() -> None:
    assert PURITY["check_file"]("m2m_rt/sim/lab.py", "x = 1\n" * 401)
    assert not PURITY["check_file"]("m2m_rt/sim/lab.py", "x = 1\n" * 400)
    assert PURITY["check_file"]("daemons/posed.py", "x = 1\n" * 40)
    assert not PURITY["check_file"]("daemons/posed.py", "x = 1\n" * 39)


# -- the packages -------------------------------------------------------------------


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_what_it_is(package: str) -> None:
    doc = importlib.import_module(package).__doc__ or ""
    assert len(doc.split()) > 2, f"{package} has no docstring"


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_offers_is_listed(package: str) -> None:
    module = importlib.import_module(package)
    listed = set(getattr(module, "__all__", ()))
    offered = {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(thing)
    }
    assert listed == offered


def modules_after(code: str) -> list[str]:
    """Return what a fresh interpreter has loaded after some code."""
    said = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = run_python(ROOT, "-c", said)
    assert done.returncode == 0, done.stderr
    loaded: list[str] = json.loads(done.stdout)
    return loaded


def test_a_daemon_that_decides_imports_no_training() -> None:
    loaded = modules_after("import m2m_rt.app.run_daemon")
    assert "m2m_rt.nodes" in loaded
    assert not set(NOT_IN_REAL_TIME) & set(loaded)


def test_threads_are_limited_before_a_daemon_loads_numpy() -> None:
    files = sorted(path.stem for path in (ROOT / "daemons").glob("*.py"))
    imported = (
        f"sys.path.insert(0, {str(ROOT / 'daemons')!r})\nimport {','.join(files)}"
    )
    assert len(files) == len(DAEMONS)
    loaded = modules_after(imported)
    assert "m2m_rt.app.start_daemon" in loaded
    assert "numpy" not in loaded
