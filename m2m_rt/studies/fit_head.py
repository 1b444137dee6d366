"""The shipped network's last layer, fitted to a table of poses over a head model."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.learning import (
    MapPulses,
    Predicted,
    first_posterior,
    learn,
    predict,
    progressive_score,
    rebuild,
    stack,
)
from m2m_rt.model import relative_efield
from m2m_rt.ports import Predictor
from m2m_rt.studies.maps_data import folds, pooled_r2
from m2m_rt.units import F32, F64, Bools

_BLOCK = 64
"""Poses whose fields are held at once."""


@dataclass(frozen=True, slots=True)
class HeadFeatures:
    """The network's features of a table's pulses."""

    features: F32
    """(n, n_features); zeros where the pose is outside the table."""

    inside: Bools
    """(n,)"""


@dataclass(frozen=True, slots=True)
class HeadFit:
    """Held-out scores of the last layer, by muscle; those with a valid MEP."""

    r2: dict[str, float | None]
    """Ten-fold; None where MEPs do not vary."""

    progressive_r2: dict[str, float | None]
    """Of each pulse predicted from its past."""

    coverage_90: dict[str, float]
    """Part of the MEPs inside the progressive 90 % intervals."""


def relative_intensity(pulses: MapPulses, unit: str, rmt_pct_mso: float | None) -> F64:
    """Return (n,): intensity in % of the resting threshold.

    Raises
    ------
    ConfigError
        If the table does not say it and no threshold was given.
    """
    if pulses.intensity_pct is None:
        raise ConfigError("DATA", "no intensity", "intensity_pct_mso or _rmt")
    if unit == "pct_rmt":
        return pulses.intensity_pct
    if rmt_pct_mso is None:
        raise ConfigError("--rmt", "not given", "the threshold in % of the output")
    return 100.0 * pulses.intensity_pct / rmt_pct_mso


def head_features(
    lookup: EfieldLookup, predictor: Predictor, poses: F64, intensity_pct_rmt: F64
) -> HeadFeatures:
    """Return the features of poses (n, 4, 4), head frame.

    Raises
    ------
    DataError
        If no pose is inside the table.
    """
    parts, inside = [], []
    for begin in range(0, len(poses), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        answer = lookup.query_batch(poses[rows])
        level = (intensity_pct_rmt[rows] / 100.0).astype(np.float32)
        field = relative_efield(
            answer.unit_efield_v_per_m * level[:, np.newaxis, np.newaxis],
            planned_peak_v_per_m=lookup.table.planned_peak_v_per_m,
            intensity_pct_rmt=100.0,
        )
        inside.append(answer.valid)
        parts.append(predictor.features(np.nan_to_num(field)))
    is_inside = np.concatenate(inside)
    if not is_inside.any():
        raise DataError("no pose is inside the table: are they in the head frame?")
    features = np.where(is_inside[:, np.newaxis], np.concatenate(parts), np.float32(0))
    return HeadFeatures(features, is_inside)


def score_head(
    predictor: Predictor, found: HeadFeatures, log10_uv: F64, muscles: tuple[str, ...]
) -> HeadFit:
    """Return held-out scores; `log10_uv` (n, n_muscles) is NaN where not valid."""
    valid = np.isfinite(log10_uv) & found.inside[:, np.newaxis]
    measured = np.nan_to_num(log10_uv)
    folded = np.full(measured.shape, np.nan)
    for train, test in folds(len(measured)):
        posterior = rebuild(
            predictor.prior,
            found.features[train],
            log10_uv=measured[train],
            valid=valid[train],
        )
        folded[test] = predict(posterior, found.features[test]).mean
    progress = _progressive(predictor, found, measured, valid)
    columns = {m: at for at, m in enumerate(muscles) if valid[:, at].any()}
    return HeadFit(
        r2={m: _r2(folded, measured, valid, at) for m, at in columns.items()},
        progressive_r2={
            m: _r2(progress.mean, measured, valid, at) for m, at in columns.items()
        },
        coverage_90={
            m: _coverage(progress, measured, valid, at) for m, at in columns.items()
        },
    )


def _progressive(
    predictor: Predictor, found: HeadFeatures, measured: F64, valid: Bools
) -> Predicted:
    posterior = first_posterior(predictor.prior)
    predictions = []
    for row, features in enumerate(found.features):
        predictions.append(predict(posterior, features[np.newaxis]))
        posterior = learn(posterior, features, log10_uv=measured[row], valid=valid[row])
    return stack(predictions)


def _r2(predicted: F64, measured: F64, valid: Bools, muscle: int) -> float | None:
    rows = valid[:, muscle]
    return pooled_r2(predicted[rows, muscle], measured[rows, muscle])


def _coverage(progress: Predicted, measured: F64, valid: Bools, muscle: int) -> float:
    only = np.zeros_like(valid)
    only[:, muscle] = valid[:, muscle]
    score = progressive_score(progress, log10_uv=measured, valid=only)
    return score.coverage_90
