"""predictd tells of excitability after each trial, and of a muscle that changed."""

from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.onnx_predictor import ModelFolder
from m2m_rt.adapters.rig_models import RigModels
from m2m_rt.learning import Change, ChangeKind
from m2m_rt.messages import (
    ChangeSeen,
    ExcitabilityTracked,
    Message,
    SessionEvent,
    SessionEventKind,
)
from m2m_rt.model import MUSCLES
from m2m_rt.nodes.answers import Answer, answer_of
from m2m_rt.nodes.fields import Stimulus
from m2m_rt.nodes.forecast import SeenChange
from m2m_rt.nodes.forecaster import Forecaster
from tests.support.efield import planned_pose
from tests.support.predicting import (
    TABLE_HASH,
    Desk,
    at,
    intensity_at,
    mep_at,
    pose_at,
    predict_node,
    pulse_at,
    small_lookup,
    store_models,
)

MUSCLE = 4
CHANGE_AT = 90
N_TRIALS = 130
FALSE_SHIFT = Change(
    kind=ChangeKind.SHIFT,
    muscle=None,
    log10_gain=0.0,
    shift_mm=(5.0, 0.0),
    since_trial=50,
    found_trial=60,
    log_ratio=9.0,
)


def forecaster(folder: Path, *, acts_on_changes: bool = True) -> Forecaster:
    (model_hash,) = store_models(folder, 0)
    models = RigModels(ModelFolder(folder), table_hash=TABLE_HASH, muscles=MUSCLES)
    return Forecaster(
        small_lookup(),
        models,
        model_hash=model_hash,
        rmt_pct_mso=50.0,
        acts_on_changes=acts_on_changes,
    )


def answers(one: Forecaster) -> list[Answer]:
    """What a subject like the population answers; one muscle halves."""
    rng = np.random.default_rng(1)
    made = []
    for number in range(N_TRIALS):
        pose = planned_pose()
        pose[:3, 3] += rng.uniform(-4.0, 4.0) * pose[:3, 0]
        stimulus = Stimulus(pose, float(rng.uniform(50.0, 70.0)))
        field = one.field(stimulus)
        assert not isinstance(field, str)
        expected = np.array(one.forecast(field, stimulus.intensity_pct_mso).prior)
        log10_uv = np.maximum(expected, 2.0) + 0.2 * rng.standard_normal(len(MUSCLES))
        if number >= CHANGE_AT:
            log10_uv[MUSCLE] += np.log10(0.4)
        sizes_uv = (10.0**log10_uv).tolist()
        made.append(answer_of(stimulus, sizes_uv, [True] * len(MUSCLES)))
    return made


def learn_all(one: Forecaster, given: list[Answer]) -> list[SeenChange]:
    return [seen for answer in given if (seen := one.learn(answer)) is not None]


def mean_of(one: Forecaster) -> float:
    field = one.field(Stimulus(planned_pose(), 60.0))
    assert not isinstance(field, str)
    return one.forecast(field, 60.0).mean[MUSCLE]


def test_a_changed_muscle_is_named_and_predicted_as_it_is_now(tmp_path: Path) -> None:
    acting, saying = forecaster(tmp_path), forecaster(tmp_path, acts_on_changes=False)
    given = answers(acting)
    learn_all(acting, given[:CHANGE_AT])
    before = mean_of(acting)
    seen = learn_all(acting, given[CHANGE_AT:])
    said = learn_all(saying, given)
    assert [one.change.muscle for one in seen] == [MUSCLE]
    assert seen[0].change.found_trial <= CHANGE_AT + 20
    assert [one.acted_on for one in (*seen, *said)][:2] == [True, False]
    assert mean_of(acting) - before == pytest.approx(np.log10(0.4), abs=0.15)
    assert mean_of(acting) < mean_of(saying)


def test_marking_the_trial_that_gave_a_change_away_takes_the_change_back(
    tmp_path: Path,
) -> None:
    one, never = forecaster(tmp_path), forecaster(tmp_path)
    given = answers(one)
    number = next(n for n, answer in enumerate(given) if one.learn(answer) is not None)
    one.forget(given[number])
    learn_all(never, given[:number])
    assert mean_of(one) == pytest.approx(mean_of(never), rel=1e-12)


def learn_until_withdrawn(one: Forecaster, given: list[Answer]) -> int:
    """Learn a shift that is none, and on until it is taken back; return at which."""
    learn_all(one, given[:60])
    one._take_change(FALSE_SHIFT)
    for number in range(60, CHANGE_AT):
        seen = one.learn(given[number])
        if seen is not None:
            assert seen == SeenChange(FALSE_SHIFT, withdrawn=True, acted_on=True)
            assert (one.shift_mm, one.learnt.changes) == ((0.0, 0.0), ())
            return number
    raise AssertionError("the shift was not taken back")


def test_marking_the_trial_that_took_a_shift_back_brings_the_shift_back(
    tmp_path: Path,
) -> None:
    one, never = forecaster(tmp_path), forecaster(tmp_path)
    given = answers(one)
    number = learn_until_withdrawn(one, given)
    learn_all(never, given[:60])
    never._take_change(FALSE_SHIFT)
    learn_all(never, given[60:number])
    one.forget(given[number])
    assert (one.shift_mm, one.learnt.changes) == ((5.0, 0.0), (FALSE_SHIFT,))
    assert mean_of(one) == pytest.approx(mean_of(never), rel=1e-12)
    for bad in reversed(given[59:number]):
        one.forget(bad)
    assert (one.shift_mm, one.learnt.changes) == ((0.0, 0.0), ())


def test_a_shift_stays_withdrawn_where_a_later_trial_is_marked(tmp_path: Path) -> None:
    one = forecaster(tmp_path)
    given = answers(one)
    number = learn_until_withdrawn(one, given)
    one.learn(given[number + 1])
    one.forget(given[number + 1])
    assert one.learnt.changes == ()


def test_every_learnt_trial_is_followed_by_the_state(tmp_path: Path) -> None:
    desk = Desk(predict_node(tmp_path))
    answers_of_desk: list[Message] = []
    for number in range(3):
        ms = 1000.0 * number
        desk.give(intensity_at(ms))
        desk.predict(pose_at(ms + 10, shift_mm=number))
        desk.give(pulse_at(ms + 30, number))
        answers_of_desk += desk.give(mep_at(ms + 30, number))
    states = [one for one in answers_of_desk if isinstance(one, ExcitabilityTracked)]
    assert [one.seq for one in states] == [0, 1, 2]
    assert [one.t_ns for one in states] == [at(1000.0 * n + 30) for n in range(3)]
    assert all(one.p05_log10 <= one.mean_log10 <= one.p95_log10 for one in states)
    assert not any(isinstance(one, ChangeSeen) for one in answers_of_desk)
    bad = SessionEvent(t_ns=at(4000.0), kind=SessionEventKind.MARK_LAST_BAD)
    assert len(desk.give(bad)) == 1


def test_an_intensity_out_of_range_is_doubted(tmp_path: Path) -> None:
    desk = Desk(predict_node(tmp_path))
    desk.give(intensity_at(0.0, 60.0))
    usual = desk.predict(pose_at(10.0))
    desk.give(intensity_at(20.0, 95.0))
    strong = desk.predict(pose_at(30.0))
    assert "intensity_not_learnt" not in usual.doubt
    assert "intensity_not_learnt" in strong.doubt
