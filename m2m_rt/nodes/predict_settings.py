"""What predictions are made of, and how old it may be."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0)]


class PredictFault(StrEnum):
    """Why there is no prediction, or why a trial has none that counts.

    Beside these a reason may be the pose's own or the E-field table's.
    """

    POSE_OLD = "pose_old"
    INTENSITY_UNKNOWN = "intensity_unknown"
    NO_PREDICTION = "no_prediction"
    """None was published before the edge from a fresh pose at this intensity."""

    INTENSITY_MISMATCH = "intensity_mismatch"
    """The marker names another intensity than the prediction was made for."""

    NO_STIMULUS = "no_stimulus"
    """The stimulator was set to 0 %: a trigger alone teaches nothing."""

    NOT_FINITE = "not_finite"
    """The model gave no number for this field."""

    WRONG_MUSCLES = "wrong_muscles"
    """The pulse has MEPs of another number of muscles than the model has."""

    NO_VALID_MEP = "no_valid_mep"
    MARKED_BAD = "marked_bad"
    """The operator said so."""


class PredictSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """What a prediction stands on."""

    model_hash: str
    """sha256 of the shipped model that the session begins with."""

    rmt_pct_mso: Annotated[float, Meta(gt=0, le=100)]
    """The operator's resting motor threshold, from the protocol file."""

    max_pose_age_ms: Positive = 100.0
    """From the pose's time to the prediction, and to the pulse."""

    max_intensity_age_ms: Positive = 3000.0
    """From the stimulator's last word to the prediction, and to the pulse."""

    acts_on_changes: bool = True
    """Whether a change that is found is taken into account, or only said."""

    n_kept: Annotated[int, Meta(gt=0)] = 256
    """Predictions that a pulse may still ask for, and pulses that may wait for their
    MEPs: over a second of poses at 200 Hz, for EMG that comes late."""
