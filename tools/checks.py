"""Run every check of the repository, pytest last: `checks.py [PYTEST ARGUMENTS]`."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as run; run()"

CHECKS: dict[str, list[str]] = {
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "ruff check": ["-m", "ruff", "check", "."],
    "mypy --strict": ["-m", "mypy", "m2m_rt", "daemons", "tools"],
    "import contracts": ["-c", LINT_IMPORTS, "--no-logo"],
    "purity and portability": ["tools/check_purity.py"],
}
"""By heading; each is an argument list for this Python, run in the repository root."""


def main(pytest_arguments: Sequence[str]) -> int:
    """Run all checks, then pytest; return 1 if anything failed, else 0."""
    failed = [
        name for name, arguments in CHECKS.items() if not _passes(name, arguments)
    ]
    heading = f"pytest (before it: {_verdict(failed)})"
    tests_pass = _passes(heading, ["-m", "pytest", *pytest_arguments], says_time=False)
    return 0 if tests_pass and not failed else 1


def _verdict(failed: Sequence[str]) -> str:
    return f"FAILED: {', '.join(failed)}" if failed else "all checks passed"


def _passes(name: str, arguments: Sequence[str], *, says_time: bool = True) -> bool:
    print(f"\n== {name}", flush=True)
    started_s = time.monotonic()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=_environment())
    passes = done.returncode == 0
    if says_time:
        verdict = "passed" if passes else "FAILED"
        print(f"-- {name}: {verdict}, {time.monotonic() - started_s:.1f} s", flush=True)
    return passes


def _environment() -> dict[str, str]:
    """Return the environment with one thread a process: two cores, many processes."""
    one_thread = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
    )
    return {**os.environ, **one_thread}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
