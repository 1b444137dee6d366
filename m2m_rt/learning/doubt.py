"""When a prediction stands on little: pose, intensity or state not met before."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from m2m_rt.learning.adaptive import Belief, trial_share
from m2m_rt.learning.last_layer import Predicted
from m2m_rt.units import F32, F64


class Doubt(StrEnum):
    """Why a prediction is to be trusted less than its interval says."""

    POSE = "pose_not_learnt"
    """Most of its variance is that nothing like it was learnt."""

    INTENSITY = "intensity_not_learnt"
    """More than ten points of % RMT outside what the network was trained on."""

    STATE = "state_unusual"
    """Excitability or noise is far from what it usually is."""


class DoubtSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """From where on a prediction is doubted."""

    most_novelty: Annotated[float, Meta(gt=0, le=1)] = 0.4
    """Mean over muscles of the share of variance that is not learnt yet."""

    intensity_pct_rmt: tuple[float, float] = (90.0, 150.0)
    """Least and most: the shipped network was trained on 100 to 140, and ten points
    beyond either end are not doubted."""

    most_excitability_log10: Annotated[float, Meta(gt=0)] = 0.2
    """Either way: a factor of 1.6."""

    most_noise_scale: Annotated[float, Meta(gt=0)] = 2.0
    """Variance of this session's trials over the population's."""


def novelty(belief: Belief, features: F32, predicted: Predicted) -> F64:
    """Return (n,): how little is known of stimuli, 0…1, mean over muscles.

    `predicted` is what `foresee` says at these features.
    """
    share: F64 = 1.0 - trial_share(belief, features, predicted).mean(axis=1)
    return share


def doubt_of(
    belief: Belief,
    novelty_now: float,
    intensity_pct_rmt: float,
    settings: DoubtSettings,
) -> tuple[Doubt, ...]:
    """Return every reason to doubt a prediction of this `novelty`."""
    state, _ = belief.excitability.moments()
    low, high = settings.intensity_pct_rmt
    is_new = novelty_now > settings.most_novelty
    is_odd = (
        abs(state) > settings.most_excitability_log10
        or belief.common_scale > settings.most_noise_scale
    )
    reasons = (
        (Doubt.POSE, is_new),
        (Doubt.INTENSITY, not low <= intensity_pct_rmt <= high),
        (Doubt.STATE, is_odd),
    )
    return tuple(doubt for doubt, holds in reasons if holds)
