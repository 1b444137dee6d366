"""`m2m study target` and `m2m study inverse`, in their quick form."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from m2m_rt.app.cli import main
from m2m_rt.app.study_shared import open_table_and_model
from m2m_rt.learning import StopRule
from m2m_rt.studies.target import QUICK_PLAN, run_study
from m2m_rt.studies.target_session import Design


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


def test_the_error_at_the_stop_is_of_the_map_that_mapping_would_end_with() -> None:
    lookup, predictor = open_table_and_model("demo", "m2mnet-rt")
    soon = StopRule(hotspot_within_mm=50.0, least_pulses=10)
    plan = replace(QUICK_PLAN, pulses=(12,), designs=(Design.ACTIVE,), rule=soon)
    (score,) = run_study(lookup, predictor, plan, lambda *_: None)
    assert score.stopped_map is not None
    assert score.stopped_at == score.stopped_map.n_pulses == 10


def test_the_inverse_study_sets_bayes_beside_its_rivals(tmp_path: Path) -> None:
    figures = figures_of("inverse", tmp_path)
    for where in ("within_subject", "new_subject"):
        assert {"mean", "ridge", "nearest", "network"} <= set(figures[where])
    within = figures["within_subject"]
    assert within["mean"]["coverage_90"] is None  # it says no spread
    assert within["bayes"]["nrmse"] < within["mean"]["nrmse"]
    assert within["bayes"]["r2_pointwise"] > 0.3
    assert set(figures["several_pulses"]) == {"bayes_1_pulses", "bayes_3_pulses"}
