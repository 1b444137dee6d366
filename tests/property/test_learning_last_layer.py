"""The Bayesian last layer: exact, causal, reversible, calibrated."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.learning import (
    Posterior,
    first_posterior,
    learn,
    predict,
    predict_mean,
    rebuild,
    stack,
)
from m2m_rt.model import MUSCLES
from m2m_rt.units import F32, F64, Bools
from tests.support.models import draw_features, small_prior

N_MUSCLES = len(MUSCLES)
FIXED_SCALE = 1e12
"""Degrees of freedom at which no trial moves the noise scale."""


def draw_trials(seed: int, n_trials: int) -> tuple[F32, F64, Bools]:
    rng = np.random.default_rng(seed)
    features = draw_features(rng, n_trials)
    log10_uv = 1.8 + 0.5 * rng.standard_normal((n_trials, N_MUSCLES))
    return features, log10_uv, rng.random(log10_uv.shape) < 0.8


def same_bytes(a: Posterior, b: Posterior) -> bool:
    return (
        a.posterior_seq == b.posterior_seq
        and a.latent_mean.tobytes() == b.latent_mean.tobytes()
        and a.latent_cov.tobytes() == b.latent_cov.tobytes()
        and a.noise_scale.tobytes() == b.noise_scale.tobytes()
        and a.scale_dof.tobytes() == b.scale_dof.tobytes()
    )


@given(seed=st.integers(0, 10_000), cut=st.integers(0, 12))
def test_rebuilding_from_trials_gives_the_same_bytes(seed: int, cut: int) -> None:
    features, log10_uv, valid = draw_trials(seed, 12)
    prior = small_prior()
    live = rebuild(prior, features[:cut], log10_uv=log10_uv[:cut], valid=valid[:cut])
    for row in range(cut, 12):
        live = learn(live, features[row], log10_uv=log10_uv[row], valid=valid[row])
    assert same_bytes(live, rebuild(prior, features, log10_uv=log10_uv, valid=valid))


@given(seed=st.integers(0, 10_000))
def test_learning_is_exact_bayesian_regression(seed: int) -> None:
    features, log10_uv, valid = draw_trials(seed, 20)
    prior = small_prior(scale_dof=FIXED_SCALE)
    posterior = rebuild(prior, features, log10_uv=log10_uv, valid=valid)
    phi = features.astype(np.float64)
    for muscle in range(N_MUSCLES):
        rows = valid[:, muscle]
        loadings = phi[rows] @ prior.factor[muscle]
        weight = np.exp(-2.0 * phi[rows] @ prior.log_noise[muscle])
        error = log10_uv[rows, muscle] - phi[rows] @ prior.mean[muscle]
        precision = np.eye(4) + loadings.T @ (weight[:, np.newaxis] * loadings)
        mean = np.linalg.solve(precision, loadings.T @ (weight * error))
        cov = np.linalg.inv(precision)
        # float64 updates one by one against one solve
        np.testing.assert_allclose(posterior.latent_mean[muscle], mean, atol=1e-8)
        np.testing.assert_allclose(posterior.latent_cov[muscle], cov, atol=1e-8)


@given(seed=st.integers(0, 10_000), muscle=st.integers(0, N_MUSCLES - 1))
def test_an_invalid_mep_teaches_its_muscle_nothing(seed: int, muscle: int) -> None:
    features, log10_uv, valid = draw_trials(seed, 3)
    before = rebuild(small_prior(), features, log10_uv=log10_uv, valid=valid)
    heard = np.ones(N_MUSCLES, np.bool_)
    heard[muscle] = False
    absurd = np.full(N_MUSCLES, 2.0)
    absurd[muscle] = np.inf
    after = learn(before, features[0], log10_uv=absurd, valid=heard)
    assert after.posterior_seq == before.posterior_seq + 1
    assert np.array_equal(after.latent_mean[muscle], before.latent_mean[muscle])
    assert np.array_equal(after.latent_cov[muscle], before.latent_cov[muscle])
    assert after.noise_scale[muscle] == before.noise_scale[muscle]
    assert np.all(np.isfinite(after.latent_mean))


@given(seed=st.integers(0, 10_000))
def test_learning_changes_nothing_it_was_given(seed: int) -> None:
    features, log10_uv, valid = draw_trials(seed, 2)
    before = rebuild(small_prior(), features, log10_uv=log10_uv, valid=valid)
    kept = before.latent_mean.copy(), before.latent_cov.copy()
    learn(before, features[0], log10_uv=log10_uv[0], valid=valid[0])
    assert np.array_equal(before.latent_mean, kept[0])
    assert np.array_equal(before.latent_cov, kept[1])


@given(seed=st.integers(0, 10_000), n_poses=st.integers(1, 9))
def test_means_alone_are_those_of_the_full_prediction(seed: int, n_poses: int) -> None:
    features, log10_uv, valid = draw_trials(seed, 9)
    posterior = rebuild(small_prior(), features, log10_uv=log10_uv, valid=valid)
    full = predict(posterior, features[:n_poses]).mean
    np.testing.assert_allclose(
        predict_mean(posterior, features[:n_poses]), full, atol=1e-10
    )


def test_intervals_cover_subjects_noisier_than_the_population() -> None:
    rng = np.random.default_rng(3)
    prior = small_prior(scale_dof=10.0)
    inside = []
    for _ in range(20):
        features = draw_features(rng, 80)
        latent = rng.standard_normal((N_MUSCLES, 4))
        weights = prior.mean + np.einsum("mfd,md->mf", prior.factor, latent)
        loudness = rng.uniform(0.7, 1.6, N_MUSCLES)
        noise = np.exp(features @ prior.log_noise.T) * loudness
        log10_uv = features @ weights.T + noise * rng.standard_normal(noise.shape)
        posterior, predictions = first_posterior(prior), []
        for row in range(80):
            predictions.append(predict(posterior, features[row : row + 1]))
            posterior = learn(
                posterior,
                features[row],
                log10_uv=log10_uv[row],
                valid=np.ones(N_MUSCLES, np.bool_),
            )
        all_rows = stack(predictions)
        low, high = all_rows.quantile(0.05), all_rows.quantile(0.95)
        inside.append((log10_uv >= low)[40:] & (log10_uv <= high)[40:])
    # 12 000 intervals whose noise scale is itself estimated
    assert 0.88 < np.mean(inside) < 0.92


def test_quantiles_are_those_of_the_density() -> None:
    predicted = predict(
        first_posterior(small_prior(scale_dof=5.0)),
        draw_features(np.random.default_rng(0), 1),
    )
    grid = np.linspace(-8.0, 12.0, 20001)
    densities = np.exp(
        [predicted.log_density(np.full((1, N_MUSCLES), at))[0, 0] for at in grid]
    )
    below = np.sum(densities[grid <= predicted.quantile(0.9)[0, 0]]) * 0.001
    assert abs(below - 0.9) < 2e-3  # the grid's step


def test_the_probability_of_an_mep_agrees_with_the_quantiles() -> None:
    features, log10_uv, valid = draw_trials(3, 20)
    posterior = rebuild(small_prior(), features, log10_uv=log10_uv, valid=valid)
    predicted = predict(posterior, features[:1])
    for probability in (0.05, 0.5, 0.95):
        level = float(predicted.quantile(1.0 - probability)[0, 4])
        np.testing.assert_allclose(predicted.above(level)[0, 4], probability)
