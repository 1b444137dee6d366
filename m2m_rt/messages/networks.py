"""Which network is in use, and what became of refits, as messages."""

from m2m_rt.messages.base import Message, require_finite


class ModelPromoted(Message, frozen=True, tag="model_promoted.v1"):
    """The model in use from now on."""

    model_hash: str
    parent_hash: str
    generation: int
    """0 is the shipped model."""

    reason: str


class PromotionRefused(Message, frozen=True, tag="promotion_refused.v1"):
    """The predicting side did not take a promoted model; the one before stays."""

    model_hash: str
    """The one that is not used."""

    generation: int
    """Of the promotion."""

    kept_hash: str
    """The model that is in use."""

    reason: str


class FitJudged(Message, frozen=True, tag="fit_judged.v1"):
    """What became of a refit: used or not, and why."""

    fit_id: int
    parent_hash: str
    """The model it started from."""

    model_hash: str | None
    """The candidate; None when the fit gave none."""

    promoted: bool
    reason: str
    """Why it is used, or why not."""

    candidate_score: float
    """Mean log predictive density per held-out MEP, natural log; 0 without one."""

    incumbent_score: float
    """The parent's, on the same MEPs."""

    n_scored: int
    """Number of MEPs scored."""

    def __post_init__(self) -> None:
        """Refuse scores that are not numbers."""
        require_finite(
            candidate_score=self.candidate_score, incumbent_score=self.incumbent_score
        )
