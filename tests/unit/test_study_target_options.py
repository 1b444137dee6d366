"""What `m2m study target` cannot do is refused in one line."""

import pytest

from m2m_rt.app.cli import main


def test_an_unknown_simulator_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "target", "--simulator", "clay", "--quick"]) == 2
    assert "goetz or foci" in capsys.readouterr().err
