"""Prediction, learning and training replay byte for byte."""

from pathlib import Path

import msgspec
import pytest

from m2m_rt.adapters.mcap_reader import LogReader
from m2m_rt.messages import (
    FitFinished,
    FitRequest,
    Message,
    ModelPromoted,
    Prediction,
    PromotionRefused,
    SessionEvent,
    SessionEventKind,
    Trace,
    Trial,
    decode,
)
from m2m_rt.nodes import TrainNode, TrainSettings
from m2m_rt.replay import Finding, replay_daemon
from m2m_rt.units import RigNs
from tests.support.predicting import (
    at,
    intensity_at,
    mep_at,
    pose_at,
    predict_node,
    pulse_at,
    store_committee,
    store_models,
)
from tests.support.recordings import record

PULSE_EVERY_MS = 500


def trace_at(ms: float, about_seq: int) -> Trace:
    return Trace(
        t_ns=at(ms),
        topic="prediction",
        about_seq=about_seq,
        received_ns=at(ms - 1),
        publish_ns=at(ms),
    )


def pulse_with_poses(number: int) -> list[Message]:
    """Return an intensity, three poses with their traces, an edge and its MEPs."""
    ms = number * PULSE_EVERY_MS
    inputs: list[Message] = [intensity_at(ms, 50.0 + 5 * (number % 5))]
    for place in range(3):
        shift_mm = 3.0 * place - number
        inputs.append(pose_at(ms + 20 * place + 5, shift_mm=shift_mm, seq=place))
        inputs.append(trace_at(ms + 20 * place + 8, 3 * number + place))
    edge_ms = ms + 55
    size_uv = 60.0 * (1 + number)
    mep = msgspec.structs.replace(mep_at(edge_ms, number, size_uv=size_uv), seq=number)
    return [*inputs, pulse_at(edge_ms, number), mep]


def session(other_model: str, shipped_model: str) -> list[Message]:
    """Return eight pulses with promotions, one refused, a roll-back and a bad pulse."""
    inputs = [one for number in range(8) for one in pulse_with_poses(number)]
    between: list[Message] = [
        promoted(2 * PULSE_EVERY_MS - 100, other_model),
        SessionEvent(
            t_ns=at(4 * PULSE_EVERY_MS - 100), kind=SessionEventKind.MARK_LAST_BAD
        ),
        promoted(5 * PULSE_EVERY_MS - 100, "f" * 64),  # there is no such model
        promoted(6 * PULSE_EVERY_MS - 100, shipped_model),
    ]
    # Stable: MEPs carry their pulse's time and stay behind it.
    return sorted([*inputs, *between], key=lambda one: one.t_ns)


def promoted(ms: float, model_hash: str) -> ModelPromoted:
    return ModelPromoted(
        t_ns=at(ms), model_hash=model_hash, parent_hash="", generation=1, reason=""
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def predicted(models: Path) -> Path:
    (shipped,) = store_models(models, 0)
    path, other = models / "predictd.mcap", store_committee(models)
    return record(path, predict_node(models), session(other, shipped))


def said(path: Path) -> list[Message]:
    return [decode(entry.frame) for entry in LogReader(path) if entry.topic == "out"]


def test_prediction_and_learning_replay_byte_for_byte(
    models: Path, predicted: Path
) -> None:
    report = replay_daemon(predicted, predict_node(models), daemon="predictd")
    assert report.difference is None
    answers = said(predicted)
    assert sum(isinstance(one, Prediction) and one.valid for one in answers) == 24
    (refused,) = [one for one in answers if isinstance(one, PromotionRefused)]
    assert refused.kept_hash not in {"f" * 64, refused.model_hash}
    trials = [one for one in answers if isinstance(one, Trial)]
    assert [(one.trial_index, one.revision) for one in trials] == [
        *((index, 0) for index in range(4)),
        (3, 1),
        *((index, 0) for index in range(4, 8)),
    ]
    assert all(one.valid for one in trials if one.revision == 0)
    assert len({one.model_hash for one in answers if isinstance(one, Prediction)}) == 2


def test_another_threshold_is_found_in_the_first_prediction(
    models: Path, predicted: Path
) -> None:
    changed = predict_node(models, rmt_pct_mso=50.001)
    difference = replay_daemon(predicted, changed, daemon="predictd").difference
    assert difference is not None
    assert difference.finding is Finding.OUTPUT_DIFFERS
    assert "prediction.v1, seq 0" in difference.message
    assert difference.field.startswith("mean_log10_uv[")


SETTINGS = TrainSettings(
    model_hash="a" * 64, first_fit_trials=3, fit_every_trials=2, n_held_out=1
)


def test_training_replays_byte_for_byte(predicted: Path, tmp_path: Path) -> None:
    trials = [one for one in said(predicted) if isinstance(one, Trial)]
    fits = [
        FitFinished(
            t_ns=RigNs(trials[place].t_ns + 1),
            fit_id=fit_id,
            model_hash=f"{fit_id:064x}",
            candidate_score=0.9,
            incumbent_score=0.1,
            n_scored=1000,
        )
        for fit_id, place in enumerate((3, 6, 8))
    ]
    back = SessionEvent(
        t_ns=RigNs(trials[-1].t_ns + 2), kind=SessionEventKind.ROLL_BACK
    )
    refusal = PromotionRefused(
        t_ns=RigNs(trials[4].t_ns + 1),
        model_hash=f"{0:064x}",
        generation=1,
        kept_hash="a" * 64,
        reason="hash",
    )
    inputs = sorted([*trials, *fits, refusal, back], key=lambda one: one.t_ns)
    path = record(tmp_path / "traind.mcap", TrainNode(SETTINGS), inputs)
    report = replay_daemon(path, TrainNode(SETTINGS), daemon="traind")
    assert report.difference is None
    assert sum(isinstance(one, ModelPromoted) for one in said(path)) >= 3
    requests = [one for one in said(path) if isinstance(one, FitRequest)]
    shipped, first = "a" * 64, f"{1:064x}"
    assert [one.parent_hash for one in requests] == [shipped, shipped, first]
    other = msgspec.structs.replace(SETTINGS, rng_seed=1)
    difference = replay_daemon(path, TrainNode(other), daemon="traind").difference
    assert difference is not None
    assert difference.field == "rng_seed"
