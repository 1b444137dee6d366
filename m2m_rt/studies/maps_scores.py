"""How well a subject's maps are predicted: folds, past pulses, and their ceilings."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.learning import (
    LevelScaleSettings,
    PoseMapSettings,
    Progress,
    Recording,
    coverage_90,
    crps_normal,
    fit_map,
    predict_map,
    predict_progressively,
)
from m2m_rt.studies.maps_data import folds, pooled_r2
from m2m_rt.units import F64, I64

_SAME_SITE_MM = 4.0
"""Consecutive pulses nearer than this were given at one site, to the operator's
tremor; the GRID maps' median step is 1.3 mm within a site and 10 mm between."""

_FEWEST_AT_A_SITE = 2


@dataclass(frozen=True, slots=True)
class ProgressScore:
    """How good predictions from past pulses were."""

    r2: float | None
    crps: float
    """Mean, log10 µV."""

    coverage_90: float


def folded_predictions(recording: Recording, settings: PoseMapSettings) -> F64:
    """Return (n,): each pulse predicted from the nine folds without it."""
    predicted = np.empty_like(recording.log10_uv)
    for train, test in folds(len(predicted)):
        fitted = fit_map(
            recording.pulses.rows(train), recording.log10_uv[train], settings
        )
        answer = predict_map(fitted, recording.pulses.rows(test))
        predicted[test] = answer.mean_log10_uv
    return predicted


def folded_r2(recording: Recording, settings: PoseMapSettings) -> float | None:
    """Return the pooled 10-fold R² of single pulses."""
    return pooled_r2(folded_predictions(recording, settings), recording.log10_uv)


def progressive(
    recording: Recording, settings: PoseMapSettings, scale: LevelScaleSettings
) -> tuple[Progress, ProgressScore]:
    """Return predictions of every pulse from its past, and their score."""
    log10_uv = recording.log10_uv
    progress = predict_progressively(recording.pulses, log10_uv, settings, scale)
    return progress, score_progress(
        progress.mean_log10_uv, progress.sd_log10_uv, log10_uv
    )


def score_progress(mean: F64, sd: F64, log10_uv: F64) -> ProgressScore:
    """Return the score of normal predictions (n,)."""
    return ProgressScore(
        r2=pooled_r2(mean, log10_uv),
        crps=float(crps_normal(mean, sd, log10_uv).mean()),
        coverage_90=coverage_90(mean, sd, log10_uv),
    )


def running_mean_score(
    recording: Recording, settings: PoseMapSettings
) -> ProgressScore:
    """Return the score of the mean and spread of all past pulses."""
    y = recording.log10_uv
    before = np.arange(len(y))
    past = np.concatenate(((0.0,), np.cumsum(y)[:-1])) + settings.mean_log10_uv
    mean = past / (before + 1.0)
    errors = np.concatenate(((0.0,), np.cumsum((y - mean) ** 2)[:-1]))
    spread = settings.mean_sd**2 + settings.noise_sd**2
    return score_progress(mean, np.sqrt((errors + spread) / (before + 1.0)), y)


def repeats_ceiling(position_mm: F64, log10_uv: F64) -> float | None:
    """Return R² of a predictor that knows each site's mean, from a map's repeats.

    The variance within sites is unbiased (divided by pulses less sites). None where
    fewer than half of the pulses were repeated at their site. Repeats are given one
    after the other, so slow drift counts as the site's own: a high ceiling.
    """
    sites = consecutive_sites(position_mm)
    counts = np.bincount(sites)
    repeated = np.isin(sites, np.flatnonzero(counts >= _FEWEST_AT_A_SITE))
    if 2 * repeated.sum() < len(sites):
        return None
    y, site = log10_uv[repeated], sites[repeated]
    names, row = np.unique(site, return_inverse=True)
    means = np.bincount(row, y) / np.bincount(row)
    within = float(np.sum((y - means[row]) ** 2)) / (len(y) - len(names))
    total = float(np.var(y, ddof=1))
    return None if total <= 1e-9 else 1.0 - within / total


def consecutive_sites(position_mm: F64) -> I64:
    """Return (n,): which site each pulse was given at, by steps between pulses."""
    sites = np.zeros(len(position_mm), dtype=np.int64)
    centre, count = position_mm[0].copy(), 1
    for row in range(1, len(position_mm)):
        if np.linalg.norm(position_mm[row] - centre) < _SAME_SITE_MM:
            count += 1
            centre += (position_mm[row] - centre) / count
            sites[row] = sites[row - 1]
        else:
            centre, count = position_mm[row].copy(), 1
            sites[row] = sites[row - 1] + 1
    return sites


def noise_ceiling(recording: Recording, own: PoseMapSettings) -> float | None:
    """Return R² of a predictor that knows all but the trial noise.

    `own` are settings fitted to this recording itself: a ceiling is no prediction.
    """
    total = float(np.var(recording.log10_uv))
    return None if total <= 1e-9 else 1.0 - own.noise_sd**2 / total
