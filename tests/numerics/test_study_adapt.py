"""The study of adaptation: its virtual people, its observers of truth, its figures."""

import json
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.onnx_predictor import (
    OnnxPredictor,
    read_manifest,
    read_shipped_model,
)
from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.cli import main
from m2m_rt.app.model_path import model_folder
from m2m_rt.app.table_path import table_path
from m2m_rt.efield import EfieldLookup
from m2m_rt.nets import head_field
from m2m_rt.sim import SeedStream, draw_subject, subject_rng
from m2m_rt.studies.adapt_changes import crossings
from m2m_rt.studies.adapt_people import (
    World,
    answers_log10_uv,
    draw_person,
    draw_pulses,
    drive_over_threshold,
)
from m2m_rt.studies.adapt_rig import Rig, build_rig, moved_features
from m2m_rt.studies.adapt_state import drift
from m2m_rt.studies.adapt_summary import median_of, reliability, share_of
from m2m_rt.studies.adapt_truth import true_curves

N_POSES = 40


@pytest.fixture(scope="module")
def rig() -> Rig:
    folder = model_folder("m2mnet-rt")
    model = OnnxPredictor(
        read_shipped_model(folder), expected_hash=read_manifest(folder).onnx_sha256
    )
    head = head_field(EfieldLookup(read_table(table_path("demo"))))
    return build_rig(head, model, np.random.default_rng(0), N_POSES)


def test_a_person_is_driven_as_the_virtual_subject_is(rig: Rig) -> None:
    person, rng = draw_person(
        rig, World.SAME, stream=SeedStream.EVALUATION, seed=4, index=2
    )
    subject = draw_subject(subject_rng(4, SeedStream.EVALUATION, 2), rig.head.cortex)
    pulses = draw_pulses(rig, 10, rng)
    didt = person.didt_at_rmt_a_per_us * (1.0 + 0.1 * pulses.level)
    unit = rig.head.lookup.query_batch(rig.pool.head_from_coil[pulses.pose])
    field = unit.unit_efield_v_per_m * didt[:, np.newaxis, np.newaxis]
    expected = subject.drive_v_per_m(field.astype(np.float32))
    expected = expected / subject.recruitment.threshold_v_per_m
    # Through the basis of the table's own span: float32.
    np.testing.assert_allclose(
        drive_over_threshold(rig, person, pulses), expected, rtol=2e-4
    )


def test_true_moments_are_those_of_draws(rig: Rig) -> None:
    person, rng = draw_person(
        rig, World.NOISE, stream=SeedStream.EVALUATION, seed=4, index=1
    )
    drive = np.tile(np.linspace(0.7, 1.6, 4)[:, np.newaxis], (1, person.n_muscles))
    truth = true_curves(person.recruitment).at(drive)
    gain = 0.1
    more = np.array([answers_log10_uv(person, drive, rng, gain) for _ in range(4000)])
    draws = np.array([answers_log10_uv(person, drive, rng) for _ in range(4000)])
    # Four standard errors of 4000 draws with a spread of at most 0.45.
    np.testing.assert_allclose(draws.mean(axis=0), truth.mean, atol=0.03)
    moved = more.mean(axis=0) - draws.mean(axis=0)
    np.testing.assert_allclose(moved, gain * truth.reach, atol=0.045)
    row = np.cov(draws[:, 2].T)
    np.testing.assert_allclose(row, truth.covariance()[2], atol=0.03)


def test_features_of_moved_poses_meet_the_pools_probes(rig: Rig) -> None:
    level = np.ones(N_POSES)
    at, beside, fits, _ = moved_features(
        rig, rig.pool.head_from_coil, level, (0.0, 0.0)
    )
    assert fits.all()
    # The pool goes through the basis of the table's own span: float32.
    np.testing.assert_allclose(at, rig.pool.features[0, 0], atol=2e-3)
    there = moved_features(rig, rig.pool.head_from_coil, level, (5.0, 0.0))
    np.testing.assert_allclose(there[0], beside[:, 0], atol=1e-4)


def test_a_drift_stands_at_its_spread() -> None:
    rows = np.array([drift(np.random.default_rng(n), 300, 0.1) for n in range(200)])
    assert abs(rows.std() - 0.1) < 0.01
    together = np.mean(rows[:, 60:] * rows[:, :-60]) / 0.01
    assert abs(together - np.exp(-1.0)) < 0.1


def test_a_sum_that_crosses_starts_anew() -> None:
    path = np.array((1.0, 4.0, 6.0, 7.0, 11.5, 0.0, 6.0))
    assert crossings(path, 5.0) == 3


def test_shares_and_medians_come_with_intervals() -> None:
    half = share_of([True, False] * 50)
    assert half["low_95"] < half["share"] == 0.5 < half["high_95"]
    middle = median_of(np.arange(101.0))
    assert middle["low_95"] < middle["median"] == 50.0 < middle["high_95"]
    said, came = np.array((0.05, 0.95, 0.97)), np.array((0.0, 1.0, 0.0))
    bins = reliability(said, came, 10)
    assert [one["n"] for one in bins] == [1, 2]
    assert bins[1]["came"] == 0.5


def test_the_quick_study_answers_every_question(tmp_path: Path) -> None:
    file, report = tmp_path / "adapt.json", tmp_path / "report"
    options = ["--quick", "--seed", "3", "--json", str(file), "--report", str(report)]
    assert main(["study", "adapt", *options]) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert set(figures["worlds"]) == {str(world) for world in World}
    for world in figures["worlds"].values():
        rmse = world["rmse_log10"]["model"]
        assert rmse[-1] < rmse[0]
        assert len(rmse) == len(figures["pulses"])
        assert 0.7 < world["coverage_90"]["session"]["median"] <= 1.0
    for name in ("gain_responsive", "gain_mapping", "shift"):
        assert figures["changes"][name]["runs"] == 2
    assert figures["changes"]["gain_undone"]["runs"] == 2
    assert figures["changes"]["false_alarms"]["natural_drift"]["pulses"] == 300
    assert (report / "learning.png").stat().st_size > 10_000
    assert "false alarms" in (report / "adapt.md").read_text(encoding="utf-8")


def test_a_table_that_is_not_there_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["study", "adapt", "--quick", "--table", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
