"""What a node asks of its surroundings, and what comes back."""

import msgspec

from m2m_rt.messages.base import Message, require_finite


class SetTimer(Message, frozen=True, tag="set_timer.v1"):
    """Wake the node at `due_ns` with a `Tick` of this name; a later one replaces it."""

    name: str
    due_ns: int


class Tick(Message, frozen=True, tag="tick.v1"):
    """A timer that came due; `t_ns` is the time it was due."""

    name: str


class KnownChange(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """A sudden change that predictions take into account."""

    since_trial: int
    """Number of learnt trials before it began."""

    muscle: int | None
    """Whose gain changed, in the rig's order; None for a shift of the coil's pose."""

    log10_gain: float
    """0 for a shift."""

    shift_x_mm: float
    shift_y_mm: float
    """True poses lie beside reported ones by this, along the planned coil's axes."""


class FitRequest(Message, frozen=True, tag="fit_request.v1"):
    """Refit the network on the trials so far; minutes of work, in another process."""

    fit_id: int
    parent_hash: str
    """sha256 of the model to start from."""

    n_trials: int
    """Fit on the first `n_trials` of the trials."""

    n_held_out: int
    """The last of them are not learnt but score candidate and incumbent."""

    rng_seed: int
    trials: tuple[bytes, ...]
    """Encoded `Trial` messages, in order."""

    changes: tuple[KnownChange, ...] = ()
    """Those that now hold."""


class FitFinished(Message, frozen=True, tag="fit_finished.v1"):
    """A fit ended; the candidate's file is stored under its hash."""

    fit_id: int
    model_hash: str | None
    """None when there is no candidate."""

    error: str = ""
    """Why there is none."""

    candidate_score: float = 0.0
    """Mean log predictive density per held-out MEP, natural log; higher is better."""

    incumbent_score: float = 0.0
    """The parent's, on the same trials."""

    n_scored: int = 0
    """Number of MEPs scored."""

    def __post_init__(self) -> None:
        """Refuse scores that are not numbers."""
        require_finite(
            candidate_score=self.candidate_score, incumbent_score=self.incumbent_score
        )
