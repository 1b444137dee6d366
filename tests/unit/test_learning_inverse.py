"""From MEPs back to the stimulus: Bayes' rule, held to exact solutions."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from m2m_rt.learning import (
    Predicted,
    field_map,
    log_likelihood,
    probabilities,
    shared_share,
)

N_MUSCLES = 6


def predicted(n: int, seed: int = 0) -> Predicted:
    rng = np.random.default_rng(seed)
    return Predicted(
        mean=2.0 + rng.standard_normal((n, N_MUSCLES)),
        sd=rng.uniform(0.2, 0.6, (n, N_MUSCLES)),
        dof=np.full(N_MUSCLES, 40.0),
    )


@pytest.mark.parametrize("shared", [0.0, 0.4, 0.9])
def test_the_likelihood_is_that_of_muscles_that_deviate_together(shared: float) -> None:
    one = predicted(3)
    answers = np.linspace(1.0, 3.0, 2 * N_MUSCLES).reshape(2, N_MUSCLES)
    valid = np.array([True, True, False, True, True, True])
    found = log_likelihood(one, answers, valid=valid, shared=shared)
    assert found.shape == (2, 3)
    together = shared + (1.0 - shared) * np.eye(N_MUSCLES - 1)
    for row in range(3):
        sd = one.sd[row, valid]
        exact = multivariate_normal(one.mean[row, valid], np.outer(sd, sd) * together)
        np.testing.assert_allclose(found[:, row], exact.logpdf(answers[:, valid]))


def test_the_shared_part_of_deviations_is_found() -> None:
    rng, one = np.random.default_rng(1), predicted(4000)
    common = rng.standard_normal((4000, 1))
    own = rng.standard_normal((4000, N_MUSCLES))
    answers = one.mean + one.sd * (np.sqrt(0.3) * common + np.sqrt(0.7) * own)
    assert shared_share(one, answers) == pytest.approx(0.3, abs=0.03)


def test_a_certain_stimulus_gives_its_field_without_spread() -> None:
    rng, levels = np.random.default_rng(2), np.array([1.0, 1.5])
    unit = rng.random((4, 9)).astype(np.float32)
    certain = np.zeros((1, 8))
    certain[0, 4 + 2] = 1.0  # the third pose at the second level
    found = field_map(certain, levels, unit)
    np.testing.assert_allclose(found.mean[0], 1.5 * unit[2], rtol=1e-6)
    assert found.sd.max() < 1e-3  # float32 squares


def test_spread_is_that_of_the_candidates() -> None:
    rng, levels = np.random.default_rng(3), np.array([1.0, 1.2])
    unit = rng.random((50, 4)).astype(np.float32)
    weight = probabilities(rng.standard_normal((1, 100)))
    found = field_map(weight, levels, unit)
    every = np.concatenate([level * unit for level in levels])  # levels first
    mean = weight[0] @ every
    np.testing.assert_allclose(found.mean[0], mean, rtol=1e-5)
    spread = np.sqrt(weight[0] @ (every - mean) ** 2)
    np.testing.assert_allclose(found.sd[0], spread, rtol=1e-3)


def test_hopeless_fits_are_still_probabilities() -> None:
    found = probabilities(np.array([[-1e5, -1e5 - 1.0], [0.0, -1e9]]))
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert np.all(np.isfinite(found))
