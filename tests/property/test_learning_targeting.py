"""Targeting: maps, what a pulse would tell, the best stimulus, and when to stop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student

from m2m_rt.errors import ConfigError
from m2m_rt.learning import (
    Aim,
    AimLimits,
    Candidates,
    MappingState,
    Place,
    Posterior,
    ResponseMap,
    StopReason,
    StopRule,
    Surfaces,
    areas_mm2,
    best_candidate,
    draw_weights,
    expectation_variance,
    expected_gain,
    first_posterior,
    gain_at_most,
    gravity_places,
    hotspot_places,
    integrated_variance_reduction,
    interval_of,
    last_layer_surfaces,
    learn,
    mean_of_pulses,
    place_of,
    predict,
    predict_mean,
    rebuild,
    response_map,
    select_muscles,
    stop_reason,
    variance_reduction,
    within_limits,
)
from m2m_rt.learning.last_layer import trial_variance
from m2m_rt.model import MUSCLES
from m2m_rt.units import F32, F64
from tests.support.models import draw_features, small_prior

N_MUSCLES = len(MUSCLES)
SITES_MM = np.array([(x, y, 0.0) for x in range(-10, 11) for y in range(-10, 11)])


def learnt(seed: int, n_trials: int = 12) -> tuple[Posterior, F32]:
    """Return a belief after some trials, and features of candidates."""
    rng = np.random.default_rng(seed)
    features = draw_features(rng, n_trials)
    log10_uv = 1.8 + 0.5 * rng.standard_normal((n_trials, N_MUSCLES))
    valid = rng.random(log10_uv.shape) < 0.9
    posterior = rebuild(small_prior(), features, log10_uv=log10_uv, valid=valid)
    return posterior, draw_features(rng, 30)


def bump(at_mm: tuple[float, float], height: float = 2.5) -> F64:
    """Return one surface (1, n) that is largest at a place."""
    away2 = np.sum((SITES_MM[:, :2] - at_mm) ** 2, axis=1)
    surface: F64 = height - 0.02 * away2
    return surface[np.newaxis]


def test_the_map_is_the_prediction_of_every_candidate() -> None:
    posterior, features = learnt(0)
    answers, one = response_map(posterior, features), predict(posterior, features)
    np.testing.assert_array_equal(answers.mean, one.mean)
    standard = student(one.dof)
    expected = standard.sf((np.log10(50.0) - one.mean) / one.sd)
    np.testing.assert_allclose(answers.presence, expected, atol=1e-9)
    assert np.all((answers.p05 < answers.mean) & (answers.mean < answers.p95))


def test_drawn_surfaces_have_the_beliefs_mean_and_variance() -> None:
    posterior, features = learnt(1)
    rng = np.random.default_rng(0)
    weights = draw_weights(posterior, 3, n_draws=4000, rng=rng)
    surfaces = last_layer_surfaces(posterior, features, 3, weights)
    mean = predict_mean(posterior, features)[:, 3]
    np.testing.assert_allclose(surfaces.log10_uv.mean(axis=0), mean, atol=1e-9)
    known2 = expectation_variance(posterior, features)[:, 3]
    # 4000 draws: the variance of a variance is 2/n of its square.
    np.testing.assert_allclose(surfaces.log10_uv.var(axis=0), known2, rtol=0.12)
    noise2 = trial_variance(posterior, features)[:, 3]
    np.testing.assert_allclose(surfaces.noise_log10**2, noise2, rtol=1e-9)


def test_the_mean_of_many_pulses_is_as_uncertain_as_the_expectation() -> None:
    posterior, features = learnt(2)
    np.testing.assert_allclose(
        mean_of_pulses(posterior, features, 1).sd, predict(posterior, features).sd
    )
    many = mean_of_pulses(posterior, features, 10**9).sd
    np.testing.assert_allclose(
        many**2, expectation_variance(posterior, features), rtol=1e-6
    )


@given(seed=st.integers(0, 2**16), row=st.integers(0, 29))
def test_integrated_variance_reduction_is_what_the_pulse_then_takes_away(
    seed: int, row: int
) -> None:
    posterior, features = learnt(seed, 5)
    targets = draw_features(np.random.default_rng(seed + 1), 7)
    weights = np.zeros(N_MUSCLES)
    weights[[2, 9]] = 1.0, 0.5
    promised = integrated_variance_reduction(
        posterior, features, targets, muscle_weights=weights
    )
    after = learn(
        posterior,
        features[row],
        log10_uv=np.full(N_MUSCLES, 2.0),
        valid=np.ones(N_MUSCLES, np.bool_),
    )
    lost = expectation_variance(posterior, targets) - expectation_variance(
        after, targets
    )
    assert promised[row] == pytest.approx(lost.mean(axis=0) @ weights, abs=1e-9)
    assert np.all(promised >= 0.0)


def test_a_summarys_lost_variance_is_exact_where_the_summary_is_linear() -> None:
    rng = np.random.default_rng(3)
    latent = rng.standard_normal((200_000, 2))
    surfaces = Surfaces(latent @ rng.standard_normal((2, 5)), np.full(5, 0.7))
    summary = latent @ np.array([[1.0], [0.5]])
    found = variance_reduction(summary, surfaces)
    covariance = np.cov(summary[:, 0], surfaces.log10_uv.T)
    expected = covariance[0, 1:] ** 2 / (np.diag(covariance)[1:] + 0.49)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_the_gain_of_a_choice_between_two_is_the_exact_one() -> None:
    draws = norm.ppf((np.arange(4000) + 0.5) / 4000)[:, np.newaxis]
    utilities = np.hstack((0.3 + 0.0 * draws, draws))  # one known, one N(0, 1)
    gain = expected_gain(utilities, Surfaces(draws, np.array([1.0])))
    spread = np.sqrt(1.0 / 2.0)  # of the second's mean after a pulse of noise 1
    exact = spread * norm.pdf(0.3 / spread) - 0.3 * norm.sf(0.3 / spread)
    assert gain[0] == pytest.approx(exact, rel=0.01)  # 32 parts


@given(seed=st.integers(0, 2**16))
def test_a_noisier_pulse_gains_no_more_and_none_more_than_knowing_all(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((300, 3))
    utilities = latent @ rng.standard_normal((3, 6)) + rng.standard_normal(6)
    answers = latent @ rng.standard_normal((3, 4))
    gain, noisier = (
        expected_gain(utilities, Surfaces(answers, np.full(4, noise_log10)))
        for noise_log10 in (0.5, 2.0)
    )
    assert np.all(noisier <= gain + 1e-9)
    assert np.all(gain <= gain_at_most(utilities) + 0.1)  # 300 draws


def test_a_pulse_that_tells_nothing_gains_nothing() -> None:
    rng = np.random.default_rng(4)
    flat = Surfaces(np.full((300, 1), 2.0), np.array([0.3]))
    utilities = rng.standard_normal((300, 3))
    assert expected_gain(utilities, flat)[0] == pytest.approx(0.0, abs=1e-9)
    assert variance_reduction(utilities, flat)[0] == 0.0


def test_hotspot_gravity_and_area_of_a_round_map_are_its_middle_and_disc() -> None:
    surface = bump((2.0, -3.0))
    np.testing.assert_array_equal(hotspot_places(surface, SITES_MM), [[2.0, -3.0, 0.0]])
    gravity = gravity_places(surface, SITES_MM)
    np.testing.assert_allclose(gravity, [[2.0, -3.0, 0.0]], atol=0.05)
    radius2 = (2.5 - np.log10(50.0)) / 0.02
    area = areas_mm2(surface, cell_mm2=1.0)
    assert area[0] == pytest.approx(np.pi * radius2, rel=0.05)


def test_a_map_that_answers_nowhere_has_no_centre_of_gravity() -> None:
    silent = np.full((4, len(SITES_MM)), 0.8)
    assert place_of(gravity_places(silent, SITES_MM)) is None
    assert areas_mm2(silent, cell_mm2=1.0).max() == 0.0


def test_intervals_hold_nine_of_ten_draws() -> None:
    rng = np.random.default_rng(5)
    places = rng.standard_normal((2000, 3))
    place = place_of(places)
    assert place is not None
    inside = np.linalg.norm(places - place.mean_mm, axis=1) <= place.radius_90_mm
    assert inside.mean() == pytest.approx(0.9, abs=0.01)
    interval = interval_of(places[:, 0])
    held = (places[:, 0] >= interval.p05) & (places[:, 0] <= interval.p95)
    assert held.mean() == pytest.approx(0.9, abs=0.01)


def test_a_lab_with_one_muscle_gets_that_muscles_map() -> None:
    posterior, features = learnt(6)
    (alone,) = (first_posterior(select_muscles(posterior.prior, [4])),)
    among = first_posterior(posterior.prior)
    np.testing.assert_allclose(
        response_map(alone, features).mean[:, 0],
        response_map(among, features).mean[:, 4],
    )
    one = integrated_variance_reduction(
        alone, features, features, muscle_weights=np.ones(1)
    )
    weights = np.zeros(N_MUSCLES)
    weights[4] = 1.0
    np.testing.assert_allclose(
        one,
        integrated_variance_reduction(
            among, features, features, muscle_weights=weights
        ),
    )


def test_the_best_stimulus_answers_where_wanted_and_little_elsewhere() -> None:
    posterior, features = learnt(7)
    answers = response_map(posterior, features)
    aim = Aim(most=("FDI",), least=("ADM", "ECR"), least_presence=0.3)
    everywhere = np.ones(len(features), np.bool_)
    row = best_candidate(answers, aim, muscles=MUSCLES, allowed=everywhere)
    assert row is not None
    score = answers.mean @ aim.weights(MUSCLES)
    meets = answers.presence[:, 0] >= 0.3
    assert meets[row]
    assert score[row] == score[meets].max()
    without = everywhere.copy()
    without[row] = False
    assert best_candidate(answers, aim, muscles=MUSCLES, allowed=without) != row


def test_no_stimulus_is_better_than_one_that_does_not_meet_the_aim() -> None:
    posterior, features = learnt(8)
    answers = response_map(posterior, features)
    nothing = np.zeros(len(features), np.bool_)
    aim = Aim(most=("FDI",), least_presence=0.0)
    assert best_candidate(answers, aim, muscles=MUSCLES, allowed=nothing) is None
    sure = Aim(most=("FDI",), least_presence=1.0)
    everywhere = ~nothing
    assert best_candidate(answers, sure, muscles=MUSCLES, allowed=everywhere) is None


def test_a_pose_without_an_expectation_of_a_named_muscle_is_never_the_best() -> None:
    mean = np.array([[2.0, 1.0, np.nan], [2.0, np.nan, 1.0]])
    sure = np.full_like(mean, 0.9)
    answers = ResponseMap(mean=mean, sd=sure, p05=mean, p95=mean, presence=sure)
    aim, muscles = Aim(most=("FDI",), least=("ADM",)), ("FDI", "ADM", "ECR")
    every = np.ones(2, np.bool_)
    assert best_candidate(answers, aim, muscles=muscles, allowed=every) == 0
    unknown = np.array([False, True])
    assert best_candidate(answers, aim, muscles=muscles, allowed=unknown) is None


def test_wrong_aims_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Aim(most=())
    with pytest.raises(ValueError, match="at once"):
        Aim(most=("FDI",), least=("FDI",))
    with pytest.raises(ValueError, match="FDI: named more than once"):
        Aim(most=("FDI", "FDI", "ADM"))
    with pytest.raises(ValueError, match="ECR: named more than once"):
        Aim(most=("FDI",), least=("ECR", "ECR"))
    with pytest.raises(ConfigError, match="XYZ"):
        Aim(most=("XYZ",)).weights(MUSCLES)


@given(most_pct=st.floats(1.0, 100.0), move_mm=st.floats(0.1, 30.0))
def test_nothing_outside_the_limits_is_allowed(most_pct: float, move_mm: float) -> None:
    rng = np.random.default_rng(9)
    candidates = Candidates(
        centre_mm=rng.uniform(-20.0, 20.0, (200, 3)),
        intensity_pct_mso=rng.uniform(1.0, 100.0, 200),
    )
    limits = AimLimits(most_intensity_pct_mso=most_pct, most_move_mm=move_mm)
    allowed = within_limits(candidates, limits, now_mm=np.zeros(3))
    moved = np.linalg.norm(candidates.centre_mm, axis=1)
    assert np.all(candidates.intensity_pct_mso[allowed] <= most_pct)
    assert np.all(moved[allowed] <= move_mm)


def test_a_limit_of_the_move_allows_nothing_while_the_coil_is_not_known() -> None:
    candidates = Candidates(
        centre_mm=np.zeros((2, 3)), intensity_pct_mso=np.array([50.0, 70.0])
    )
    limits = AimLimits(most_intensity_pct_mso=60.0, most_move_mm=5.0)
    assert not within_limits(candidates, limits).any()
    assert not within_limits(candidates, limits, now_mm=np.full(3, np.nan)).any()
    unlimited = AimLimits(most_intensity_pct_mso=60.0)
    np.testing.assert_array_equal(within_limits(candidates, unlimited), [True, False])


def state(n_pulses: int, radius_mm: float, gain: float) -> MappingState:
    return MappingState(n_pulses, Place(np.zeros(3), radius_mm), gain)


def test_mapping_stops_when_the_hotspot_is_known_or_little_is_to_gain() -> None:
    rule = StopRule(hotspot_within_mm=4.0, least_gain_log10=0.01, least_pulses=10)
    assert stop_reason(state(9, 1.0, 0.0), rule) is None
    assert stop_reason(state(10, 3.9, 1.0), rule) is StopReason.HOTSPOT_KNOWN
    assert stop_reason(state(10, 9.0, 0.009), rule) is StopReason.LITTLE_TO_GAIN
    assert stop_reason(state(10, 9.0, 0.5), rule) is None
    assert stop_reason(MappingState(50, None, 0.5), rule) is None
