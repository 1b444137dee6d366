"""What a fresh clone is set up with, and how the set-up talks."""

import ast
import importlib.metadata
import runpy
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = ("train", "fem", "scale", "dev")


def pins() -> dict[str, str]:
    lines = (ROOT / "tools" / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": e}) for e in {"", *extras})


def everything_needed() -> set[str]:
    """Return the names of the closure of the dependencies that are installed here."""
    optional = PROJECT["optional-dependencies"]
    direct = [*PROJECT["dependencies"], *(r for e in EXTRAS for r in optional[e])]
    todo = [r for r in map(Requirement, direct) if applies(r, frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        inner = importlib.metadata.requires(requirement.name) or []
        todo += [r for r in map(Requirement, inner) if applies(r, key[1])]
    return {name for name, _ in seen}


def test_every_needed_package_is_pinned_as_installed() -> None:
    installed = {
        name: importlib.metadata.version(name).partition("+")[0]
        for name in everything_needed()
    }
    held = pins()
    # An accelerator build of torch brings these itself, at versions that it names.
    installed = {
        name: version
        for name, version in installed.items()
        if not name.startswith(("nvidia-", "cuda-", "triton"))
    }
    assert {name: held.get(name) for name in installed} == installed


def test_torch_is_pinned_exactly() -> None:
    assert pins()["torch"] == "2.13.0"


def test_the_extras_of_the_set_up_exist() -> None:
    start = runpy.run_path(str(ROOT / "tools" / "start.py"), run_name="start")
    for extras in start["EXTRAS"].values():
        assert extras <= set(PROJECT["optional-dependencies"])


def test_an_old_python_can_read_the_set_up_script() -> None:
    text = (ROOT / "tools" / "start.py").read_text("utf-8")
    ast.parse(text, feature_version=(3, 7))
