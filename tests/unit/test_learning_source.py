"""The source of a muscle's answers is found where it was put."""

import numpy as np
import pytest

from m2m_rt.errors import DataError
from m2m_rt.learning import (
    SourceDraws,
    SourcePosterior,
    SourceSettings,
    draw_sources,
    fit_sources,
    source_answers,
    source_drives,
)
from m2m_rt.units import F32, F64

N_POINTS = 25
TRUE_POINT = 7
TOWARDS = np.tile((0.0, 1.0, 0.0), (N_POINTS, 1))
GAIN, HALF = 6.0, 0.8
SETTINGS = SourceSettings()


def draw_fields(rng: np.random.Generator, n_pulses: int) -> F32:
    """Return fields (n_points, n_pulses, 3) that differ from point to point."""
    fields = 0.5 * rng.standard_normal((N_POINTS, n_pulses, 3))
    fields[:, :, 1] += rng.uniform(0.3, 1.3, (N_POINTS, n_pulses))
    return fields.astype(np.float32)


def expected_log10_uv(fields: F32) -> F64:
    """Return the planted source's answers: floor 8 µV, top 3 mV."""
    drive = GAIN * (fields[TRUE_POINT, :, 1].astype(np.float64) - HALF)
    evoked = 10.0 ** (-1.0 + 4.5 / (1.0 + np.exp(-drive)))
    return np.log10(np.hypot(evoked, 8.0))


def recording(n_pulses: int, seed: int = 0) -> tuple[F32, F64]:
    rng = np.random.default_rng(seed)
    fields = draw_fields(rng, n_pulses)
    return fields, expected_log10_uv(fields) + 0.2 * rng.standard_normal(n_pulses)


def fitted(
    fields: F32, log10_uv: F64, settings: SourceSettings = SETTINGS
) -> SourcePosterior:
    return fit_sources(fields, log10_uv, towards=TOWARDS, settings=settings)


def test_the_planted_point_and_direction_are_found() -> None:
    found = fitted(*recording(60))
    assert found.probability[TRUE_POINT] > 0.99
    gain = found.parameters[TRUE_POINT, 3:6]
    along = gain / np.linalg.norm(gain)
    assert along[1] > 0.98
    assert found.noise_log10 == pytest.approx(0.2, abs=0.06)


def test_answers_of_drawn_sources_are_those_that_were_planted() -> None:
    found = fitted(*recording(80))
    rng = np.random.default_rng(1)
    draws = draw_sources(found, 200, rng)
    fields = draw_fields(rng, 40)
    drives = source_drives(draws, np.ascontiguousarray(fields.transpose(0, 2, 1)))
    answers = source_answers(draws, drives)
    error = answers.mean(axis=0) - expected_log10_uv(fields)
    assert np.sqrt(np.mean(error**2)) < 0.1


def test_without_pulses_every_point_is_as_likely() -> None:
    found = fitted(*recording(0))
    np.testing.assert_allclose(found.probability, 1.0 / N_POINTS)
    assert found.n_pulses == 0


def test_the_order_of_pulses_does_not_matter() -> None:
    fields, log10_uv = recording(30)
    order = np.random.default_rng(2).permutation(30)
    one, other = fitted(fields, log10_uv), fitted(fields[:, order], log10_uv[order])
    np.testing.assert_allclose(one.parameters, other.parameters, atol=1e-6)
    np.testing.assert_allclose(one.probability, other.probability, atol=1e-6)


def test_a_start_from_fewer_pulses_ends_where_a_fresh_one_does() -> None:
    fields, log10_uv = recording(40)
    before = fitted(fields[:, :39], log10_uv[:39])
    warm = fit_sources(
        fields, log10_uv, towards=TOWARDS, settings=SETTINGS, start=before
    )
    cold = fitted(fields, log10_uv)
    at_true = np.array([TRUE_POINT])
    drawn = [SourceDraws(at_true, one.parameters[at_true]) for one in (warm, cold)]
    rows = np.ascontiguousarray(fields.transpose(0, 2, 1))
    one, other = (source_answers(d, source_drives(d, rows)) for d in drawn)
    np.testing.assert_allclose(one, other, atol=0.05)


def test_pulses_that_count_less_leave_more_doubt() -> None:
    fields, log10_uv = recording(40)
    sure = fitted(fields, log10_uv)
    doubtful = fitted(fields, log10_uv, SourceSettings(pulses_per_pulse=4.0))
    at = (TRUE_POINT, 4, 4)
    assert doubtful.covariance[at] > 2.0 * sure.covariance[at]
    assert doubtful.probability.max() <= sure.probability.max()


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    fields, log10_uv = recording(10)
    with pytest.raises(DataError, match="9,"):
        fitted(fields, log10_uv[:9])
