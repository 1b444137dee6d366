"""The process of a map against direct solutions, pulse by pulse and by its slopes."""

import msgspec
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from support.maps import draw_recording

from m2m_rt.geometry import matrix_from_quaternion
from m2m_rt.learning import (
    LevelScaleSettings,
    MapPulses,
    PoseMapSettings,
    Recording,
    covariance,
    coverage_90,
    crps_normal,
    fit_map,
    fit_mapper,
    gaps,
    level_scales,
    likeliest_settings,
    predict_map,
    predict_muscle,
    predict_progressively,
)
from m2m_rt.learning.map_hyper import loss_and_slopes
from m2m_rt.units import F64

ALL_TERMS = PoseMapSettings(map_sd=0.15, deviation_sd=0.12, drift_sd=0.2, noise_sd=0.3)
FREE = (
    "field_sd",
    "field_length_mm",
    "map_sd",
    "deviation_sd",
    "deviation_length_mm",
    "drift_sd",
    "drift_pulses",
    "noise_sd",
)


def recording(n: int = 60, seed: int = 0) -> Recording:
    return draw_recording(np.random.default_rng(seed), n)


def log_likelihood(
    known: Recording, settings: PoseMapSettings, free: tuple[str, ...] = ()
) -> tuple[float, F64]:
    """Return a recording's log marginal likelihood and its slopes."""
    apart = gaps(known.pulses, known.pulses)
    value, slopes = loss_and_slopes(apart, known.log10_uv, settings, free)
    return -value - 0.5 * len(known.log10_uv) * float(np.log(2.0 * np.pi)), -slopes


def posed(n: int, seed: int = 1) -> MapPulses:
    """Return pulses with orientations and intensities."""
    rng = np.random.default_rng(seed)
    quaternions = rng.normal((1.0, 0.0, 0.0, 0.0), 0.4, (n, 4))
    matrices = [matrix_from_quaternion(np.zeros(3), q) for q in quaternions]
    rotation = np.array([matrix[:3, :3] for matrix in matrices])
    plain = draw_recording(rng, n).pulses
    return MapPulses(
        plain.position_mm,
        plain.map_index,
        plain.pulse_index,
        rotation,
        rng.uniform(40.0, 70.0, n),
    )


def test_the_field_alone_is_scikit_learns_process() -> None:
    known, new = recording(), recording(20, seed=5)
    settings = PoseMapSettings(noise_sd=0.3)
    answer = predict_map(fit_map(known.pulses, known.log10_uv, settings), new.pulses)
    kernel = ConstantKernel(settings.field_sd**2) * RBF(
        settings.field_length_mm
    ) + ConstantKernel(settings.mean_sd**2)
    reference = GaussianProcessRegressor(
        kernel, alpha=settings.noise_sd**2, optimizer=None
    ).fit(known.pulses.position_mm, known.log10_uv - settings.mean_log10_uv)
    mean, sd = reference.predict(new.pulses.position_mm, return_std=True)
    np.testing.assert_allclose(
        answer.mean_log10_uv, mean + settings.mean_log10_uv, atol=1e-9
    )
    np.testing.assert_allclose(answer.field_sd_log10_uv, sd, atol=1e-7)
    np.testing.assert_allclose(
        answer.sd_log10_uv**2, sd**2 + settings.noise_sd**2, atol=1e-9
    )


def test_all_terms_together_are_the_direct_formula() -> None:
    known, new = recording(), recording(7, seed=5)
    answer = predict_map(fit_map(known.pulses, known.log10_uv, ALL_TERMS), new.pulses)
    gram = covariance(gaps(known.pulses, known.pulses), ALL_TERMS)
    cross = covariance(gaps(new.pulses, known.pulses), ALL_TERMS)
    inverse = np.linalg.inv(gram + 0.3**2 * np.eye(len(gram)))
    mean = 2.0 + cross @ inverse @ (known.log10_uv - 2.0)
    own = np.diag(covariance(gaps(new.pulses, new.pulses), ALL_TERMS))
    variance = own - np.sum((cross @ inverse) * cross, axis=1) + 0.3**2
    np.testing.assert_allclose(answer.mean_log10_uv, mean, atol=1e-9)
    np.testing.assert_allclose(answer.sd_log10_uv**2, variance, atol=1e-9)


def test_progressive_predictions_are_those_of_refits_from_scratch() -> None:
    known = recording(40)
    progress = predict_progressively(known.pulses, known.log10_uv, ALL_TERMS)
    for row in (1, 2, 17, 39):
        past = np.arange(row)
        fitted = fit_map(known.pulses.rows(past), known.log10_uv[past], ALL_TERMS)
        answer = predict_map(fitted, known.pulses.rows(np.array([row])))
        assert progress.mean_log10_uv[row] == pytest.approx(answer.mean_log10_uv[0])
        assert progress.unscaled_sd_log10_uv[row] == pytest.approx(
            answer.sd_log10_uv[0]
        )


def test_progressive_predictions_do_not_see_later_answers() -> None:
    known = recording(50)
    changed = known.log10_uv.copy()
    changed[30:] = 3.0
    first = predict_progressively(known.pulses, known.log10_uv, ALL_TERMS)
    second = predict_progressively(known.pulses, changed, ALL_TERMS)
    np.testing.assert_allclose(
        first.mean_log10_uv[:31], second.mean_log10_uv[:31], atol=1e-9
    )
    np.testing.assert_allclose(
        first.sd_log10_uv[:31], second.sd_log10_uv[:31], atol=1e-9
    )


def test_slopes_of_the_likelihood_are_its_differences() -> None:
    plain = recording(50)
    known = Recording(posed(50), plain.log10_uv)
    free = (*FREE, "turn_length_deg", "intensity_length_pct")
    _, slopes = log_likelihood(known, ALL_TERMS, free)
    for name, slope in zip(free, slopes, strict=True):
        up, down = (
            log_likelihood(
                known,
                msgspec.structs.replace(
                    ALL_TERMS, **{name: getattr(ALL_TERMS, name) * np.exp(step)}
                ),
            )[0]
            for step in (1e-5, -1e-5)
        )
        assert slope == pytest.approx((up - down) / 2e-5, abs=1e-4), name


def test_likelihood_is_the_sum_of_progressive_log_scores() -> None:
    known = recording(50)
    progress = predict_progressively(known.pulses, known.log10_uv, ALL_TERMS)
    scores = norm.logpdf(
        known.log10_uv, progress.mean_log10_uv, progress.unscaled_sd_log10_uv
    )
    assert log_likelihood(known, ALL_TERMS)[0] == pytest.approx(scores.sum())


def test_learnt_settings_are_likelier_and_switched_off_terms_stay_off() -> None:
    known, start = recording(150), PoseMapSettings(noise_sd=0.5, field_length_mm=5.0)
    found = likeliest_settings([known], start, FREE)
    assert log_likelihood(known, found)[0] > log_likelihood(known, start)[0] + 10.0
    assert found.noise_sd == pytest.approx(0.2, abs=0.05)  # as drawn
    assert found.map_sd == found.drift_sd == 0.0


def test_a_turned_coil_tells_less_and_the_covariance_stays_one() -> None:
    pulses = posed(40)
    gram = covariance(gaps(pulses, pulses), ALL_TERMS)
    assert np.linalg.eigvalsh(gram).min() > -1e-9
    turned = MapPulses(
        pulses.position_mm[:1],
        pulses.map_index[:1],
        pulses.pulse_index[:1],
        np.array([pulses.rotation[0] @ np.diag((-1.0, -1.0, 1.0))]),
        pulses.intensity_pct[:1],
    )
    only = PoseMapSettings(mean_sd=0.0)
    alike = covariance(gaps(pulses.rows(np.array([0])), turned), only)
    assert alike[0, 0] < 0.2 * only.field_sd**2


def test_crps_is_its_integral() -> None:
    mean, sd, measured = 1.4, 0.3, 1.9
    value, _ = quad(
        lambda x: (norm.cdf(x, mean, sd) - (x >= measured)) ** 2,
        mean - 4.0,
        mean + 4.0,
        points=[measured],
    )
    found = crps_normal(np.array([mean]), np.array([sd]), np.array([measured]))
    assert found[0] == pytest.approx(value, rel=1e-6)


def test_scale_follows_the_level_and_only_the_past() -> None:
    rng = np.random.default_rng(3)
    level = np.where(np.arange(400) % 2, 1.0, 2.0)
    surprise = np.where(level > 1.5, 4.0, 0.25) * rng.chisquare(1, 400)
    scales = level_scales(level, surprise, LevelScaleSettings())
    assert scales[0] == 1.0
    assert scales[-2:] == pytest.approx([2.0, 0.5], rel=0.2)
    again = level_scales(
        level, np.append(surprise[:200], np.zeros(200)), LevelScaleSettings()
    )
    np.testing.assert_array_equal(scales[:201], again[:201])


def test_a_fitted_mapper_scales_its_spread_and_covers() -> None:
    known, new = recording(200), recording(200, seed=9)
    settings = PoseMapSettings(noise_sd=0.1)  # half of what the pulses have
    mapper = fit_mapper(known, settings, LevelScaleSettings())
    plain = predict_map(mapper.fitted, new.pulses)
    answer = predict_muscle(mapper, new.pulses)
    too_narrow, part = (
        coverage_90(each.mean_log10_uv, each.sd_log10_uv, new.log10_uv)
        for each in (plain, answer)
    )
    assert part >= too_narrow + 0.1
    assert 0.78 <= part <= 0.97  # levels that few pulses had keep the settings' spread
