"""What `m2m study target` cannot do is refused in one line."""

import pytest

from m2m_rt.app.cli import main
from m2m_rt.studies.target import QUICK_PLAN, with_muscles


def test_an_unknown_simulator_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "target", "--simulator", "clay", "--quick"]) == 2
    assert "goetz or foci" in capsys.readouterr().err


def test_unknown_muscles_and_muscles_named_twice_are_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = ["study", "target", "--quick"]
    assert main([*study, "--muscle", "FDI", "--muscle", "XYZ"]) == 2
    assert main([*study, "--muscle", "FDI", "--muscle", "FDI"]) == 2
    assert main([*study, "--design", "spiral"]) == 2
    first, second, third = capsys.readouterr().err.strip().splitlines()
    assert "XYZ" in first
    assert "APB" in first
    assert "each once" in second
    assert "active random grid" in third


def test_a_lab_of_one_muscle_has_an_aim_without_another() -> None:
    plan = with_muscles(QUICK_PLAN, ("BIC",))
    assert (plan.target, plan.others) == ("BIC", ())
    assert plan.aim.least == ()
    both = with_muscles(QUICK_PLAN, ("ADM", "FDI"))
    assert (both.target, both.others, both.aim.least) == ("FDI", ("ADM",), ("ADM",))
