"""A committee in one file: what its members say, what it kept, and what it has seen."""

import functools
import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest

from m2m_rt.adapters.onnx_predictor import OnnxPredictor
from m2m_rt.errors import DataError
from m2m_rt.learning import first_posterior, predict
from m2m_rt.nets import RefitSettings, Trials, refit
from m2m_rt.nets.committee import NETWORK_SHARE, Columns, fit_columns, shape_spread
from m2m_rt.nets.committee_file import network_part, with_columns
from m2m_rt.nets.held_out import choose
from m2m_rt.nets.left_out import left_out_log10_uv
from m2m_rt.nets.recruitment import fit_recruitment
from m2m_rt.nets.refit import N_REHEARSED_HELD_OUT, rehearsal, rehearse
from m2m_rt.units import F32, F64
from tests.support.models import N_ROI, small_model

N_TRIALS, N_MUSCLES, N_MODES = 60, 15, 5
NOISE_LOG10 = 0.25
EVERY = np.ones(N_MUSCLES, np.bool_)


def load(model_bytes: bytes) -> OnnxPredictor:
    model_hash = hashlib.sha256(model_bytes).hexdigest()
    return OnnxPredictor(model_bytes, expected_hash=model_hash)


def draw(seed: int, n_trials: int) -> tuple[F32, F64]:
    """Return fields of few modes, and answers that rise with one direction each."""
    world, rng = np.random.default_rng(0), np.random.default_rng(seed)
    modes = world.standard_normal((N_MODES, N_ROI, 3))
    wanted = 0.5 * world.standard_normal((N_MUSCLES, N_MODES))
    wanted[:, 0] = 1.0
    score = 0.4 * rng.standard_normal((n_trials, N_MODES))
    score[:, 0] = 1.0
    score *= rng.uniform(1.0, 1.4, (n_trials, 1))
    drive = np.maximum(score @ wanted.T, 0.1)
    evoked = 0.9 + 2.2 / (1.0 + drive**-4)
    log10_uv = evoked + NOISE_LOG10 * rng.standard_normal(evoked.shape)
    return np.tensordot(score, modes, 1).astype(np.float32), log10_uv


@functools.cache
def columns() -> Columns:
    return fit_columns(*draw(1, N_TRIALS))


@functools.cache
def committee() -> bytes:
    return with_columns(small_model(), columns(), EVERY)


def trials(n_trials: int, seed: int = 1) -> Trials:
    fields, log10_uv = draw(seed, n_trials)
    valid = np.random.default_rng(seed).random(log10_uv.shape) < 0.95
    return Trials(relative_efield=fields, log10_uv=log10_uv, valid=valid)


def test_the_files_columns_are_what_its_members_expect() -> None:
    fields, _ = draw(2, 40)
    found = load(committee()).features(fields)
    network = load(small_model()).features(fields)
    n = network.shape[1]
    np.testing.assert_allclose(found[:, :n], network, atol=1e-5)
    # float32 sums of a field's points
    np.testing.assert_allclose(found[:, n:], columns().log10_uv(fields), atol=1e-4)


def test_trials_it_has_learnt_are_answered_as_if_it_had_not() -> None:
    fields, _ = draw(1, N_TRIALS)
    found = load(committee()).features(fields)[:, -N_MUSCLES:]
    expected = columns().log10_uv(fields) + columns().correction
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_errors_at_its_own_trials_are_as_large_as_at_new_ones() -> None:
    def error(seed: int, said: F64 | F32, n: int) -> float:
        return float(np.std(draw(seed, n)[1] - said / (1.0 - NETWORK_SHARE)))

    known, new = draw(1, N_TRIALS)[0], draw(3, 400)[0]
    model = load(committee())
    at_new = error(3, model.features(new)[:, -N_MUSCLES:], 400)
    at_known = error(1, model.features(known)[:, -N_MUSCLES:], N_TRIALS)
    in_sample = error(1, columns().log10_uv(known), N_TRIALS)
    assert at_known == pytest.approx(at_new, rel=0.08)
    assert in_sample < 0.9 * at_new


def test_left_out_errors_are_as_large_as_those_of_fits_without_the_row() -> None:
    n_trials, rows_tried = 50, [3, 11, 19, 34]
    fields, log10_uv = draw(4, n_trials)
    rows = fields.reshape(n_trials, -1).astype(np.float64)
    model = fit_recruitment(rows, log10_uv)
    said, without = model.expected(rows).log10_uv[rows_tried], []
    for row in rows_tried:
        others = np.delete(np.arange(n_trials), row)
        fitted = fit_recruitment(rows[others], log10_uv[others])
        without.append(fitted.expected(rows[row : row + 1]).log10_uv[0])
    found = left_out_log10_uv(model, rows, log10_uv)[rows_tried]
    errors = [
        float(np.std(log10_uv[rows_tried] - one)) for one in (said, found, without)
    ]
    assert errors[0] < 0.93 * errors[2]
    # To first order, features of shape kept; it errs on the careful side.
    assert 0.95 * errors[2] < errors[1] < 1.2 * errors[2]
    moved, expected = np.ravel(found - said), np.ravel(without - said)
    assert np.corrcoef(moved, expected)[0, 1] > 0.5


def test_the_network_can_be_taken_out_again() -> None:
    network = network_part(committee())
    fields, _ = draw(2, 10)
    alone, shipped = load(network), load(small_model())
    np.testing.assert_array_equal(alone.features(fields), shipped.features(fields))
    for part in ("mean", "factor", "log_noise"):
        found, kept = getattr(alone.prior, part), getattr(shipped.prior, part)
        np.testing.assert_array_equal(found, kept)
    assert network_part(small_model()) == small_model()
    assert with_columns(network, columns(), EVERY) == committee()


def test_a_muscle_that_was_not_measured_stays_with_the_network() -> None:
    learnt = np.arange(N_MUSCLES) != 4
    fields, _ = draw(2, 10)
    found, network = (
        predict(first_posterior(model.prior), model.features(fields))
        for model in map(
            load, (with_columns(small_model(), columns(), learnt), small_model())
        )
    )
    np.testing.assert_allclose(found.mean[:, 4], network.mean[:, 4], atol=1e-5)
    np.testing.assert_allclose(found.sd[:, 4], network.sd[:, 4], rtol=1e-5)
    assert np.all(np.std(found.mean - network.mean, axis=0)[learnt] > 0.01)


def test_a_committee_is_handed_over_and_is_the_parent_of_the_next() -> None:
    first = refit(small_model(), trials(50), n_held_out=10, seed=1)
    assert first == refit(small_model(), trials(50), n_held_out=10, seed=1)
    assert network_part(first.model_bytes) != first.model_bytes
    assert first.candidate_score > first.incumbent_score + 0.02
    second = refit(first.model_bytes, trials(70), n_held_out=10, seed=2)
    parent = hashlib.sha256(first.model_bytes).hexdigest()
    assert load(second.model_bytes).contract.parent_hash == parent
    assert (
        load(second.model_bytes).contract.muscles
        == load(small_model()).contract.muscles
    )
    without = RefitSettings(committee=False)
    only = refit(first.model_bytes, trials(70), n_held_out=10, seed=2, settings=without)
    assert network_part(only.model_bytes) == only.model_bytes


def test_trials_of_one_place_leave_the_network_alone() -> None:
    mapped = trials(40)
    rng = np.random.default_rng(0)
    level = rng.uniform(0.9, 1.5, (40, 1, 1)).astype(np.float32)
    still = Trials(
        relative_efield=mapped.relative_efield[:1] * level,
        log10_uv=mapped.log10_uv,
        valid=mapped.valid,
    )
    found = refit(small_model(), still, n_held_out=10, seed=1)
    assert network_part(found.model_bytes) == found.model_bytes


def test_a_rehearsal_goes_through_every_step() -> None:
    invented, brief = rehearsal(load(small_model()))
    n_fitted = len(invented.log10_uv) - N_REHEARSED_HELD_OUT
    fitted = invented.relative_efield[:n_fitted]
    assert brief.committee
    assert n_fitted >= brief.least_trials
    assert shape_spread(fitted) > brief.least_shape_spread
    rehearse(small_model())


def test_what_is_not_valid_teaches_nothing() -> None:
    fields, log10_uv = draw(1, 60)
    valid = np.random.default_rng(1).random(log10_uv.shape) < 0.65
    wrong = Trials(fields, np.where(valid, log10_uv, 9.0), valid)
    found = refit(small_model(), wrong, n_held_out=20, seed=1)
    # -0.50; -0.67 if the network learnt what is not valid, -0.73 if the columns did
    assert found.candidate_score > -0.6


def test_trials_without_a_valid_mep_to_fit_are_refused() -> None:
    some = trials(30)
    none = np.concatenate((np.zeros((20, N_MUSCLES), np.bool_), some.valid[20:]))
    with pytest.raises(DataError, match="30 trials, 10 held out: expected valid MEPs"):
        refit(small_model(), replace(some, valid=none), n_held_out=10, seed=1)


def test_choosing_has_the_price_of_chance() -> None:
    rng = np.random.default_rng(0)
    n_draws, n_trials, gains = 4000, 10, []
    for _ in range(n_draws):
        pair = rng.standard_normal((2, n_trials))
        scores = [np.column_stack((one, np.full(n_trials, 5.0))) for one in pair]
        best, price = choose(scores)
        gains.append(pair[best].sum() / (5.0 * n_trials) - price)
    spread = 1.0 / (5.0 * math.sqrt(n_trials * n_draws))
    assert abs(np.mean(gains)) < 4.0 * spread  # equally good: nothing is gained
    assert choose(scores[:1]) == (0, 0.0)


def test_a_candidate_without_a_score_is_not_chosen() -> None:
    good, lost = np.ones((10, 2)), np.full((10, 2), np.nan)
    assert choose([lost, good]) == (1, 0.0)
    assert choose([good, lost]) == (0, 0.0)
