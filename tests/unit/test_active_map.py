"""Active mapping: its design, its criterion against sampling, and what it finds."""

import numpy as np
import pytest

from m2m_rt.learning import ActiveMap, ActiveSettings, spread_out, squared_distance
from m2m_rt.units import F64

SETTINGS = ActiveSettings(amplitude_lengths_mm=(8.0,), prior_weights=(1.0,))


def mesh_mm(n: int, spacing_mm: float) -> F64:
    x, y = np.meshgrid(np.arange(n) * spacing_mm, np.arange(n) * spacing_mm)
    return np.column_stack((x.ravel(), y.ravel()))


def test_spread_out_points_are_chosen_once_and_lie_far_apart() -> None:
    rng = np.random.default_rng(0)
    points_mm = rng.uniform(0.0, 50.0, (200, 2))
    rows = spread_out(points_mm, 16, np.random.default_rng(0))
    apart2 = squared_distance(points_mm[rows], points_mm[rows])
    drawn = rng.choice(200, 16, replace=False)
    drawn2 = squared_distance(points_mm[drawn], points_mm[drawn])
    off = ~np.eye(16, dtype=np.bool_)
    assert len(set(rows.tolist())) == 16
    assert apart2[off].min() > 4.0 * drawn2[off].min()
    again = spread_out(points_mm, 16, np.random.default_rng(0))
    np.testing.assert_array_equal(rows, again)


def test_what_was_answered_is_what_is_expected_there() -> None:
    active = ActiveMap(SETTINGS, mesh_mm(8, 3.0))
    sites_mm = np.array(((3.0, 3.0), (12.0, 9.0), (18.0, 18.0)))
    for site_mm, root_uv in zip(sites_mm, (20.0, 5.0, 0.0), strict=True):
        active.learn(site_mm, root_uv)
    np.testing.assert_allclose(
        active.estimate_root_uv(sites_mm), (20.0, 5.0, 0.0), atol=0.1
    )


def test_the_query_is_that_of_least_expected_variance_of_the_meps() -> None:
    """By brute force: draw answers, refit, and average what variance is left."""
    sites_mm = np.arange(0.0, 12.0, 1.5)[:, np.newaxis]
    settings = ActiveSettings(
        length_mm=2.5,
        amplitude_lengths_mm=(1e6,),  # the same amplitude everywhere, and so known
        prior_weights=(1e6,),
        silent_root_uv=4.0,
        answer_sd_root_uv=0.3,
    )
    active = ActiveMap(settings, sites_mm)
    for row, root_uv in ((1, 6.0), (5, 1.0)):
        active.learn(sites_mm[row], root_uv)
    allowed = np.ones(len(sites_mm), dtype=np.bool_)
    allowed[[1, 5]] = False
    left = [
        _variance_left(active, sites_mm, row) if allowed[row] else np.inf
        for row in range(len(sites_mm))
    ]
    assert active.next_query(allowed) == int(np.argmin(left))


def _variance_left(active: ActiveMap, sites_mm: F64, row: int) -> float:
    known = active.queried_mm
    mean, cov = _posterior(known, active.root_uv, sites_mm)
    sd = float(np.sqrt(cov[row, row] + 0.09))
    total = 0.0
    # Gauss-Hermite over the answer: exact, as the variance is quadratic in it.
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        answers = np.append(active.root_uv, mean[row] + sd * node)
        after, left = _posterior(np.vstack((known, sites_mm[row])), answers, sites_mm)
        v = np.diag(left)
        total += weight * float(np.sum(4.0 * after**2 * v + 2.0 * v**2))
    return total


def _posterior(known: F64, root_uv: F64, sites_mm: F64) -> tuple[F64, F64]:
    def kernel(a: F64, b: F64) -> F64:
        return np.asarray(16.0 * np.exp(-0.5 * squared_distance(a, b) / 2.5**2))

    gain = kernel(sites_mm, known) @ np.linalg.inv(
        kernel(known, known) + 0.09 * np.eye(len(known))
    )
    return gain @ root_uv, kernel(sites_mm, sites_mm) - gain @ kernel(known, sites_mm)


def test_it_finds_a_single_hotspot_with_fewer_pulses_than_chance() -> None:
    area_mm = mesh_mm(21, 2.0)

    def root_uv(at_mm: F64) -> F64:
        apart2 = squared_distance(at_mm, np.array(((27.0, 13.0),)))[:, 0]
        return np.asarray(30.0 * np.exp(-0.5 * apart2 / 4.0**2))

    truth_uv = root_uv(area_mm) ** 2
    start = spread_out(area_mm, 16, np.random.default_rng(0))
    drawn = np.random.default_rng(1).permutation(len(area_mm))[:20]

    def error(rows: list[int], *, actively: bool) -> float:
        active = ActiveMap(ActiveSettings(), area_mm)
        for row in (*start.tolist(), *rows):
            active.learn(area_mm[row], float(root_uv(area_mm[row : row + 1])[0]))
        allowed = np.ones(len(area_mm), dtype=np.bool_)
        for _ in range(20 if actively else 0):
            row = active.next_query(allowed)
            allowed[row] = False
            active.learn(area_mm[row], float(root_uv(area_mm[row : row + 1])[0]))
        found_uv = active.estimate_root_uv(area_mm) ** 2
        return float(np.sum((found_uv - truth_uv) ** 2) / np.sum(truth_uv**2))

    assert error([], actively=True) < 0.1
    assert error(drawn.tolist(), actively=False) > 0.3


@pytest.mark.parametrize("n_allowed", [1, 3])
def test_only_allowed_sites_are_asked_for(n_allowed: int) -> None:
    active = ActiveMap(SETTINGS, mesh_mm(6, 3.0))
    active.learn(np.array((3.0, 3.0)), 10.0)
    allowed = np.zeros(36, dtype=np.bool_)
    allowed[:n_allowed] = True
    assert active.next_query(allowed) < n_allowed


def test_with_no_site_allowed_there_is_none_to_ask_for() -> None:
    active = ActiveMap(SETTINGS, mesh_mm(6, 3.0))
    with pytest.raises(ValueError, match="no candidate is allowed"):
        active.next_query(np.zeros(36, dtype=np.bool_))
