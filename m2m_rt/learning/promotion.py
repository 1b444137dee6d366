"""When a refitted network replaces the one in use, and when it goes back."""

from typing import Annotated

import msgspec
from msgspec import Meta


class PromotionRule(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How sure the progressive score must be before the model changes."""

    min_gain_nats: Annotated[float, Meta(ge=0)] = 0.02
    """A candidate's log score per MEP must beat the incumbent's by this much."""

    min_scored: Annotated[int, Meta(gt=0)] = 100
    """Least number of held-out MEPs that the scores are made of."""

    max_loss_nats: Annotated[float, Meta(ge=0)] = 0.1
    """A promoted model whose log score per MEP falls this far behind its parent's on
    the same later trials should be rolled back."""


def promotes(
    rule: PromotionRule, *, candidate: float, incumbent: float, n_scored: int
) -> bool:
    """Say whether a candidate is promoted, from log scores on the same MEPs.

    >>> promotes(PromotionRule(), candidate=0.31, incumbent=0.30, n_scored=300)
    False
    >>> promotes(PromotionRule(), candidate=0.35, incumbent=0.30, n_scored=300)
    True
    """
    return n_scored >= rule.min_scored and candidate - incumbent > rule.min_gain_nats


def rolls_back(
    rule: PromotionRule, *, active: float, parent: float, n_scored: int
) -> bool:
    """Say whether a promoted model has done so much worse that its parent returns."""
    return n_scored >= rule.min_scored and parent - active > rule.max_loss_nats
