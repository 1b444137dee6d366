"""`[pose.registration]` of a rig file: what a navigator's poses are, and where."""

from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.geometry import (
    MM_PER_UNIT,
    OTHER_FRAMES,
    CoilConvention,
    NavigatorSpace,
    Rows,
    rigid_fault,
)
from m2m_rt.units import F64

NotNegative = Annotated[float, Meta(ge=0)]


class PoseRegistration(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """As `m2m register` prints it; the pose stream must declare the same.

    As it stands without any field: head frame, mm, SimNIBS convention.

    At most one of the three matrices: it names the frame that the poses come in, in
    millimetres. Without one they come in the head's.
    """

    head_from_navigator: Rows | None = None
    head_from_mri: Rows | None = None
    head_from_tracker: Rows | None = None

    convention: CoilConvention = CoilConvention.SIMNIBS
    """Whose coil axes the poses have."""

    unit: Literal["mm", "m"] = "mm"
    """Of the poses' positions; the matrix and all below are in mm."""

    noise_mm: NotNegative | None = None
    """Of the registered points, per axis; kept with the session, as what follows."""

    points: tuple[str, ...] = ()
    """The points' names."""

    residual_mm: tuple[NotNegative, ...] = ()
    """What the fit left over at each point."""

    def __post_init__(self) -> None:
        """Refuse two frames, and a matrix that would warp or mirror the coil."""
        given = self._given()
        if len(given) > 1:
            names = " and ".join(f"head_from_{frame}" for frame in given)
            raise ValueError(f"{names}: poses come in one frame")
        for frame, matrix in given.items():
            fault = rigid_fault(np.array(matrix))
            if fault is not None:
                raise ValueError(f"head_from_{frame}: {fault}")
        if self.residual_mm and len(self.residual_mm) != len(self.points):
            n_left, n_points = len(self.residual_mm), len(self.points)
            raise ValueError(f"residual_mm: {n_left} numbers for {n_points} points")

    @property
    def frame(self) -> str:
        """The frame that the poses come in."""
        return next(iter(self._given()), "head")

    @property
    def declared(self) -> dict[str, str]:
        """What the pose stream must say in its `<desc>`."""
        return {
            "frame": self.frame,
            "unit": self.unit,
            "convention": self.convention.value,
        }

    @property
    def space(self) -> NavigatorSpace:
        """How a pose is read."""
        matrix = self._given().get(self.frame)
        head_from_frame: F64 | None = None if matrix is None else np.array(matrix)
        return NavigatorSpace(
            head_from_frame=head_from_frame,
            convention=self.convention,
            mm_per_unit=MM_PER_UNIT[self.unit],
        )

    def _given(self) -> dict[str, Rows]:
        matrices = (
            self.head_from_navigator,
            self.head_from_mri,
            self.head_from_tracker,
        )
        named = zip(OTHER_FRAMES, matrices, strict=True)
        return {frame: matrix for frame, matrix in named if matrix is not None}
