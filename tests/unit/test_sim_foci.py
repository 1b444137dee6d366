"""The second kind of virtual subject: as published, and unlike the first."""

import functools
from collections.abc import Callable

import numpy as np
import pytest

from m2m_rt.sim import Cortex, Subject, draw_foci_subject, draw_subject
from m2m_rt.sim.goetz import draw_goetz
from m2m_rt.units import F32


@functools.cache
def patch_of_cortex() -> Cortex:
    """Points around the hand knob under a forward field that fades with distance."""
    rng = np.random.default_rng(0)
    points_mm = np.array((-38.0, -22.0, 57.0)) + rng.normal(0.0, 9.0, (400, 3))
    fade = np.exp(-0.5 * (np.linalg.norm(points_mm - points_mm[0], axis=1) / 25) ** 2)
    planned = 0.8 * fade[:, np.newaxis] * np.array((0.71, 0.71, 0.1))
    return Cortex(points_mm=points_mm, planned_unit_efield=planned.astype(np.float32))


def fields() -> F32:
    """(6, n_roi, 3), V/m: the planned field at six strengths."""
    didt = np.array((55.0, 70.0, 85.0, 100.0, 120.0, 150.0), np.float32)
    return patch_of_cortex().planned_unit_efield * didt[:, np.newaxis, np.newaxis]


def subject(seed: int) -> Subject:
    return draw_foci_subject(np.random.default_rng(seed), patch_of_cortex())


def first_kind(seed: int) -> Subject:
    return draw_subject(np.random.default_rng(seed), patch_of_cortex())


@pytest.mark.parametrize("draw", [subject, first_kind])
def test_expectations_are_the_means_of_many_draws(
    draw: Callable[[int], Subject],
) -> None:
    person, n_draws = draw(3), 1000
    rng = np.random.default_rng(0)
    repeated = np.repeat(fields()[np.newaxis], n_draws, axis=0)
    drawn_uv = np.maximum(person.draw_uv(repeated, rng), 5.0)
    for drawn, expected in (
        (np.log10(drawn_uv), person.expected_log10_uv(fields())),
        (drawn_uv, person.expected_uv(fields())),
    ):
        error = drawn.mean(axis=0) - expected
        standard_error = drawn.std(axis=0) / np.sqrt(n_draws)
        # 90 means: the largest of as many standard normals, and 2 % of quadrature
        assert np.all(np.abs(error) < 4.0 * standard_error + 0.02 * np.abs(expected))


def test_published_population_has_its_published_figures() -> None:
    rng = np.random.default_rng(1)
    people = draw_goetz(rng, 300)
    threshold_pct_mso = people.threshold_pct_mso()
    assert 65.0 < threshold_pct_mso.mean() < 69.0  # published: 67 ± 10 % MSO
    assert 8.0 < threshold_pct_mso.std() < 12.0
    at_120 = np.broadcast_to(1.2 * threshold_pct_mso, (400, 300))
    before, after = rng.standard_normal((2, 400, 300))
    drawn_uv = people.draw_uv(at_120, (before, after), rng)
    typical_mv = np.median(np.median(drawn_uv, axis=0)) / 1000.0
    assert 0.7 < typical_mv < 1.0  # published: 0.84 mV
    spread = np.sqrt(np.log10(drawn_uv).var(axis=0).mean())
    assert 0.26 < spread < 0.38  # published: 0.32 log10


@pytest.mark.parametrize("seed", range(1, 5))
def test_reversed_current_drives_less(seed: int) -> None:
    person = subject(seed)
    assert np.all(
        person.expected_log10_uv(-fields()) <= person.expected_log10_uv(fields()) + 1e-9
    )


def test_no_field_gives_the_noise_floor() -> None:
    person, nothing = subject(1), 0.0 * fields()
    drawn_uv = person.draw_uv(np.repeat(nothing, 200, axis=0), np.random.default_rng(0))
    median = np.median(drawn_uv, axis=0)
    assert np.all((median > 5.0) & (median < 15.0))


def test_forms_differ_for_the_same_seed() -> None:
    curves = [draw(5).expected_log10_uv(fields()) for draw in (subject, first_kind)]
    assert np.abs(curves[0] - curves[1]).mean() > 0.1
