"""Predictions before pulses, trials after them, models in and out."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from m2m_rt.adapters.onnx_predictor import ModelFolder
from m2m_rt.errors import ModelRefused
from m2m_rt.messages import (
    Message,
    ModelPromoted,
    Prediction,
    PredictionEcho,
    PromotionRefused,
    SessionEvent,
    SessionEventKind,
    StreamGap,
    Trial,
    encode,
)
from m2m_rt.model import MUSCLES
from m2m_rt.nodes import PredictFault, PredictNode, PredictSettings
from tests.support.predicting import (
    Desk,
    at,
    intensity_at,
    mep_at,
    model_bytes,
    pose_at,
    predict_node,
    pulse_at,
    store_models,
)


@pytest.fixture
def node(tmp_path: Path) -> PredictNode:
    return predict_node(tmp_path)


@pytest.fixture
def desk(node: PredictNode) -> Desk:
    return Desk(node)


def promoted(ms: float, model_hash: str) -> ModelPromoted:
    return ModelPromoted(
        t_ns=at(ms), model_hash=model_hash, parent_hash="", generation=1, reason=""
    )


def bad_at(ms: float) -> SessionEvent:
    return SessionEvent(t_ns=at(ms), kind=SessionEventKind.MARK_LAST_BAD)


def one_trial(desk: Desk, ms: float, pulse_id: int, size_uv: float) -> Trial:
    desk.give(intensity_at(ms))
    desk.predict(pose_at(ms + 10, shift_mm=pulse_id))
    return desk.trial(
        pulse_at(ms + 30, pulse_id), mep_at(ms + 30, pulse_id, size_uv=size_uv)
    )


def forecast_of(prediction: Prediction) -> tuple[tuple[float, ...], ...]:
    return (
        prediction.mean_log10_uv,
        prediction.sd_log10_uv,
        prediction.p05_log10_uv,
        prediction.p95_log10_uv,
        prediction.prior_log10_uv,
    )


def test_an_echo_as_large_as_a_prediction_leaves_before_it(desk: Desk) -> None:
    desk.give(intensity_at(0))
    desk.predict(pose_at(1))
    echo, prediction = desk.give(pose_at(20, seq=4))
    assert isinstance(echo, PredictionEcho)
    assert isinstance(prediction, Prediction)
    assert (echo.pose_seq, prediction.pose_seq) == (4, 4)
    assert abs(len(encode(echo)) - len(encode(prediction))) <= 8


def test_a_prediction_names_what_it_was_made_of(desk: Desk) -> None:
    desk.give(intensity_at(0, 55.0))
    prediction = desk.predict(pose_at(1))
    assert prediction.valid
    assert prediction.intensity_pct_mso == 55.0
    assert prediction.table_hash == "0" * 64
    assert prediction.t_ns == at(1)
    assert all(len(part) == len(MUSCLES) for part in forecast_of(prediction))


@pytest.mark.parametrize(
    ("given", "late_ms", "reason"),
    [
        ([], 0.0, "intensity_unknown"),
        ([intensity_at(-3001)], 0.0, "intensity_unknown"),
        ([intensity_at(3002)], 0.0, "intensity_unknown"),
        ([intensity_at(-2), intensity_at(-1, None)], 0.0, "intensity_unknown"),
        ([intensity_at(0)], 101.0, "pose_old"),
        ([intensity_at(0)], -101.0, "pose_old"),
    ],
)
def test_what_is_not_known_or_old_gives_no_prediction(
    desk: Desk, given: list[Message], late_ms: float, reason: str
) -> None:
    for message in given:
        desk.give(message)
    prediction = desk.predict(pose_at(0), late_ms=late_ms)
    assert (prediction.valid, prediction.reason) == (False, reason)
    assert forecast_of(prediction) == ((), (), (), (), ())


def test_a_pose_outside_the_table_gives_its_reason(desk: Desk) -> None:
    desk.give(intensity_at(0))
    prediction = desk.predict(pose_at(1, shift_mm=80.0))
    assert not prediction.valid
    assert prediction.reason not in {"", *PredictFault}


def test_an_invalid_pose_passes_its_reason_on(desk: Desk) -> None:
    desk.give(intensity_at(0))
    pose = msgspec.structs.replace(pose_at(1), valid=False, reason="not_tracked")
    assert desk.predict(pose).reason == "not_tracked"


def test_a_trial_has_the_prediction_that_was_there_before_its_edge(desk: Desk) -> None:
    desk.give(intensity_at(0))
    before = desk.predict(pose_at(10))  # leaves at 11 ms
    desk.predict(pose_at(29.5))  # leaves at 30.5 ms
    trial = desk.trial(pulse_at(30), mep_at(30))
    assert trial.prediction == msgspec.structs.replace(before, seq=0)
    assert trial.prediction_seq == before.seq
    assert trial.lead_ms == pytest.approx(19.0)
    assert trial.valid
    assert trial.learnt == (True,) * len(MUSCLES)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ([intensity_at(0)], "no_prediction"),
        ([intensity_at(0), pose_at(29.5)], "no_prediction"),
        ([intensity_at(0), pose_at(-80)], "no_prediction"),
        ([intensity_at(0), pose_at(10), intensity_at(20, 70.0)], "no_prediction"),
        ([intensity_at(0), pose_at(10), intensity_at(20, None)], "no_prediction"),
        ([intensity_at(0, 50.0), pose_at(10)], "intensity_mismatch"),
    ],
)
def test_a_pulse_without_a_prediction_that_counts_is_not_learnt(
    desk: Desk, inputs: list[Message], reason: str
) -> None:
    for message in inputs:
        desk.give(message)
    trial = desk.trial(pulse_at(30), mep_at(30, marker_pct=60.0))
    assert (trial.valid, trial.reason) == (False, reason)
    assert not any(trial.learnt)


def test_a_trigger_without_a_stimulus_is_not_learnt(desk: Desk) -> None:
    desk.give(intensity_at(0, 0.0))
    desk.predict(pose_at(10))
    trial = desk.trial(pulse_at(30), mep_at(30))
    assert (trial.valid, trial.reason) == (False, "no_stimulus")
    assert not any(trial.learnt)


def test_a_pulse_whose_emg_comes_a_second_late_finds_its_prediction(
    desk: Desk,
) -> None:
    desk.give(intensity_at(0))
    for ms in range(10, 1040, 10):
        desk.predict(pose_at(ms))
    trial = desk.trial(pulse_at(35), mep_at(35))
    assert trial.prediction is not None
    assert trial.prediction.t_ns == at(30)


@pytest.mark.parametrize("level", [55.3, 0.1, 99.9, 47.7])
def test_a_float32_intensity_is_that_of_the_markers_double(
    desk: Desk, level: float
) -> None:
    streamed = float(np.float32(level))
    assert streamed != level
    desk.give(intensity_at(0, streamed))
    desk.predict(pose_at(10))
    trial = desk.trial(pulse_at(30), mep_at(30, marker_pct=level))
    assert (trial.valid, trial.reason) == (True, "")


def test_a_state_resent_in_doubles_does_not_outdate_a_prediction(desk: Desk) -> None:
    desk.give(intensity_at(0, float(np.float32(55.3))))
    desk.predict(pose_at(10))
    desk.give(intensity_at(20, 55.3))
    assert desk.trial(pulse_at(30), mep_at(30, marker_pct=55.3)).valid


def test_a_trial_without_a_prediction_has_its_pose_and_intensity(desk: Desk) -> None:
    desk.give(intensity_at(0, 61.0))
    desk.predict(pose_at(10, shift_mm=1.0))
    outside = pose_at(29, shift_mm=80.0)  # outside the table: not predicted
    desk.predict(outside)
    desk.give(intensity_at(29.5, 70.0))
    desk.predict(pose_at(30.5))
    trial = desk.trial(pulse_at(30), intensity_at(31, 20.0), mep_at(30))
    assert trial.prediction is None
    assert trial.head_from_coil == outside.head_from_coil
    assert trial.intensity_pct_mso == 70.0


@pytest.mark.parametrize(
    ("given", "has_pose", "level"),
    [
        ([], False, None),
        ([intensity_at(0), pose_at(-80)], False, 60.0),
        ([intensity_at(-3000), pose_at(0)], True, None),
        ([intensity_at(0), intensity_at(1, None), pose_at(2)], True, None),
    ],
)
def test_what_was_not_known_at_the_edge_is_absent_from_the_trial(
    desk: Desk, given: list[Message], has_pose: bool, level: float | None
) -> None:
    for message in given:
        desk.give(message)
    trial = desk.trial(pulse_at(30), mep_at(30))
    assert (trial.head_from_coil is not None) == has_pose
    assert trial.intensity_pct_mso == level


def test_meps_of_an_unknown_pulse_find_their_prediction_by_their_time(
    desk: Desk,
) -> None:
    desk.give(intensity_at(0))
    desk.predict(pose_at(10))
    desk.predict(pose_at(40))
    assert desk.trial(mep_at(30, pulse_id=9)).prediction_seq == 0


def test_a_second_mep_of_a_pulse_makes_no_second_trial(desk: Desk) -> None:
    assert one_trial(desk, 0, 0, 300.0).trial_index == 0
    (said,) = desk.give(mep_at(30, 0))
    assert isinstance(said, StreamGap)
    assert one_trial(desk, 1000, 1, 300.0).trial_index == 1


def test_meps_of_other_muscles_are_a_trial_that_is_not_learnt(desk: Desk) -> None:
    desk.give(intensity_at(0))
    desk.predict(pose_at(10))
    trial = desk.trial(pulse_at(30), mep_at(30, n_muscles=3))
    assert (trial.valid, trial.reason) == (False, "wrong_muscles")


def test_pulses_without_meps_are_forgotten(node: PredictNode) -> None:
    for pulse_id in range(10_000):
        assert not list(node.step(at(pulse_id), pulse_at(pulse_id, pulse_id)))
    kept = PredictSettings(model_hash="", rmt_pct_mso=50.0).n_kept
    assert len(node._pulses) <= kept


def test_learning_moves_the_prediction_towards_the_answer(desk: Desk) -> None:
    desk.give(intensity_at(0))
    first = desk.predict(pose_at(1))
    for pulse_id in range(20):
        one_trial(desk, 1000 * (1 + pulse_id), 0, 1000.0)
    desk.give(intensity_at(30_000))
    last = desk.predict(pose_at(30_001))
    errors = [np.abs(np.array(p.mean_log10_uv) - 3.0).mean() for p in (first, last)]
    assert errors[1] < 0.5 * errors[0]
    assert last.prior_log10_uv == first.prior_log10_uv
    assert last.posterior_seq == 20


def test_a_pulse_marked_bad_leaves_no_trace_in_what_is_predicted(
    tmp_path: Path,
) -> None:
    without, with_bad = Desk(predict_node(tmp_path)), Desk(predict_node(tmp_path))
    for desk in (without, with_bad):
        one_trial(desk, 0, 0, 200.0)
        one_trial(desk, 1000, 1, 500.0)
    one_trial(with_bad, 2000, 2, 2000.0)
    (correction,) = with_bad.give(bad_at(2100))
    assert isinstance(correction, Trial)
    assert (correction.trial_index, correction.revision) == (2, 1)
    assert (correction.valid, correction.reason) == (False, "marked_bad")
    for desk in (without, with_bad):
        desk.give(intensity_at(3000))
    predicted = [desk.predict(pose_at(3001)) for desk in (without, with_bad)]
    assert forecast_of(predicted[0]) == forecast_of(predicted[1])


def test_marking_a_pulse_that_taught_nothing_changes_no_belief(desk: Desk) -> None:
    one_trial(desk, 0, 0, 200.0)
    desk.trial(pulse_at(2000, 1), mep_at(2000, 1))
    (correction,) = desk.give(bad_at(2100))
    assert isinstance(correction, Trial)
    assert (correction.revision, correction.reason) == (1, "marked_bad")
    desk.give(intensity_at(3000))
    assert desk.predict(pose_at(3001)).posterior_seq == 1


def test_marking_twice_marks_once(desk: Desk) -> None:
    assert desk.give(bad_at(0)) == []
    one_trial(desk, 100, 0, 300.0)
    assert len(desk.give(bad_at(200))) == 1
    assert desk.give(bad_at(201)) == []


def test_a_model_that_is_missing_or_changed_is_not_used(
    desk: Desk, tmp_path: Path
) -> None:
    one_trial(desk, 0, 0, 300.0)
    desk.give(intensity_at(1000))
    before = desk.predict(pose_at(1001))
    (other,) = store_models(tmp_path, 1)
    path = tmp_path / f"{other}.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    foreign = ModelFolder(tmp_path).store(model_bytes(0, table_hash="1" * 64))
    for model_hash in ("f" * 64, other, foreign, "", "../x", "\0"):
        (said,) = desk.give(promoted(1002, model_hash))
        assert isinstance(said, PromotionRefused)
        assert (said.model_hash, said.generation) == (model_hash, 1)
        assert said.kept_hash == before.model_hash
        assert said.reason
        after = desk.predict(pose_at(1003))
        assert after.model_hash == before.model_hash
        assert forecast_of(after) == forecast_of(before)


def test_a_promoted_model_has_learnt_all_and_rolls_back_without_a_trace(
    tmp_path: Path,
) -> None:
    shipped, other = store_models(tmp_path, 0, 1)
    stays, swaps = Desk(predict_node(tmp_path)), Desk(predict_node(tmp_path))
    for desk in (stays, swaps):
        one_trial(desk, 0, 0, 200.0)
    swaps.give(promoted(500, other))
    for desk in (stays, swaps):
        desk.give(intensity_at(600))
    first, second = (desk.predict(pose_at(601)) for desk in (stays, swaps))
    assert second.model_hash == other
    assert second.mean_log10_uv != first.mean_log10_uv
    assert second.prior_log10_uv == first.prior_log10_uv  # the shipped model's
    swaps.give(promoted(700, shipped))
    again = swaps.predict(pose_at(701))
    assert again.model_hash == shipped
    assert forecast_of(again) == forecast_of(first)


def test_fewer_muscles_in_another_order_are_those_of_the_whole_model(
    tmp_path: Path,
) -> None:
    chosen = ("BIC", "FDI", "ECR")
    rows = [MUSCLES.index(name) for name in chosen]
    whole, few = Desk(predict_node(tmp_path)), Desk(predict_node(tmp_path, chosen))
    first = []
    for desk, n_muscles in ((whole, len(MUSCLES)), (few, 3)):
        desk.give(intensity_at(0))
        first.append(forecast_of(desk.predict(pose_at(10))))
        assert desk.trial(pulse_at(30), mep_at(30, n_muscles=n_muscles)).valid
    expected, found = whole.predict(pose_at(40)), few.predict(pose_at(40))
    # Means are each muscle's own; how noisy a session is, all muscles tell together.
    parts = [*zip(*first, strict=True), (expected.mean_log10_uv, found.mean_log10_uv)]
    for part, few_part in parts:
        # Sums over the features in another order: float64 rounding.
        np.testing.assert_allclose(few_part, np.array(part)[rows], rtol=1e-12)


def test_a_muscle_that_the_model_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="does not know TOE, only FDI"):
        predict_node(tmp_path, ("FDI", "TOE"))
