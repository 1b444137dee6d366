"""Which coil poses a table answers: its planned region, with a reason for each no."""

import enum

import numpy as np

from m2m_rt.efield import kernels
from m2m_rt.efield.table import PlannedRegion
from m2m_rt.errors import DataError
from m2m_rt.geometry import RIGID_TOLERANCE
from m2m_rt.units import F64


class PoseFault(enum.StrEnum):
    """Why a coil pose gets no field."""

    NOT_FINITE = "not_finite"
    """NaN or infinite entries: the coil is not tracked."""

    NOT_RIGID = "not_rigid"
    """Not 4×4, or sheared, scaled, mirrored."""

    OUTSIDE_REGION = "outside_region"
    """The centre is farther from the planned one than the table was made for."""

    WRONG_SIDE = "wrong_side"
    """The centre is over a part of the head that faces away from the planned one."""

    FACING_AWAY = "facing_away"
    """The coil's z axis points out of the head."""

    TILTED = "tilted"
    """The z axis is too far from the inward scalp normal."""

    TOO_NEAR = "too_near"
    """A winding is nearer to the scalp than the table's sources, or inside the head."""

    TOO_FAR = "too_far"
    """The nearest winding is farther from the scalp than the table was made for."""

    OUTSIDE_COIL_GRID = "outside_coil_grid"
    """A sensor in the head lies beyond the grid of the coil's field."""


_FAULT_OF_CODE: dict[int, PoseFault | None] = {
    kernels.OK: None,
    kernels.NOT_FINITE: PoseFault.NOT_FINITE,
    kernels.NOT_RIGID: PoseFault.NOT_RIGID,
    kernels.OUTSIDE_REGION: PoseFault.OUTSIDE_REGION,
    kernels.WRONG_SIDE: PoseFault.WRONG_SIDE,
    kernels.FACING_AWAY: PoseFault.FACING_AWAY,
    kernels.TILTED: PoseFault.TILTED,
    kernels.TOO_NEAR: PoseFault.TOO_NEAR,
    kernels.TOO_FAR: PoseFault.TOO_FAR,
    kernels.OUTSIDE_COIL_GRID: PoseFault.OUTSIDE_COIL_GRID,
}


def fault_of(code: int) -> PoseFault | None:
    """Return the fault that a kernel's code stands for; None for an allowed pose."""
    return _FAULT_OF_CODE[code]


class RegionGuard:
    """Judges coil poses against one region for one coil's winding."""

    def __init__(self, region: PlannedRegion, winding_mm: F64) -> None:
        """Copy what is needed of a region and of winding points (n, 3), coil frame.

        Raises
        ------
        DataError
            If the scalp's normal cannot be told at the planned centre.
        """
        scalp = kernels.Grid(
            np.array(region.scalp.origin_mm, np.float64),
            1.0 / region.scalp.spacing_mm,
            np.array(region.scalp.distance_mm, np.float32),
        )
        self.planned_centre_mm = np.array(
            region.planned_head_from_coil[:3, 3], np.float64
        )
        self.planned_outward = np.zeros(3)
        """(3,): unit normal of the scalp under the planned centre, out of the head."""
        if not kernels.outward_normal(
            scalp, self.planned_centre_mm, self.planned_outward
        ):
            raise DataError("region: the planned centre is not inside the scalp grid")
        limits = (
            region.max_offset_mm,
            np.cos(np.radians(region.max_tilt_deg)),
            region.min_winding_mm,
            region.max_winding_mm,
            RIGID_TOLERANCE,
        )
        self.constants = kernels.Guard(
            self.planned_centre_mm,
            self.planned_outward,
            np.array(limits, np.float64),
            np.array(np.transpose(winding_mm), np.float64, order="C"),
            scalp,
        )
        """For the kernels."""

    def fault(self, head_from_coil: F64) -> PoseFault | None:
        """Return why a pose (4, 4) is refused, or None if the region allows it."""
        if np.shape(head_from_coil) != (4, 4):
            return PoseFault.NOT_RIGID
        pose = np.array(head_from_coil, np.float64, order="C")
        return fault_of(kernels.judge(pose, self.constants))

    def outward_normal(self, point_mm: F64) -> F64 | None:
        """Return the scalp's unit normal (3,) near a point, None beyond the grid."""
        normal = np.zeros(3)
        point = np.array(point_mm, np.float64)
        found = kernels.outward_normal(self.constants.scalp, point, normal)
        return normal if found else None

    def nearest_winding_mm(self, head_from_coil: F64) -> float:
        """Return the distance of the nearest winding point to the scalp, mm.

        A lower bound if that point lies beyond the scalp's grid.
        """
        pose = np.array(head_from_coil, np.float64, order="C")
        least, _ = kernels.winding_distances(pose, self.constants)
        return float(least)
