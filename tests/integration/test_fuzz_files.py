import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def fuzz(folder: Path, *, cases: int, seed: int) -> dict[str, object]:
    out = folder / "fuzz.json"
    tool = str(ROOT / "tools" / "fuzz_files.py")
    options = ["--cases", str(cases), "--seed", str(seed), "--json", str(out)]
    done = subprocess.run(
        [sys.executable, tool, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    figures: dict[str, object] = json.loads(out.read_text())
    assert done.returncode == (1 if figures["failed"] else 0)
    return figures


def test_300_damaged_files_end_in_a_clear_error_or_an_answer(tmp_path: Path) -> None:
    figures = fuzz(tmp_path, cases=300, seed=7)
    assert figures["failed"] == []
    outcomes = figures["outcomes"]
    assert isinstance(outcomes, dict)
    assert sum(outcomes.values()) == 300
    assert {f"{kind} refused" for kind in ("ccd", "tcd", "msh", "h5")} <= set(outcomes)
    assert {f"{kind} answered" for kind in ("ccd", "tcd", "msh")} <= set(outcomes)
