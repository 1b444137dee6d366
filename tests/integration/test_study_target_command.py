"""`m2m study target` and `m2m study inverse`, in their quick form."""

import json
from pathlib import Path
from typing import Any

from m2m_rt.app.cli import main


def figures_of(study: str, folder: Path) -> Any:  # noqa: ANN401 - JSON
    file, report = folder / f"{study}.out", folder / "report"
    arguments = ["study", study, "--quick", "--subjects", "1", "--seed", "3"]
    assert main([*arguments, "--json", str(file), "--report", str(report)]) == 0
    assert (report / f"{study}.png").stat().st_size > 10_000
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert json.loads((report / f"{study}.json").read_text("utf-8")) == figures
    return figures


def test_the_targeting_study_reports_errors_over_pulses(tmp_path: Path) -> None:
    figures = figures_of("target", tmp_path)
    assert figures["subjects"] == 1
    for design in ("active", "random"):
        curve = figures["maps"][design]["FDI"]
        assert curve["pulses"] == [10, 14]
        for name in ("hotspot_mm_median", "gravity_mm_median", "area_coverage_90"):
            assert len(curve[name]) == 2
        assert all(0.0 <= one < 30.0 for one in curve["hotspot_mm_median"])
        aim = figures["aim"][design]
        assert all(
            a <= b for a, b in zip(aim["planned_log10"], aim["best_log10"], strict=True)
        )
    assert figures["stop"]["sessions"] == 1
    assert figures["candidates_per_s_one_thread"] > 0


def test_the_inverse_study_sets_bayes_beside_its_rivals(tmp_path: Path) -> None:
    figures = figures_of("inverse", tmp_path)
    for where in ("within_subject", "new_subject"):
        assert {"mean", "ridge", "nearest", "network"} <= set(figures[where])
    within = figures["within_subject"]
    assert within["mean"]["coverage_90"] is None  # it says no spread
    assert within["bayes"]["nrmse"] < within["mean"]["nrmse"]
    assert within["bayes"]["r2_pointwise"] > 0.3
    assert set(figures["several_pulses"]) == {"bayes_1_pulses", "bayes_3_pulses"}
