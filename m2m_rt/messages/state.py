"""What is learnt of the state of brain and apparatus, as messages."""

from typing import Literal

from m2m_rt.messages.base import Message, require_finite


class ExcitabilityTracked(Message, frozen=True, tag="excitability.v1"):
    """How excitable all muscles were at a trial; `t_ns` is the pulse's.

    log10 of what is evoked over the session's usual: 0 is the usual, 0.3 twice as much.
    """

    mean_log10: float
    p05_log10: float
    p95_log10: float
    """Of the 90 % interval, the usual level's own uncertainty included."""

    noise_scale: float
    """Trial variance of this session over the population's."""

    posterior_seq: int

    def __post_init__(self) -> None:
        """Refuse numbers that are not finite."""
        require_finite(
            mean_log10=self.mean_log10,
            p05_log10=self.p05_log10,
            p95_log10=self.p95_log10,
            noise_scale=self.noise_scale,
        )


class ChangeSeen(Message, frozen=True, tag="change.v1"):
    """Something changed at once; `t_ns` is that of the pulse that gave it away."""

    kind: Literal["gain", "shift"]
    """A muscle's gain (its electrode), or the coil's true place against the reported
    one (the registration)."""

    muscle: int | None
    """Which one, in the rig's order; None for a shift."""

    log10_gain: float
    """0 for a shift."""

    shift_x_mm: float
    shift_y_mm: float
    """True poses lie beside reported ones by this, along the planned coil's axes."""

    trials_ago: int
    """Number of learnt trials since it began, this one included."""

    log_ratio: float
    """Natural log of the likelihood ratio to no change."""

    withdrawn: bool
    """Whether this takes back what was said before: it was no change."""

    acted_on: bool
    """Whether predictions take it into account from now on."""

    def __post_init__(self) -> None:
        """Refuse numbers that are not finite."""
        require_finite(
            log10_gain=self.log10_gain,
            shift_x_mm=self.shift_x_mm,
            shift_y_mm=self.shift_y_mm,
            log_ratio=self.log_ratio,
        )
