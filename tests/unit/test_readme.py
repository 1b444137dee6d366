import re
from pathlib import Path

import pytest

from m2m_rt.app.cli import main
from tools.update_diagram import with_diagram

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_diagram_is_the_daemon_tables() -> None:
    assert with_diagram(README) == README


def test_everything_that_the_readme_links_to_is_there() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)", README)
    assert linked
    assert [path for path in linked if not (ROOT / path).exists()] == []


def test_the_commands_that_the_readme_names_exist(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    named = set(re.findall(r"^m2m ([a-z-]+)", README, flags=re.MULTILINE))
    assert named
    assert [name for name in sorted(named) if f" {name} " not in listed] == []
