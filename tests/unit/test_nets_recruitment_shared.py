"""The second fit of recruitment curves takes out what all muscles share."""

import functools

import numpy as np

from m2m_rt.nets.recruitment import Recruited, RecruitmentSettings, fit_recruitment
from m2m_rt.nets.recruitment_shared import SharedSettings, share_excitability
from m2m_rt.units import F64

RANK, N_MUSCLES, N_LEARNT = 4, 12, 160


@functools.cache
def rows() -> F64:
    """Return coefficients (400, RANK) of fields of many shapes and sizes."""
    rng = np.random.default_rng(0)
    shapes = np.array((3.0, 1.0, 0.0, 0.0)) + 0.5 * rng.standard_normal((400, RANK))
    sized: F64 = shapes * rng.uniform(0.8, 1.5, (400, 1))
    return sized


@functools.cache
def recorded() -> tuple[F64, F64, F64]:
    """Return drives, mean amplitudes, and one trial of each, all (400, N_MUSCLES).

    Muscles jump from floor to top, and most of the noise on drive is one for all.
    """
    rng = np.random.default_rng(1)
    filters = np.array((1.0, 0.3, 0.0, 0.0)) + 0.2 * rng.standard_normal((12, RANK))
    drive = np.maximum(rows() @ filters.T, 0.1) / 3.5

    def evoked_uv(noise: F64) -> F64:
        reach = np.maximum(drive + 0.1 * noise, 1e-3)
        size: F64 = 10.0 ** (-1.0 + 4.4 / (1.0 + reach**-25.0))
        return np.hypot(size, 8.0)

    common, own = rng.standard_normal((400, 1)), rng.standard_normal(drive.shape)
    trial = evoked_uv(np.sqrt(0.7) * common + np.sqrt(0.3) * own)
    draws = rng.standard_normal(300)
    mean_uv = np.mean([evoked_uv(np.array(one)) for one in draws], axis=0)
    return drive, mean_uv, trial * 10.0 ** (0.1 * rng.standard_normal(drive.shape))


@functools.cache
def first_fit() -> Recruited:
    _, _, trials_uv = recorded()
    return fit_recruitment(rows()[:N_LEARNT], np.log10(trials_uv[:N_LEARNT]))


def second_fit(how: SharedSettings | None = None) -> Recruited:
    _, _, trials_uv = recorded()
    learnt = np.log10(trials_uv[:N_LEARNT])
    return share_excitability(first_fit(), rows()[:N_LEARNT], learnt, how)


def test_new_amplitudes_are_expected_better_than_by_mean_and_variance() -> None:
    _, mean_uv, _ = recorded()

    def error_uv(model: Recruited) -> float:
        found_uv = model.expected(rows()[N_LEARNT:]).amplitude_uv
        return float(np.sqrt(np.mean((found_uv - mean_uv[N_LEARNT:]) ** 2)))

    assert error_uv(second_fit()) < 0.85 * error_uv(first_fit())


def test_same_rows_give_the_same_model_and_leave_the_first() -> None:
    few = SharedSettings(n_steps=6)
    before = first_fit().expected(rows()[:5]).log10_uv
    one, again = (second_fit(few).expected(rows()[:5]) for _ in range(2))
    np.testing.assert_array_equal(one.log10_uv, again.log10_uv)
    np.testing.assert_array_equal(first_fit().expected(rows()[:5]).log10_uv, before)


def test_few_pulses_give_finite_amplitudes() -> None:
    _, _, trials_uv = recorded()
    learnt = np.log10(trials_uv[:7])
    start = fit_recruitment(rows()[:7], learnt, RecruitmentSettings(n_steps=30))
    model = share_excitability(start, rows()[:7], learnt, SharedSettings(n_steps=30))
    assert np.all(np.isfinite(model.expected(rows()[7:30]).amplitude_uv))
