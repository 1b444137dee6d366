"""Set m2m_rt up in its own environment and run it: `start.py demo | test | setup`.

Each action installs what it needs; `setup` installs everything, so that all commands
work: also the building of E-field tables (extra `fem`) and training (extra `train`).

Uses only the standard library, and nothing newer than Python 3.7 before the version
has been checked, so that an older Python gets a sentence instead of a SyntaxError.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "tools" / "constraints.txt"
STAMP = VENV / "m2m-installed.json"
"""What the environment was made from; written last, so it never promises too much."""
UNFINISHED = VENV / "m2m-installing"
"""There while pip works; one that is found at the start was left by an interruption."""
LOG = VENV / "m2m-pip.log"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")

EXTRAS = {
    "demo": {"train"},
    "test": {"dev", "fem", "scale", "train"},
    "setup": {"dev", "fem", "scale", "train"},
}
"""The extras of pyproject.toml that each action needs."""

STATUS_EVERY_S = 15.0
"""How often an install says that it is alive where the line cannot be rewritten."""

PIP_TROUBLES = {
    "No space left on device": "the disk is full",
    "name resolution": "the package index cannot be reached",
    "getaddrinfo": "the package index cannot be reached",
    "NewConnectionError": "the package index cannot be reached",
    "Max retries": "the package index cannot be reached",
    "CERTIFICATE_VERIFY_FAILED": "the package index's certificate is not trusted",
    "No matching distribution": "a package has no release for this Python and machine",
    "Permission denied": "a file in .venv cannot be written",
}
"""What pip's log says, and what that means to the person at the keyboard."""


class SetupFailed(Exception):  # noqa: N818 - a condition, told in one paragraph
    """The environment could not be made; the text says why and what to try."""


def main(arguments: Sequence[str]) -> int:
    """Set up what the action needs, do it, and return its exit status."""
    action, rest = _parse(arguments)
    try:
        _check_python()
        prepare(EXTRAS[action])
    except SetupFailed as err:
        print(f"\nstart.py: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstart.py: stopped; the next call starts over, with pip's cache.")
        return 130
    if action == "setup":
        _say(f"ready: {BIN / 'm2m'} --help")
        return 0
    if action == "test":
        return run([str(ROOT / "tools" / "checks.py"), *rest])
    return run(["-m", "m2m_rt.app.cli", action, *rest])


def _parse(arguments: Sequence[str]) -> tuple[str, list[str]]:
    parser = argparse.ArgumentParser(
        prog="start.py",
        description="Set m2m_rt up in .venv and run it. Research use only.",
        epilog="Further arguments go to the action: start.py demo --pulses 20",
    )
    parser.add_argument(
        "action",
        choices=sorted(EXTRAS),
        help="demo: a virtual lab; test: every check; setup: only the environment, "
        "with everything: also for `m2m table build` (fem) and `m2m train` (train)",
    )
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    known = parser.parse_args(arguments)
    return known.action, known.rest


def _check_python() -> None:
    if sys.version_info >= OLDEST_PYTHON:
        return
    oldest = ".".join(str(part) for part in OLDEST_PYTHON)
    raise SetupFailed(
        f"m2m_rt needs Python {oldest} or newer; this is {platform.python_version()} "
        f"({sys.executable}).\nCall it with a newer one: python{oldest} tools/start.py"
    )


# -- the environment ----------------------------------------------------------------


def prepare(extras: set[str]) -> None:
    """Make .venv hold m2m_rt with the extras; return at once where it already does."""
    root, made_from, held = _read_stamp()
    moved = root not in {"", str(ROOT)}
    whole = not UNFINISHED.exists() and not moved and _python_works()
    if whole and made_from == _made_from() and extras <= held:
        return
    if not whole:
        _make_venv()
        held = set()
    _install(extras | held)


def _read_stamp() -> tuple[str, str, set[str]]:
    """Return where, from what and with which extras .venv was made; else empty."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return stamp["root"], stamp["made_from"], set(stamp["extras"])
    except (OSError, ValueError, KeyError):
        return "", "", set()


def _write_stamp(extras: set[str]) -> None:
    stamp = {
        "root": str(ROOT),
        "made_from": _made_from(),
        "extras": sorted(extras),
    }
    STAMP.write_text(json.dumps(stamp) + "\n", encoding="utf-8")


def _made_from() -> str:
    """Return a hash of the files that decide what is installed."""
    digest = hashlib.sha256()
    for path in (ROOT / "pyproject.toml", CONSTRAINTS):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _python_works() -> bool:
    """Return whether .venv has a Python that starts, is new enough and has pip."""
    probe = f"import pip, sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    try:
        return _status_of([str(PYTHON), "-I", "-c", probe]) == 0
    except OSError:
        return False


def _status_of(command: Sequence[str]) -> int:
    return subprocess.run(command, capture_output=True).returncode


def _make_venv() -> None:
    if VENV.exists():
        _say("clearing what an interruption, a move or another Python left in .venv")
    _say(f"making {VENV} with Python {platform.python_version()}")
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode != 0:
        raise SetupFailed(
            f"this Python cannot make an environment:\n{made.stdout}{made.stderr}"
            "(On Debian and Ubuntu: apt install python3-venv.) The command was:\n  "
            + " ".join(command)
        )


def _install(extras: set[str]) -> None:
    """Let pip install m2m_rt in place with the extras, at the pinned versions."""
    names = ",".join(sorted(extras))
    _say(f"installing m2m_rt[{names}] at the versions in {CONSTRAINTS.name}")
    _warn_of_large_torch()
    command = [str(PYTHON), "-I", "-m", "pip", "install", "--no-input"]
    command += ["--progress-bar", "off", "--disable-pip-version-check"]
    command += ["-c", str(CONSTRAINTS), "-e", f".[{names}]"]
    UNFINISHED.touch()
    started_s = time.monotonic()
    with LOG.open("wb") as log:
        pip = subprocess.Popen(
            command,
            cwd=str(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            status = _wait_for_pip(pip, started_s)
        except KeyboardInterrupt:
            pip.wait()  # Ctrl-C reaches pip too: let it undo what it can
            raise
    if status != 0:
        raise SetupFailed(_explain_pip(command))
    _write_stamp(extras)
    UNFINISHED.unlink()
    _say(f"installed in {time.monotonic() - started_s:.0f} s")


def _warn_of_large_torch() -> None:
    """Say, before the download, that the index's Linux build of torch is large."""
    chosen = any(name in os.environ for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL"))
    if chosen or "PIP_EXTRA_INDEX_URL" in os.environ or _has_torch():
        return
    if sys.platform == "linux" and platform.machine() == "x86_64":
        _say(
            "note: PyPI's torch for Linux carries CUDA (several GB); the README's "
            "'Two commands' says how to take the CPU build instead"
        )


def _has_torch() -> bool:
    return any(VENV.glob("[Ll]ib/**/site-packages/torch/version.py"))


def _wait_for_pip(pip: subprocess.Popen[bytes], started_s: float) -> int:
    """Show what pip is at, with the elapsed time, until it ends."""
    rewrite = sys.stdout.isatty()
    next_s = started_s + (0.0 if rewrite else STATUS_EVERY_S)
    while True:
        try:
            status = pip.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            now_s = time.monotonic()
            if now_s < next_s:
                continue
            next_s = now_s + (0.0 if rewrite else STATUS_EVERY_S)
            line = f"  {now_s - started_s:4.0f} s  {_progress()}"[:78]
            print(f"\r{line:<78}" if rewrite else line, end="" if rewrite else "\n")
            sys.stdout.flush()
        else:
            print("\r" + " " * 78 + "\r" if rewrite else "", end="")
            return status


def _log_lines() -> list[str]:
    text = LOG.read_text(encoding="utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()]


def _progress() -> str:
    """Return what pip is at; it says nothing itself while it unpacks."""
    lines = _log_lines()
    for line in reversed(lines):
        if line.startswith("Installing collected packages: "):
            return f"unpacking: {_n_new_packages()} of {line.count(',') + 1} packages"
    return lines[-1].strip() if lines else "pip starts"


def _n_new_packages() -> int:
    since_s = UNFINISHED.stat().st_mtime
    infos = VENV.glob("[Ll]ib/**/site-packages/*.dist-info")
    return sum(1 for info in infos if info.stat().st_mtime >= since_s)


def _explain_pip(command: Sequence[str]) -> str:
    """Return pip's trouble in words, its last lines, and the command to repeat."""
    lines = _log_lines()
    text = "\n".join(lines)
    if "Installing collected packages" not in text:
        UNFINISHED.unlink()  # nothing in .venv has changed yet: it is still whole
    reasons = [why for sign, why in PIP_TROUBLES.items() if sign in text]
    reason = reasons[0] if reasons else "pip says why below"
    tail = "\n  ".join(lines[-12:])
    return (
        f"the packages could not be installed: {reason} "
        f"(Python {platform.python_version()}, {platform.machine()}).\n  {tail}\n"
        f"All of pip's output: {LOG}\n"
        f"The command, run in {ROOT}:\n  {' '.join(command)}\n"
        "Then call start.py again: what was downloaded is in pip's cache."
    )


# -- running ------------------------------------------------------------------------


def run(arguments: Sequence[str]) -> int:
    """Run .venv's Python; return its status. Ctrl-C is the child's to answer."""
    environment = {**os.environ, "PYTHONUTF8": "1"}
    child = subprocess.Popen([str(PYTHON), *arguments], env=environment)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue


def _say(text: str) -> None:
    print(f"start.py: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
