"""One muscle's map: its hotspot from two models, and the most telling pulse."""

import numpy as np
import pytest

from m2m_rt.learning import (
    MapSettings,
    MapSites,
    SourcePosterior,
    Surfaces,
    draw_sources,
    expected_gain,
    first_belief,
    gain_at_most,
    map_surfaces,
    most_telling_pulse,
    muscle_map,
    source_answers,
    source_drives,
    take,
)
from m2m_rt.model import MUSCLES
from tests.support.models import draw_features, small_prior

N_MUSCLES = len(MUSCLES)
SITES_MM = np.array([(x, y, 0.0) for x in range(-10, 11) for y in range(-10, 11)])


def one_source(at_mm: tuple[float, float]) -> tuple[SourcePosterior, MapSites]:
    """Return a source that is known, best driven from a place, and the candidates."""
    away2 = np.sum((SITES_MM[:, :2] - at_mm) ** 2, axis=1)
    field = np.zeros((1, 3, len(SITES_MM)), np.float32)
    field[0, 2] = np.exp(-0.5 * away2 / 100.0)
    known = SourcePosterior(
        probability=np.ones(1),
        parameters=np.array([[0.9, 3.4, 5.0, 0.0, 0.0, 5.0, 0.0]]),
        covariance=1e-9 * np.eye(7)[np.newaxis],
        noise_log10=0.2,
        n_pulses=30,
    )
    every = np.ones(len(SITES_MM), np.bool_)
    return known, MapSites(SITES_MM, field, every, cell_mm2=1.0)


def two_sources() -> tuple[SourcePosterior, MapSites]:
    """Return a source that is likely left, perhaps right, and candidates 5 mm apart."""
    (left, sites), (right, beside) = one_source((-5.0, 0.0)), one_source((10.0, 2.0))
    either = SourcePosterior(
        probability=np.array([0.9, 0.1]),
        parameters=np.concatenate((left.parameters, right.parameters)),
        covariance=np.tile(np.diag([0.02, 0.2, 1.0, 1.0, 1.0, 1.0, 1.0]), (2, 1, 1)),
        noise_log10=0.3,
        n_pulses=10,
    )
    rows = np.flatnonzero(np.all(SITES_MM[:, :2] % 5.0 == 0.0, axis=1))
    at_points = np.concatenate((sites.at_points, beside.at_points))[:, :, rows]
    every = np.ones(len(rows), np.bool_)
    return either, MapSites(SITES_MM[rows], at_points, every, cell_mm2=25.0)


def test_the_gain_said_of_the_next_pulse_is_its_own() -> None:
    sources, sites = two_sources()
    said = most_telling_pulse(
        sources,
        sites,
        levels=np.array([1.0, 1.2]),
        beside_mm=np.zeros((400, 3)),
        rng=np.random.default_rng(0),
    )
    draws = draw_sources(sources, 400, np.random.default_rng(0))
    drives = said.level * source_drives(draws, sites.at_points)
    answers = source_answers(draws, drives)
    noise_log10 = np.full(len(sites.centre_mm), sources.noise_log10)
    gains = expected_gain(answers, Surfaces(answers, noise_log10))
    assert said.gain_log10 == pytest.approx(gains[said.row])
    assert gains[said.row] < 0.5 * gains.max()  # another would raise the answer more
    assert said.gain_at_most_log10 == pytest.approx(gain_at_most(answers))


@pytest.mark.parametrize(("beside_x_mm", "least_radius_mm"), [(3.0, 0.5), (-5.0, 3.7)])
def test_a_hotspots_region_reaches_both_models_where_they_disagree(
    beside_x_mm: float, least_radius_mm: float
) -> None:
    sources, sites = one_source((3.0, 0.0))
    beside_mm = np.tile((beside_x_mm, 0.0, 0.0), (40, 1))
    surfaces = Surfaces(np.full((40, 441), 2.5), np.full(441, 0.2))
    found = muscle_map(
        sources, surfaces, sites, beside_mm=beside_mm, rng=np.random.default_rng(0)
    )
    middle = (0.5 * (3.0 + beside_x_mm), 0.0, 0.0)
    np.testing.assert_allclose(found.hotspot.mean_mm, middle, atol=1e-6)
    assert least_radius_mm <= found.hotspot.radius_90_mm <= least_radius_mm + 0.5


def test_a_map_is_less_certain_where_trials_are_noisier() -> None:
    features = draw_features(np.random.default_rng(3), 60)
    widths = []
    for noise_log10 in (0.2, 0.8):
        rng, belief = np.random.default_rng(4), first_belief(small_prior())
        for row in features[:30]:
            log10_uv = 1.8 + noise_log10 * rng.standard_normal(N_MUSCLES)
            every = np.ones(N_MUSCLES, np.bool_)
            belief = take(belief, row, log10_uv=log10_uv, valid=every).belief
        drawn = map_surfaces(belief, features, 2, settings=MapSettings(), rng=rng)
        widths.append(drawn.log10_uv.std(axis=0).mean())
    assert widths[1] > 1.5 * widths[0]
