"""Hyper-parameters of maps: the likeliest ones, held near the shipped ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from scipy.linalg import cho_solve, lapack
from scipy.optimize import minimize

from m2m_rt.learning.map_kernel import (
    Gaps,
    MapPulses,
    PoseMapSettings,
    covariance_and_slopes,
    gaps,
)
from m2m_rt.units import F64

HYPER_SPREAD = 1.0
"""Prior sd of the ln of a hyper-parameter about its shipped value: a factor of 2.7. It
keeps those that a recording says nothing about from running away."""

MAX_ITERATIONS = 40


@dataclass(frozen=True, slots=True)
class Recording:
    """Pulses of one muscle in one subject with their answers."""

    pulses: MapPulses
    log10_uv: F64
    """(n,)"""


def likeliest_settings(
    recordings: Sequence[Recording], start: PoseMapSettings, free: tuple[str, ...]
) -> PoseMapSettings:
    """Return settings with the free ones fitted to all the recordings together.

    The marginal likelihood is, by the chain rule, the progressive log score: what
    predicts each of these recordings' pulses best from those before it. Terms that are
    switched off stay off.
    """
    free = tuple(name for name in free if getattr(start, name) > 0)
    known = [(gaps(r.pulses, r.pulses), r.log10_uv) for r in recordings]
    centre = np.log([getattr(start, name) for name in free])

    def loss(logs: F64) -> tuple[float, F64]:
        settings = _with(start, free, logs)
        away = (logs - centre) / HYPER_SPREAD
        value, slope = 0.5 * float(away @ away), away / HYPER_SPREAD
        for apart, log10_uv in known:
            more, steeper = loss_and_slopes(apart, log10_uv, settings, free)
            value, slope = value + more, slope + steeper
        return value, slope

    options = {"maxiter": MAX_ITERATIONS, "ftol": 1e-7}
    bounds = [(c - 5.0, c + 5.0) for c in centre]
    found = minimize(
        loss, centre, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return _with(start, free, found.x)


def loss_and_slopes(
    apart: Gaps, log10_uv: F64, settings: PoseMapSettings, free: tuple[str, ...]
) -> tuple[float, F64]:
    """Return minus the log likelihood of a recording, and its slopes (n_free,).

    The constant ½ n ln 2π is left out; slopes are by the natural logs of `free`.
    """
    gram, slopes = covariance_and_slopes(apart, settings, free)
    gram[np.diag_indices_from(gram)] += settings.noise_sd**2
    factor = np.linalg.cholesky(gram)
    centred = log10_uv - settings.mean_log10_uv
    weights = cho_solve((factor, True), centred)
    value = 0.5 * float(centred @ weights) + float(np.log(np.diag(factor)).sum())
    # ½ tr((K⁻¹ − wwᵀ) dK), Rasmussen & Williams 2006, eq. 5.9.
    lower, _ = lapack.dpotri(factor, lower=1)
    curved = np.tril(lower) + np.tril(lower, -1).T - np.outer(weights, weights)
    slope = [
        settings.noise_sd**2 * np.trace(curved)
        if name == "noise_sd"
        else 0.5 * np.vdot(curved, slopes[name])
        for name in free
    ]
    return value, np.asarray(slope)


def _with(start: PoseMapSettings, free: tuple[str, ...], logs: F64) -> PoseMapSettings:
    values = dict(zip(free, np.exp(logs).tolist(), strict=True))
    return msgspec.structs.replace(start, **values)
