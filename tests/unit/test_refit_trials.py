"""What a refit learns from: trials with the changes of a session taken out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.config import SessionConfig, read_session
from m2m_rt.app.refit_work import training_trials
from m2m_rt.learning import (
    Change,
    ChangeKind,
    SharedSettings,
    answers_without_gains,
    muscle_answers,
)
from m2m_rt.messages import FitRequest, KnownChange, Trial, encode
from m2m_rt.nodes import FieldSource, stimulus_of
from m2m_rt.units import F64
from tests.support.mapped import demo_scene, record_session
from tests.support.sessions import messages

MUSCLES = ("APB", "FDI", "ADM")
N_PULSES, SINCE = 6, 4
SHIFT_MM = (3.5, -3.5)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("refitted") / "session"
    record_session(root, demo_scene(), n_pulses=N_PULSES, seed=4, muscles=MUSCLES)
    return root


@pytest.fixture
def trials(session: Path) -> list[Trial]:
    said = messages(session, "trial/predictd")
    return [one for one in said if isinstance(one, Trial)]


@pytest.fixture
def config(session: Path) -> SessionConfig:
    return read_session(SessionFolder.open(session))


@pytest.fixture
def source(config: SessionConfig) -> FieldSource:
    rmt_pct_mso = config.protocol.rmt_pct_mso
    return FieldSource(demo_scene().lookup, rmt_pct_mso=rmt_pct_mso)


def halved(*, muscle: int, since: int) -> Change:
    return Change(
        kind=ChangeKind.GAIN,
        muscle=muscle,
        log10_gain=float(np.log10(0.5)),
        shift_mm=(0.0, 0.0),
        since_trial=since,
        found_trial=since,
        log_ratio=9.0,
    )


def request(trials: list[Trial], *changes: KnownChange) -> FitRequest:
    return FitRequest(
        t_ns=trials[-1].t_ns,
        fit_id=0,
        parent_hash="a" * 64,
        n_trials=len(trials),
        n_held_out=2,
        rng_seed=0,
        trials=tuple(map(encode, trials)),
        changes=changes,
    )


SHIFT = KnownChange(
    since_trial=SINCE,
    muscle=None,
    log10_gain=0.0,
    shift_x_mm=SHIFT_MM[0],
    shift_y_mm=SHIFT_MM[1],
)
HALVED = KnownChange(
    since_trial=SINCE, muscle=1, log10_gain=-0.3, shift_x_mm=0.0, shift_y_mm=0.0
)


def test_coils_are_where_they_are_now_taken_to_have_been(
    trials: list[Trial], config: SessionConfig, source: FieldSource
) -> None:
    learnt = training_trials(request(trials, SHIFT), config, source)
    for number, one in enumerate(trials):
        assert one.prediction is not None
        stimulus = stimulus_of(one.prediction)
        assert stimulus is not None
        expected = source.at(stimulus, SHIFT_MM if number >= SINCE else (0.0, 0.0))
        assert not isinstance(expected, str)
        assert np.array_equal(learnt.relative_efield[number], expected[0])
    as_reported = training_trials(request(trials), config, source)
    differs = np.any(learnt.relative_efield != as_reported.relative_efield, axis=(1, 2))
    assert differs.tolist() == [number >= SINCE for number in range(N_PULSES)]


def test_a_gain_is_taken_out_of_its_muscle_alone(
    trials: list[Trial], config: SessionConfig, source: FieldSource
) -> None:
    plain = training_trials(request(trials), config, source)
    learnt = training_trials(request(trials, HALVED), config, source)
    moved = np.argwhere(learnt.log10_uv != plain.log10_uv)
    (column,) = set(moved[:, 1].tolist())
    assert moved[:, 0].min() >= SINCE
    assert np.all(learnt.log10_uv >= plain.log10_uv)
    sizes_uv = np.array([one.mep.mep_p2p_uv for one in trials], np.float64)
    assert np.allclose(10.0 ** plain.log10_uv[:, column], sizes_uv[:, 1])


def in_floor(evoked_uv: F64) -> F64:
    """Return log10 of evoked sizes with the amplifier's floor, as squares."""
    floor_uv = 10.0 ** SharedSettings().floor_log10_uv
    log10_uv: F64 = np.log10(np.hypot(evoked_uv, floor_uv))
    return log10_uv


def test_answers_without_gains_are_those_before_them() -> None:
    evoked_uv = np.array([0.5, 40.0, 300.0, 2000.0, 15.0, 90.0])
    gains = np.array([1.0, 1.0, 0.5, 0.5, 0.25, 0.25])
    changes = (halved(muscle=0, since=2), halved(muscle=0, since=4))
    found = answers_without_gains(in_floor(evoked_uv * gains), changes, 0)
    assert np.allclose(found, in_floor(evoked_uv), atol=1e-12)
    other = answers_without_gains(in_floor(evoked_uv), changes, 1)
    assert np.array_equal(other, in_floor(evoked_uv))


def test_a_gain_that_is_back_leaves_the_answers_as_they_are() -> None:
    back = replace(halved(muscle=0, since=4), log10_gain=-np.log10(0.5))
    changes = (halved(muscle=0, since=2), back)
    evoked_uv = np.array([0.5, 40.0, 300.0, 2000.0, 15.0, 90.0])
    gains = np.array([1.0, 1.0, 0.5, 0.5, 1.0, 1.0])
    as_measured = in_floor(evoked_uv * gains)
    found = answers_without_gains(as_measured, changes, 0)
    assert np.allclose(found, in_floor(evoked_uv), atol=1e-12)
    assert np.array_equal(found[[0, 1, 4, 5]], as_measured[[0, 1, 4, 5]])
    assert np.array_equal(muscle_answers(as_measured, changes, 0), found)


def test_an_answer_below_the_floor_stays() -> None:
    answers = np.array([-0.3, 0.5])
    found = answers_without_gains(answers, (halved(muscle=0, since=0),), 0)
    assert np.array_equal(found, answers)
