"""Protocol files: whose session it is, and how it learns."""

from typing import Annotated

import msgspec
from msgspec import Meta

from m2m_rt.learning import PromotionRule


class LearningProtocol(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """When the network is refitted, and what is done about changes."""

    first_fit_trials: Annotated[int, Meta(gt=0)] = 20
    fit_every_trials: Annotated[int, Meta(gt=0)] = 20
    n_held_out: Annotated[int, Meta(gt=0)] = 10
    promotion: PromotionRule = PromotionRule()
    committee: bool = True
    """Whether a refit also tries a committee of network, curves and process."""

    acts_on_changes: bool = True
    """Whether a gain or shift that is found is taken into account, or only said."""

    def __post_init__(self) -> None:
        """Refuse a first fit that has nothing left to learn from."""
        if self.n_held_out >= self.first_fit_trials:
            raise ValueError("n_held_out must be less than first_fit_trials")


class ProtocolConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """One subject's session."""

    subject: str
    """A pseudonym."""

    rmt_pct_mso: Annotated[float, Meta(gt=0, le=100)]
    """Resting motor threshold as the operator measured it."""

    learning: LearningProtocol = LearningProtocol()
