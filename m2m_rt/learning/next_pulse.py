"""Which pulse tells most, what it may be worth, and when to stop.

All of it follows from covariances: a pulse at c moves every quantity q by
cov(q, f_c) / (var f_c + noise²) times its surprise, exactly so for the last layer
(Gaussian), to first order otherwise.
"""

import enum
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from scipy.special import ndtri

from m2m_rt.learning.last_layer import Posterior, predict
from m2m_rt.learning.map_summary import Place
from m2m_rt.learning.surfaces import Surfaces
from m2m_rt.units import F32, F64

_EDGES = ndtri(np.linspace(0.0, 1.0, 33))
_DENSITY = np.exp(-0.5 * _EDGES**2) / np.sqrt(2.0 * np.pi)
_SURPRISES = -np.diff(_DENSITY) * (len(_EDGES) - 1)
"""Means of a standard normal's equally likely parts: the maximum has kinks, which
Gauss-Hermite nodes miss by several per cent."""


class StopRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When mapping is good enough."""

    hotspot_within_mm: Annotated[float, Meta(gt=0)] = 4.0
    """Stop when the hotspot's 90 % radius is at most this, as the choice of the next
    pulse believes it."""

    least_gain_log10: Annotated[float, Meta(ge=0)] = 0.005
    """Stop when even knowing all would be expected to raise the answer at the chosen
    pose by less: no number of pulses, and so not the next one, can gain more."""

    least_pulses: Annotated[int, Meta(ge=0)] = 10
    """Before that many, belief is mostly what was believed before."""


class StopReason(enum.StrEnum):
    """Why mapping may stop."""

    HOTSPOT_KNOWN = "hotspot_known"
    LITTLE_TO_GAIN = "little_to_gain"


def variance_reduction(summaries: F64, surfaces: Surfaces) -> F64:
    """Return by how much a pulse at each candidate is expected to lower a variance.

    Parameters
    ----------
    summaries
        (n_draws, k): what each surface says of k quantities, such as the hotspot's
        coordinates; their variances are added.
    surfaces
        Of the muscle that answers, at the n candidates, the same draws in order.

    Returns
    -------
        (n,), in the summaries' unit squared; ≥ 0.
    """
    moved = summaries - summaries.mean(axis=0)  # (n_draws, k)
    away = surfaces.log10_uv - surfaces.log10_uv.mean(axis=0)  # (n_draws, n)
    shared = moved.T @ away / len(moved)  # (k, n)
    reduction: F64 = np.sum(shared**2, axis=0) / _variance(away, surfaces)
    return reduction


def integrated_variance_reduction(
    posterior: Posterior, features: F32, targets: F32, *, muscle_weights: F64
) -> F64:
    """Return by how much a pulse lowers the map's variance, in closed form.

    A pulse is a rank-one update of each muscle's latent covariance C: with loadings l,
    (lᵀ C l_c)² / (l_cᵀ C l_c + noise²) is what the variance at l loses.

    Parameters
    ----------
    posterior
        What is believed.
    features
        (n, n_features) of the pulses that could be given.
    targets
        (n_targets, n_features) of the map that is to be known.
    muscle_weights
        (n_muscles,): how much each muscle's map matters; 0 leaves one out.

    Returns
    -------
        (n,): mean over targets, weighted sum over muscles, log10 µV squared; ≥ 0.
    """
    phi, wanted = features.astype(np.float64), targets.astype(np.float64)
    total2 = predict(posterior, features).sd ** 2  # (n, n_muscles)
    reduction = np.zeros(len(phi))
    for muscle in np.flatnonzero(muscle_weights):
        factor = posterior.prior.factor[muscle]
        pulled = phi @ factor @ posterior.latent_cov[muscle]  # (n, n_latent)
        loadings = wanted @ factor
        mean_square = loadings.T @ loadings / len(wanted)
        lost = np.sum((pulled @ mean_square) * pulled, axis=1) / total2[:, muscle]
        reduction += muscle_weights[muscle] * lost
    return reduction


def expected_gain(utilities: F64, outcomes: Surfaces) -> F64:
    """Return how much better the best choice is expected to be after one pulse.

    The knowledge gradient: the expected maximum of the utility's mean after a pulse,
    less the maximum now. It is never negative, and 0 for a pulse that tells nothing.

    Parameters
    ----------
    utilities
        (n_draws, n_choices): what each equally likely world says of every choice.
    outcomes
        What a pulse at each of n candidates would measure, in the same worlds.

    Returns
    -------
        (n,), in the utility's unit.
    """
    mean = utilities.mean(axis=0)
    away = outcomes.log10_uv - outcomes.log10_uv.mean(axis=0)
    shared = away.T @ (utilities - mean) / len(utilities)  # (n, n_choices)
    slope = shared / np.sqrt(_variance(away, outcomes))[:, np.newaxis]
    best = np.zeros(len(slope))
    for surprise in _SURPRISES:
        best += (mean + surprise * slope).max(axis=1) / len(_SURPRISES)
    gain: F64 = np.maximum(best - mean.max(), 0.0)
    return gain


def gain_at_most(utilities: F64) -> float:
    """Return how much better the best choice would be if all were known."""
    return float(utilities.max(axis=1).mean() - utilities.mean(axis=0).max())


@dataclass(frozen=True, slots=True)
class MappingState:
    """How far mapping has come."""

    n_pulses: int
    hotspot: Place | None
    """As the choice of the next pulse believes it, `NextPulse.hotspot`."""

    gain_at_most_log10: float
    """By which knowing all would raise the answer at the chosen pose."""


def stop_reason(state: MappingState, rule: StopRule) -> StopReason | None:
    """Return why mapping may stop, or None if it should go on."""
    if state.n_pulses < rule.least_pulses:
        return None
    place = state.hotspot
    if place is not None and place.radius_90_mm <= rule.hotspot_within_mm:
        return StopReason.HOTSPOT_KNOWN
    if state.gain_at_most_log10 < rule.least_gain_log10:
        return StopReason.LITTLE_TO_GAIN
    return None


def _variance(away: F64, surfaces: Surfaces) -> F64:
    """Return the variance of what a pulse would measure, (n,)."""
    known: F64 = np.mean(away**2, axis=0) + surfaces.noise_log10**2
    return np.maximum(known, 1e-12)
