"""When a pose may be used, and the words for why it may not.

Poses that are physically wrong have a `geometry.PhysicalFault` as their reason.
"""

import math
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta


class PoseFault(StrEnum):
    """Why a coil pose is not valid."""

    NOT_TRACKED = "not_tracked"
    """The navigator does not see the coil: NaN."""

    NOT_FINITE = "not_finite"
    WRONG_SHAPE = "wrong_shape"
    """Neither 7 nor 16 numbers."""

    QUATERNION_NOT_UNIT = "quaternion_not_unit"
    OUT_OF_RANGE = "out_of_range"
    """Farther from the head than a navigator sees."""

    NO_STAMP = "no_stamp"
    """The sender gave no usable time, so the pose's age is not known."""

    STALE = "stale"
    """Taken too long before it arrived."""

    CLOCK_JUMP = "clock_jump"
    """Its stamp lies in the future, or not after the one before it."""

    FROZEN = "frozen"
    """The same bits for longer than a tracked coil can hold still."""

    STREAM_STALE = "stream_stale"
    """Nothing arrives."""

    STREAM_LOST = "stream_lost"
    """The sender is gone."""

    STREAM_REFUSED = "stream_refused"
    """The sender came back as something else."""


class PoseSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Limits on a pose stream."""

    max_age_ms: Annotated[float, Meta(gt=0)] = 100.0
    """Oldest pose on arrival that is used."""

    max_ahead_ms: Annotated[float, Meta(gt=0)] = 50.0
    """Farthest that a stamp may lie in the future: the clock offset's uncertainty."""

    silent_after_ms: Annotated[float, Meta(gt=0)] = 250.0
    """No pose for so long is a gap in the stream."""

    frozen_after_s: Annotated[float, Meta(gt=0)] | None = None
    """Bit-identical poses for so long are a frozen navigator; None: not looked at, as a
    simulated or a robot's pose can stand still."""

    max_offset_step_ms: Annotated[float, Meta(gt=0)] = 20.0
    """Largest change between two measurements of the sender's clock."""

    quaternion_tolerance: Annotated[float, Meta(gt=0, lt=1)] = 1e-2
    """Largest deviation of a quaternion's length from 1; two printed decimals pass."""

    max_distance_mm: Annotated[float, Meta(gt=0)] = 1000.0
    """From the head frame's origin."""

    max_head_distance_mm: Annotated[float, Meta(gt=0)] = 400.0
    """From the middle of the head; a coil farther off is not at this head at all."""

    near_head_distance_mm: Annotated[float, Meta(gt=0)] = 150.0
    """From the middle of the head: nearer, about 5 cm from the scalp, the coil is held
    to the head, so that its side and directions must be right."""

    min_head_distance_mm: Annotated[float, Meta(gt=0)] = 50.0
    """From the middle of the head; a coil nearer would be inside."""

    max_tilt_deg: Annotated[float, Meta(gt=0, lt=90)] = 60.0
    """Of the z axis from the direction to the middle of the head."""

    handle_prolongation: tuple[float, float, float] | None = None
    """Roughly where the y axis points, head frame, such as [0, 1, 0] for a handle that
    points backwards: held to. None: any direction is valid, but one against the table's
    planned pose is said."""

    wrong_poses: Annotated[int, Meta(gt=0)] = 100
    """So many poses in a row that are physically wrong are said, once, with the
    probable cause."""

    def __post_init__(self) -> None:
        """Refuse distances out of order, and a handle that points nowhere."""
        least_mm, near_mm = self.min_head_distance_mm, self.near_head_distance_mm
        if not least_mm < near_mm <= self.max_head_distance_mm:
            raise ValueError(
                "min_head_distance_mm < near_head_distance_mm ≤ max_head_distance_mm "
                f"must hold, found {least_mm:g}, {near_mm:g}, "
                f"{self.max_head_distance_mm:g}"
            )
        handle = self.handle_prolongation
        if handle is not None and not 1e-6 < math.hypot(*handle) < math.inf:
            raise ValueError(f"handle_prolongation has no direction: {list(handle)}")
