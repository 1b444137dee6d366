"""When a refitted network replaces the one in use."""

from typing import Annotated

import msgspec
from msgspec import Meta


class PromotionRule(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How sure the progressive score must be before the model changes."""

    min_gain_nats: Annotated[float, Meta(ge=0)] = 0.02
    """A candidate's log score per MEP must beat the incumbent's by this much."""

    min_scored_part: Annotated[float, Meta(gt=0, le=1)] = 2 / 3
    """Least part of the held-out trials' MEPs (trials x muscles) that must have been
    scored. A part, so that a rig of one muscle can promote as one of fifteen can."""


def promotes(
    rule: PromotionRule,
    *,
    candidate: float,
    incumbent: float,
    n_scored: int,
    n_held_out: int,
) -> bool:
    """Say whether a candidate is promoted, from log scores on the same MEPs.

    Parameters
    ----------
    rule
        How sure the scores must be.
    candidate, incumbent
        Mean log predictive density per scored MEP, natural log.
    n_scored
        Number of MEPs scored: the valid ones of the held-out trials.
    n_held_out
        Number of MEPs that the held-out trials had, valid or not.
    """
    if n_scored == 0 or n_scored < rule.min_scored_part * n_held_out:
        return False
    return candidate - incumbent > rule.min_gain_nats
