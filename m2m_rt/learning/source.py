"""Where in the cortex a muscle's answers come from, by regression at every point.

At each point the drive is a sum of the field along a direction and of its strength,
and what is evoked is a logistic function of it; the data say how likely each point is
(after Weise et al., NeuroImage 209:116486, 2020, and Numssen et al., NeuroImage
245:118654, 2021, who take the strength alone). A point's fit is penalised least
squares; its weight is the Laplace approximation of its evidence with the noise
integrated out.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from scipy.special import expit

from m2m_rt.errors import DataError
from m2m_rt.units import F32, F64, I64

Positive = Annotated[float, Meta(gt=0)]

N_PARAMETERS = 7
"""Floor, top, offset, the three components of gain times direction, and the gain of the
field's strength."""

_LEAST_LOG10_UV = -1.0
"""Evoked without drive, after Goetz et al., IEEE TNSRE 27:1539, 2019: 10⁻⁷ V."""

_POINTS_A_BLOCK = 128
_DAMPING = 0.05
_LARGEST_STEP_SD = 2.0


class SourceSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """What is believed of any muscle before its first pulse: weak, and not fitted.

    Fields are relative: 1 is the planned pose's largest |E| at resting threshold.
    """

    floor_log10_uv: tuple[float, float] = (0.9, 0.15)
    """Mean and standard deviation of the answer without drive."""

    top_log10_uv: tuple[float, float] = (3.4, 0.4)
    """Of the answer to any drive."""

    half_drive: tuple[float, float] = (1.0, 0.4)
    """Of the relative field along the source that answers half-way between them."""

    gain: tuple[float, float] = (5.0, 3.0)
    """Of the logistic's slope over that field; the spread is of each component, so it
    also says how far the direction may be from the planned field's."""

    strength_gain: tuple[float, float] = (1.0, 2.0)
    """The part of that slope that does not depend on the field's direction."""

    noise_log10: Positive = 0.3
    """Standard deviation of one pulse's answer about its expectation."""

    noise_dof: Positive = 4.0
    """How many pulses that is worth."""

    pulses_per_pulse: Annotated[float, Meta(ge=1)] = 1.0
    """How many pulses count as one. No cortex is a point and no recruitment curve is
    logistic, so pulses say less than the model thinks."""

    n_steps: Annotated[int, Meta(gt=0)] = 12
    """Of each point's fit."""


@dataclass(frozen=True, slots=True)
class SourcePosterior:
    """What is believed of one muscle's source."""

    probability: F64
    """(n_points,): sums to one."""

    parameters: F64
    """(n_points, 7): the most likely ones if the source is there."""

    covariance: F64
    """(n_points, 7, 7): of those."""

    noise_log10: float
    """Standard deviation of one pulse's answer."""

    n_pulses: int


@dataclass(frozen=True, slots=True)
class SourceDraws:
    """Equally likely sources."""

    points: I64
    """(n_draws,)"""

    parameters: F64
    """(n_draws, 7)"""


def fit_sources(
    relative_efield: F32,
    log10_uv: F64,
    *,
    towards: F64,
    settings: SourceSettings,
    start: SourcePosterior | None = None,
) -> SourcePosterior:
    """Return what pulses say of a muscle's source.

    Parameters
    ----------
    relative_efield
        (n_points, n_pulses, 3): points first, so that a point's rows lie together.
    log10_uv
        (n_pulses,): the muscle's measured log10 MEPs.
    towards
        (n_points, 3): unit vectors, the field's direction that is likely to excite.
    settings
        What is believed before.
    start
        An earlier belief about fewer of the same pulses; it saves steps.

    Raises
    ------
    DataError
        If the shapes do not belong together.
    """
    n_points, n_pulses = relative_efield.shape[:2]
    if log10_uv.shape != (n_pulses,) or towards.shape != (n_points, 3):
        found = f"{log10_uv.shape} answers, {towards.shape} directions"
        raise DataError(f"{found} for {n_points} points and {n_pulses} pulses")
    believed = _Prior.of(settings, towards)
    begin = believed.mean if start is None else start.parameters
    n_steps = settings.n_steps if start is None else max(2, settings.n_steps // 4)
    parts = []
    for first in range(0, n_points, _POINTS_A_BLOCK):
        block = slice(first, first + _POINTS_A_BLOCK)
        field = _with_strength(relative_efield[block])
        prior = replace(believed, mean=believed.mean[block])
        parts.append(_fit_block(field, log10_uv, begin[block], prior, n_steps))
    parameters, products, squares = (
        np.concatenate(p) for p in zip(*parts, strict=True)
    )
    return _weigh((parameters, products, squares), believed, n_pulses, settings)


def draw_sources(
    posterior: SourcePosterior, n_draws: int, rng: np.random.Generator
) -> SourceDraws:
    """Return equally likely sources."""
    n_points = len(posterior.probability)
    points = rng.choice(n_points, n_draws, p=posterior.probability)
    spread = np.linalg.cholesky(posterior.covariance[points])  # (n_draws, 7, 7)
    normal = rng.standard_normal((n_draws, N_PARAMETERS, 1))
    parameters = posterior.parameters[points] + (spread @ normal)[:, :, 0]
    return SourceDraws(points=points, parameters=parameters)


def source_drives(draws: SourceDraws, relative_efield: F32) -> F64:
    """Return how fields (n_points, 3, n) drive each drawn source: (n_draws, n)."""
    drives = [
        gain[:3] @ (field := relative_efield[point])
        + gain[3] * np.sqrt(np.sum(field**2, axis=0))
        for point, gain in zip(draws.points, draws.parameters[:, 3:], strict=True)
    ]
    return np.array(drives, np.float64)


def source_answers(draws: SourceDraws, drives: F64) -> F64:
    """Return expected log10 MEPs (n_draws, n) at drives (n_draws, n)."""
    floor, top, offset = draws.parameters[:, :3].T[:, :, np.newaxis]
    evoked = _LEAST_LOG10_UV + (top - _LEAST_LOG10_UV) * expit(drives - offset)
    answers: F64 = _joined(floor, evoked)
    return answers


@dataclass(frozen=True, slots=True)
class _Prior:
    mean: F64
    """(n_points, 7)"""

    precision: F64
    """(7,)"""

    noise2: float
    """That errors are weighed by against the prior while a point is fitted."""

    @classmethod
    def of(cls, settings: SourceSettings, towards: F64) -> "_Prior":
        gain, gain_sd = settings.gain
        half, half_sd = settings.half_drive
        mean = np.empty((len(towards), N_PARAMETERS))
        mean[:, 0], mean[:, 1] = settings.floor_log10_uv[0], settings.top_log10_uv[0]
        strength, strength_sd = settings.strength_gain
        mean[:, 2], mean[:, 6] = gain * half, strength
        mean[:, 3:6] = (gain - strength) * towards
        sd = np.array(
            (
                settings.floor_log10_uv[1],
                settings.top_log10_uv[1],
                gain * half_sd,
                *(3 * (gain_sd,)),
                strength_sd,
            )
        )
        return cls(mean, sd**-2.0, settings.noise_log10**2)


def _fit_block(
    field: F64, log10_uv: F64, begin: F64, prior: _Prior, n_steps: int
) -> tuple[F64, F64, F64]:
    """Return parameters, JᵀJ and squared errors of points (n_points, n_pulses, 4)."""
    step_limit = _LARGEST_STEP_SD / np.sqrt(prior.precision)
    parameters, diagonal = begin.copy(), np.arange(N_PARAMETERS)
    for _ in range(n_steps):
        error, jacobian = _linearised(field, log10_uv, parameters)
        matrix = jacobian.mT @ jacobian / prior.noise2
        slope = (jacobian.mT @ error[:, :, np.newaxis])[:, :, 0] / prior.noise2
        slope -= prior.precision * (parameters - prior.mean)
        matrix[:, diagonal, diagonal] += prior.precision
        matrix[:, diagonal, diagonal] *= 1.0 + _DAMPING
        step = np.linalg.solve(matrix, slope[:, :, np.newaxis])[:, :, 0]
        parameters += np.clip(step, -step_limit, step_limit)
    error, jacobian = _linearised(field, log10_uv, parameters)
    return parameters, jacobian.mT @ jacobian, np.sum(error**2, axis=1)


def _with_strength(efield: F32) -> F64:
    """Return fields (…, 3) with their strength as the fourth component."""
    field = efield.astype(np.float64)
    strength = np.sqrt(np.sum(field**2, axis=-1, keepdims=True))
    return np.concatenate((field, strength), axis=-1)


def _linearised(field: F64, log10_uv: F64, parameters: F64) -> tuple[F64, F64]:
    """Return errors (n_points, n_pulses) and the answers' derivatives (…, 7)."""
    floor, top, offset = parameters[:, :3].T[:, :, np.newaxis]
    part = expit((field @ parameters[:, 3:, np.newaxis])[:, :, 0] - offset)
    height = top - _LEAST_LOG10_UV
    answer = _joined(floor, _LEAST_LOG10_UV + height * part)
    seen = 1.0 - 100.0 ** (floor - answer)  # derivative of the answer by the evoked
    slope = seen * height * part * (1.0 - part)
    jacobian = np.empty((*part.shape, N_PARAMETERS))
    jacobian[:, :, 0], jacobian[:, :, 1] = 1.0 - seen, seen * part
    jacobian[:, :, 2] = -slope
    jacobian[:, :, 3:] = slope[:, :, np.newaxis] * field
    return log10_uv - answer, jacobian


def _joined(floor_log10: F64, evoked_log10: F64) -> F64:
    """Return log10 of the root sum of squares of the floor and what is evoked."""
    apart = np.abs(evoked_log10 - floor_log10)
    joined: F64 = np.maximum(floor_log10, evoked_log10)
    return joined + 0.5 * np.log10(1.0 + 100.0**-apart)


def _weigh(
    fitted: tuple[F64, F64, F64],
    prior: _Prior,
    n_pulses: int,
    settings: SourceSettings,
) -> SourcePosterior:
    """Return the posterior from every point's fit."""
    parameters, products, squares = fitted
    n_counted = n_pulses / settings.pulses_per_pulse
    dof, before2 = settings.noise_dof, settings.noise_log10**2
    total = dof * before2 + squares / settings.pulses_per_pulse  # (n_points,)
    noise2 = total / (dof + n_counted)
    counted = noise2 * settings.pulses_per_pulse
    precision = products / counted[:, np.newaxis, np.newaxis]
    diagonal = np.arange(N_PARAMETERS)
    precision[:, diagonal, diagonal] += prior.precision
    _, log_det = np.linalg.slogdet(precision)
    unlikely = np.sum(prior.precision * (parameters - prior.mean) ** 2, axis=1)
    log_weight = -0.5 * ((dof + n_counted) * np.log(total) + unlikely + log_det)
    weight = np.exp(log_weight - log_weight.max())
    probability = weight / weight.sum()
    return SourcePosterior(
        probability=probability,
        parameters=parameters,
        covariance=np.asarray(np.linalg.inv(precision), np.float64),
        noise_log10=float(np.sqrt(probability @ noise2)),
        n_pulses=n_pulses,
    )
