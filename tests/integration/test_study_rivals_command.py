"""`m2m study rivals`: real-time systems beside plain regressors, few of each."""

import json
import math
from pathlib import Path

import pytest

from m2m_rt.app.cli import main

ASKED = ("pca_gp", "realtime.recruitment", "recruitment-magnitude")


def test_systems_are_compared_in_pairs_and_one_change_is_told_apart(
    tmp_path: Path,
) -> None:
    found = tmp_path / "rivals.json"
    options = ["--quick", "--no-pulses", "--ablations", "--subjects", "2"]
    options += ["--systems", ",".join(ASKED), "--json", str(found)]
    assert main(["study", "rivals", *options, "--report", str(tmp_path)]) == 0
    figures = json.loads(found.read_text())
    assert set(figures["by_simulator"]) == {"goetz", "foci"}
    random = figures["together"]["random"]
    assert set(random) == {"ceiling", *ASKED}
    assert random["pca_gp"]["nrmse_minus_reference"]["mean"] == 0.0
    ours, changed = random["realtime.recruitment"], random["recruitment-magnitude"]
    assert ours["r2_log10"]["mean"] > changed["r2_log10"]["mean"]
    for of in ("r2_log10", "nrmse"):
        assert ours[of]["low"] < ours[of]["mean"] < ours[of]["high"]
    pairs = ours["r2_minus_reference"]["mean"] + random["pca_gp"]["r2_log10"]["mean"]
    assert math.isclose(pairs, ours["r2_log10"]["mean"])


def test_without_the_reference_there_is_no_difference_to_it(tmp_path: Path) -> None:
    found = tmp_path / "rivals.json"
    options = ["--quick", "--no-pulses", "--subjects", "2", "--systems", "pca_ridge"]
    assert main(["study", "rivals", *options, "--json", str(found)]) == 0
    ridge = json.loads(found.read_text())["together"]["random"]["pca_ridge"]
    assert ridge["r2_minus_reference"] == {"mean": None, "low": None, "high": None}


def test_a_system_that_there_is_not_is_one_readable_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--quick", "--systems", "realtime.oracle", "--json", str(tmp_path / "f")]
    assert main(["study", "rivals", *options]) == 2
    assert "realtime.oracle" in capsys.readouterr().err
