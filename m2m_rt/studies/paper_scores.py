"""The paper's scores of predicted MEPs, per muscle and per intensity too."""

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from m2m_rt.model import FLOOR_UV
from m2m_rt.units import F64

LEAST_PULSES = 3
"""Fewer have no variance worth explaining."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """The three counts of parameters that AIC and BIC are given for."""

    k_all: float
    """All trained numbers."""

    k_effective: float
    """Those larger than 1e-3 after L1."""

    k_readout: float
    """Trace of the linear readout's hat matrix, of networks its largest value, the rank
    of the readout's inputs times its outputs; NaN where there is no such readout."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Of some pulses. Amplitudes are scaled by each muscle's training maximum."""

    mse: float
    nrmse: float
    """sqrt(mean(err²) / mean(y²)), over pulses and muscles."""

    cosine: float
    """Mean over pulses of the cosine between predicted and measured muscles."""

    r2: float
    """Of amplitudes, about each muscle's own mean; averaged over muscles."""

    r2_log10: float
    """The same of log10 µV, floored at 5 µV."""


class Criteria(msgspec.Struct, frozen=True, kw_only=True):
    """AIC = n ln(RSS/n) + 2k, BIC = n ln(RSS/n) + k ln n; n is pulses × muscles.

    RSS is that of the test pulses, so that both punish size on top of what overfitting
    has cost already.
    """

    aic: float
    bic: float
    aic_effective: float
    bic_effective: float
    aic_readout: float
    bic_readout: float


class MuscleScore(msgspec.Struct, frozen=True, kw_only=True):
    """Of each muscle (n_muscles,)."""

    mse: list[float]
    nrmse: list[float]
    r2: list[float]
    r2_log10: list[float]


@dataclass(frozen=True, slots=True)
class ScoredPulses:
    """Test pulses with what was predicted of them; all arrays (n, n_muscles)."""

    predicted: F64
    """Amplitude over the training maximum."""

    measured: F64
    """The same."""

    predicted_log10_uv: F64
    measured_log10_uv: F64

    def rows(self, chosen: np.ndarray) -> "ScoredPulses":
        """Return some of the pulses."""
        return ScoredPulses(
            self.predicted[chosen],
            self.measured[chosen],
            self.predicted_log10_uv[chosen],
            self.measured_log10_uv[chosen],
        )


def floored_log10(amplitude_uv: F64) -> F64:
    """Return log10 of amplitudes in µV, floored at 5 µV.

    >>> float(floored_log10(np.array([1.0]))[0]) == math.log10(5.0)
    True
    """
    logs: F64 = np.log10(np.maximum(amplitude_uv, FLOOR_UV)).astype(np.float64)
    return logs


def score(tested: ScoredPulses) -> Score:
    """Return the scores of some pulses."""
    squared = (tested.predicted - tested.measured) ** 2
    norms = np.linalg.norm(tested.predicted, axis=1)
    norms = norms * np.linalg.norm(tested.measured, axis=1)
    products = np.sum(tested.predicted * tested.measured, axis=1)
    muscles = score_muscles(tested)
    return Score(
        mse=float(squared.mean()),
        nrmse=math.sqrt(squared.mean() / np.mean(tested.measured**2)),
        cosine=float(np.mean(products / np.maximum(norms, 1e-12))),
        r2=float(np.mean(muscles.r2)),
        r2_log10=float(np.mean(muscles.r2_log10)),
    )


def score_muscles(tested: ScoredPulses) -> MuscleScore:
    """Return the scores of each muscle."""
    mse = np.mean((tested.predicted - tested.measured) ** 2, axis=0)
    return MuscleScore(
        mse=mse.tolist(),
        nrmse=np.sqrt(mse / np.mean(tested.measured**2, axis=0)).tolist(),
        r2=_r2(tested.predicted, tested.measured),
        r2_log10=_r2(tested.predicted_log10_uv, tested.measured_log10_uv),
    )


def criteria(tested: ScoredPulses, sizes: Sizes) -> Criteria:
    """Return AIC and BIC with each kind of k.

    >>> ones = np.ones((2, 5))
    >>> tested = ScoredPulses(2 * ones, ones, ones, ones)
    >>> criteria(tested, Sizes(k_all=3, k_effective=2, k_readout=1)).aic
    6.0
    """
    n = tested.measured.size
    rss = float(np.sum((tested.predicted - tested.measured) ** 2))
    fit = n * math.log(rss / n)
    return Criteria(
        aic=fit + 2 * sizes.k_all,
        bic=fit + math.log(n) * sizes.k_all,
        aic_effective=fit + 2 * sizes.k_effective,
        bic_effective=fit + math.log(n) * sizes.k_effective,
        aic_readout=fit + 2 * sizes.k_readout,
        bic_readout=fit + math.log(n) * sizes.k_readout,
    )


def _r2(predicted: F64, measured: F64) -> list[float]:
    """Return each muscle's R² about its own mean; NaN of fewer than three pulses."""
    if len(measured) < LEAST_PULSES:
        return [math.nan] * measured.shape[1]
    total = np.sum((measured - measured.mean(axis=0)) ** 2, axis=0)
    left = np.sum((measured - predicted) ** 2, axis=0)
    explained: list[float] = (1.0 - left / np.maximum(total, 1e-12)).tolist()
    return explained
