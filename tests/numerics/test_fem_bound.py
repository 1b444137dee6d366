"""The bound of a table's error: fitted on solves with a known error, and on a ball."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.fem_shapes import layered_ball

from m2m_rt.fem import (
    BoundSettings,
    SolvedErrors,
    demo_coil,
    estimate_uncertainty,
    fit_bound,
    head_model,
)
from m2m_rt.units import F64

RANK, N_ROI = 20, 50
SETTINGS = BoundSettings()
N_SOLVED = SETTINGS.n_fitted + SETTINGS.n_calibrated


def solves(
    n: int, *, linear: float, noise: float, rng: np.random.Generator
) -> SolvedErrors:
    """Return errors that follow the coefficients linearly, and a part that does not."""
    law = np.random.default_rng(0).normal(size=(3, 3 * N_ROI)) / np.sqrt(3 * N_ROI)
    decay = np.geomspace(1.0, 1e-3, RANK)
    coefficients = rng.normal(size=(n, RANK)) * decay
    size = np.linalg.norm(coefficients, axis=1, keepdims=True)
    errors = linear * coefficients[:, 1:4] @ law
    errors += noise * size * rng.normal(size=errors.shape) / np.sqrt(3 * N_ROI)
    rel_l2 = np.linalg.norm(errors, axis=1) / size[:, 0]
    return SolvedErrors(coefficients, errors, rel_l2)


def bounds(fitted: SolvedErrors, asked: SolvedErrors) -> F64:
    bound = fit_bound(fitted, SETTINGS)
    size = np.linalg.norm(asked.coefficients, axis=1)
    error = np.linalg.norm(asked.coefficients @ bound.error_map.T, axis=1)
    found: F64 = bound.inflation * np.hypot(error / size, bound.floor)
    return found


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    linear=st.floats(0.0, 0.1),
    noise=st.floats(1e-4, 0.1),
)
def test_bound_covers_errors_at_other_poses_whatever_they_are_made_of(
    seed: int, linear: float, noise: float
) -> None:
    rng = np.random.default_rng(seed)
    fitted = solves(N_SOLVED, linear=linear, noise=noise, rng=rng)
    asked = solves(400, linear=linear, noise=noise, rng=rng)
    found = bounds(fitted, asked)
    assert (asked.rel_l2 <= found).mean() >= 0.95
    assert np.median(found) <= 3.0 * np.median(asked.rel_l2)


def test_bound_follows_the_part_of_the_error_that_can_be_told() -> None:
    rng = np.random.default_rng(4)
    fitted = solves(N_SOLVED, linear=0.01, noise=0.001, rng=rng)
    asked = solves(400, linear=0.01, noise=0.001, rng=rng)
    found = bounds(fitted, asked)
    assert stats.spearmanr(found, asked.rel_l2).statistic > 0.9


def test_error_map_is_the_law_that_the_errors_follow() -> None:
    rng = np.random.default_rng(5)
    fitted = solves(N_SOLVED, linear=0.01, noise=1e-6, rng=rng)
    asked = solves(50, linear=0.01, noise=0.0, rng=rng)
    bound = fit_bound(fitted, SETTINGS)
    found = np.linalg.norm(asked.coefficients @ bound.error_map.T, axis=1)
    # Noise a ten-thousandth of the error, over 60 poses
    np.testing.assert_allclose(found, np.linalg.norm(asked.errors, axis=1), rtol=0.01)
    assert bound.floor == pytest.approx(1e-6, rel=0.3)
    assert (bound.n_fitted, bound.n_calibrated) == (60, 40)


def test_change_of_each_conductivity_is_stated_by_tissue() -> None:
    mesh = layered_ball(10, {1: 55.0, 2: 73.0, 3: 78.0, 4: 84.0, 5: 90.0})
    model = head_model(mesh, np.array(((0.0, 10.0, 64.0), (0.0, -10.0, 64.0))))
    pose = np.eye(4)
    pose[:3, 1:3] *= -1.0
    pose[:3, 3] = (0.0, 0.0, 96.0)
    found = estimate_uncertainty(model, demo_coil(), pose)
    tissues = {"wm", "gm", "csf", "skull", "scalp"}
    assert found.conductivity_rel_error.keys() == tissues
    # A ball's field does not depend on its conductivities; elements of 18 mm are
    # hardly a ball.
    assert 0.0 < found.conductivity_total < 0.2
    assert np.isnan(found.coil_rel_error)
