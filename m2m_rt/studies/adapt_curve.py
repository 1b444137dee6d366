"""A new subject in a study: error, coverage and P(MEP) against the number of pulses.

Beside the model that starts from the population stand those that start from nothing: a
Gaussian process on the field's principal components, the nearest past pulses, and the
running mean.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from m2m_rt.learning import foresee
from m2m_rt.model import MEP_PRESENT_UV
from m2m_rt.sim import SeedStream
from m2m_rt.studies.adapt_people import (
    Person,
    Pulses,
    World,
    answers_log10_uv,
    draw_person,
    draw_pulses,
    drive_over_threshold,
)
from m2m_rt.studies.adapt_rig import LEVELS_PCT_RMT, RMT_FACTORS, Rig
from m2m_rt.studies.adapt_run import run_session
from m2m_rt.studies.adapt_truth import true_curves
from m2m_rt.units import F64

AT_PULSES = (0, 5, 10, 20, 30, 50, 100, 200, 300)
N_TEST = 200
"""Fresh pulses of the same person that every error is measured on."""

PREDICTORS = ("model", "gp_from_nothing", "nearest_from_nothing", "running_mean")
"""Errors; the last of them gives the base rate as its probability."""

N_BINS = 10
_N_COMPONENTS = 8
_GP_LENGTH = 6.0
_GP_NOISE = 0.05
"""Of the plain Gaussian process: the best of twenty on ten training people."""

_NEAREST = 5
_PRESENT_LOG10 = float(np.log10(MEP_PRESENT_UV))


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions of the test pulses after some number of pulses."""

    rmse: float
    coverage_90: float
    """NaN for predictors without an interval."""

    brier: float
    """Of P(MEP ≥ 50 µV), over pulses and muscles."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One person."""

    judged: dict[str, tuple[Judged, ...]]
    """By predictor, one for each of `AT_PULSES`."""

    rmse_oracle: float
    """Of the true expectation on the same test pulses."""

    brier_oracle: float
    coverage_session: float
    """Of the intervals said before each of the 300 pulses, muscles pooled."""

    coverage_by_muscle: F64
    """(n_muscles,)"""

    said: F64
    """(n_pulses · n_muscles,): P(MEP ≥ 50 µV) before each of the 300 pulses."""

    came: F64
    """As long, 0 or 1."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A predictor's word on test pulses, (n, n_muscles) each."""

    mean: F64
    present: F64
    low: F64 | None = None
    high: F64 | None = None


def draw_curve(rig: Rig, world: World, *, seed: int, index: int) -> Curve:
    """Return one new person's learning curve; every world has the same people."""
    person, rng = draw_person(
        rig, world, stream=SeedStream.EVALUATION, seed=seed, index=index
    )
    n_pulses = AT_PULSES[-1]
    pulses = draw_pulses(rig, n_pulses + N_TEST, rng)
    drive = drive_over_threshold(rig, person, pulses)
    log10_uv = answers_log10_uv(person, drive, rng)
    first = Pulses(pulses.pose[:n_pulses], pulses.level[:n_pulses])
    run = run_session(rig, (person, first), log10_uv[:n_pulses], keep_after=AT_PULSES)
    test = log10_uv[n_pulses:]
    features = rig.pool.features[person.rmt_factor, pulses.level, pulses.pose]
    model = []
    for belief in run.beliefs:
        said = foresee(belief, features[n_pulses:])
        word = _Said(
            said.mean,
            said.above(_PRESENT_LOG10),
            said.quantile(0.05),
            said.quantile(0.95),
        )
        model.append(_judge(word, test))
    judged = {"model": tuple(model)}
    judged |= _from_nothing(_inputs(rig, person, pulses), log10_uv)
    truth = true_curves(person.recruitment).at(drive[n_pulses:])
    spread = np.sqrt(np.einsum("nmm->nm", truth.covariance()))
    oracle = _judge(
        _Said(truth.mean, ndtr((truth.mean - _PRESENT_LOG10) / spread)), test
    )
    before = run.predicted
    came = log10_uv[:n_pulses]
    inside = (came >= before.quantile(0.05)) & (came <= before.quantile(0.95))
    return Curve(
        judged=judged,
        rmse_oracle=oracle.rmse,
        brier_oracle=oracle.brier,
        coverage_session=float(inside.mean()),
        coverage_by_muscle=inside.mean(axis=0),
        said=before.above(_PRESENT_LOG10).ravel(),
        came=(came >= _PRESENT_LOG10).astype(np.float64).ravel(),
    )


def _judge(said: _Said, test: F64) -> Judged:
    present = test >= _PRESENT_LOG10
    coverage = np.nan
    if said.low is not None and said.high is not None:
        coverage = float(np.mean((test >= said.low) & (test <= said.high)))
    return Judged(
        rmse=float(np.sqrt(np.mean((said.mean - test) ** 2))),
        coverage_90=coverage,
        brier=float(np.mean((said.present - present) ** 2)),
    )


def _inputs(rig: Rig, person: Person, pulses: Pulses) -> F64:
    """Return (n, n_components): the relative field as the model would see it."""
    unit = rig.pool.true_coefficients[0].astype(np.float64)
    levels = np.array(LEVELS_PCT_RMT) / 100.0
    every = np.concatenate([level * unit for level in levels])
    mean = every.mean(axis=0)
    _, values, axes = np.linalg.svd((every - mean)[:: len(levels)], full_matrices=False)
    n_rows = len(every) / len(levels)
    scale = values[:_N_COMPONENTS] / np.sqrt(n_rows)
    rows = unit[pulses.pose] * levels[pulses.level, np.newaxis]
    rows = rows * RMT_FACTORS[person.rmt_factor]
    return np.asarray((rows - mean) @ axes[:_N_COMPONENTS].T / scale)


def _from_nothing(inputs: F64, log10_uv: F64) -> dict[str, tuple[Judged, ...]]:
    """Return how those that start from nothing do, after each number of pulses."""
    n_pulses = AT_PULSES[-1]
    past, now, test = inputs[:n_pulses], inputs[n_pulses:], log10_uv[n_pulses:]
    teachers = (_gaussian_process, _nearest, _running_mean)
    nothing = Judged(np.nan, np.nan, np.nan)
    return {
        name: tuple(
            _judge(teacher(past[:n], log10_uv[:n], now), test) if n else nothing
            for n in AT_PULSES
        )
        for name, teacher in zip(PREDICTORS[1:], teachers, strict=True)
    }


def _gaussian_process(past: F64, log10_uv: F64, now: F64) -> _Said:
    mean = log10_uv.mean(axis=0)
    gram = _kernel(past, past) + _GP_NOISE * np.eye(len(past))
    across = _kernel(past, now)
    weights = np.linalg.solve(gram, np.hstack((across, log10_uv - mean)))
    solved, pulled = weights[:, : len(now)], weights[:, len(now) :]
    size = np.sum((log10_uv - mean) * pulled, axis=0) / len(past)  # (n_muscles,)
    spread = 1.0 + _GP_NOISE - np.sum(across * solved, axis=0)
    sd = np.sqrt(np.maximum(np.outer(spread, size), 1e-4))
    expected = mean + across.T @ pulled
    return _Said(
        expected,
        ndtr((expected - _PRESENT_LOG10) / sd),
        expected - 1.645 * sd,
        expected + 1.645 * sd,
    )


def _kernel(a: F64, b: F64) -> F64:
    apart = np.sum(a**2, axis=1)[:, np.newaxis] + np.sum(b**2, axis=1) - 2.0 * a @ b.T
    return np.asarray(np.exp(-0.5 * apart / _GP_LENGTH**2))


def _nearest(past: F64, log10_uv: F64, now: F64) -> _Said:
    apart = np.sum(now**2, axis=1)[:, np.newaxis] - 2.0 * now @ past.T
    apart = apart + np.sum(past**2, axis=1)
    rows = np.argsort(apart, axis=1, kind="stable")[:, :_NEAREST]
    near = log10_uv[rows]  # (n, ≤ 5, n_muscles)
    count = near.shape[1]
    present = (np.sum(near >= _PRESENT_LOG10, axis=1) + 0.5) / (count + 1.0)
    return _Said(near.mean(axis=1), present)


def _running_mean(past: F64, log10_uv: F64, now: F64) -> _Said:
    shape = (len(now), log10_uv.shape[1])
    rate = (np.sum(log10_uv >= _PRESENT_LOG10, axis=0) + 0.5) / (len(past) + 1.0)
    return _Said(
        np.broadcast_to(log10_uv.mean(axis=0), shape), np.broadcast_to(rate, shape)
    )
