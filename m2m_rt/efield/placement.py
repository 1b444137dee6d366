"""A coil laid on the scalp, relative to the planned pose; grids of such poses."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from m2m_rt.efield.region import RegionGuard
from m2m_rt.errors import DataError
from m2m_rt.units import F64, Bools

_N_APPROACHES = 5
"""Fixed-point steps to the wanted distance; each leaves < 10 % of the error."""


@dataclass(frozen=True, slots=True)
class CoilPlacement:
    """A coil on the scalp, relative to the planned pose."""

    x_mm: float = 0.0
    """Of the centre, along the planned coil's x axis."""

    y_mm: float = 0.0

    yaw_deg: float = 0.0
    """Turn about the scalp's normal."""

    tilt_deg: float = 0.0
    """Lean away from the scalp's normal."""

    tilt_azimuth_deg: float = 0.0
    """About which axis of the coil's plane it leans; 0 is its x axis."""

    winding_mm: float = 4.8
    """Of the nearest winding to the scalp."""


@dataclass(frozen=True, slots=True)
class PoseGrid:
    """Poses that a coil may be put at: sites in a disc, at each some directions."""

    head_from_coil: F64
    """(n, 4, 4), mm."""

    offset_mm: F64
    """(n, 2): of the centre, along the planned coil's x and y axes."""

    yaw_deg: F64
    """(n,): from the planned handle direction."""

    spacing_mm: float

    @property
    def centre_mm(self) -> F64:
        """(n, 3): coil centres, head frame."""
        centres: F64 = self.head_from_coil[:, :3, 3]
        return centres

    def rows(self, chosen: Bools) -> "PoseGrid":
        """Return some of the poses."""
        return PoseGrid(
            self.head_from_coil[chosen],
            self.offset_mm[chosen],
            self.yaw_deg[chosen],
            self.spacing_mm,
        )


def pose_grid(
    guard: RegionGuard,
    planned_head_from_coil: F64,
    *,
    radius_mm: float,
    spacing_mm: float,
    yaws_deg: Sequence[float],
) -> PoseGrid:
    """Return every allowed pose of a square grid of sites in a disc, coil on the scalp.

    Raises
    ------
    DataError
        If none is allowed.
    """
    n_side = int(radius_mm / spacing_mm)
    steps = spacing_mm * np.arange(-n_side, n_side + 1)
    poses, places = [], []
    for x_mm, y_mm, yaw in product(steps, steps, yaws_deg):
        if np.hypot(x_mm, y_mm) > radius_mm:
            continue
        at = CoilPlacement(x_mm=float(x_mm), y_mm=float(y_mm), yaw_deg=yaw)
        pose = place_coil(guard, planned_head_from_coil, at)
        if guard.fault(pose) is None:
            poses.append(pose)
            places.append((x_mm, y_mm, yaw))
    if not poses:
        raise DataError(f"no allowed pose within {radius_mm:g} mm of the planned one")
    grid = np.array(places, np.float64)
    return PoseGrid(np.array(poses), grid[:, :2], grid[:, 2], spacing_mm)


def place_coil(
    guard: RegionGuard, planned_head_from_coil: F64, at: CoilPlacement
) -> F64:
    """Return `head_from_coil` of a coil that lies on the scalp as asked.

    The winding's distance is met to a few hundredths of a millimetre where the scalp
    is smooth; nothing here says that the pose is allowed.
    """
    x_axis, y_axis, z_axis, centre_mm = planned_head_from_coil[:3].T
    centre_mm = centre_mm + at.x_mm * x_axis + at.y_mm * y_axis
    head_from_coil = np.eye(4)
    for _ in range(_N_APPROACHES):
        found = guard.outward_normal(centre_mm)
        outward = -z_axis if found is None else found
        head_from_coil[:3, :3] = _orientation(y_axis, -outward, at)
        head_from_coil[:3, 3] = centre_mm
        missing_mm = at.winding_mm - guard.nearest_winding_mm(head_from_coil)
        centre_mm = centre_mm + missing_mm * outward
    head_from_coil[:3, 3] = centre_mm
    return head_from_coil


def _orientation(planned_y: F64, inward: F64, at: CoilPlacement) -> F64:
    """Return the coil's axes (3, 3) as columns: planned, laid flat, turned, leant."""
    y_axis = planned_y - (planned_y @ inward) * inward
    y_axis = y_axis / np.linalg.norm(y_axis)
    flat = np.column_stack((np.cross(y_axis, inward), y_axis, inward))
    yaw, tilt, azimuth = np.radians((at.yaw_deg, at.tilt_deg, at.tilt_azimuth_deg))
    turn = _about_z(yaw)
    lean = _about_z(azimuth) @ _about_x(tilt) @ _about_z(-azimuth)
    axes: F64 = flat @ turn @ lean
    return axes


def _about_z(angle: float) -> F64:
    c, s = np.cos(angle), np.sin(angle)
    return np.array(((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)))


def _about_x(angle: float) -> F64:
    c, s = np.cos(angle), np.sin(angle)
    return np.array(((1.0, 0.0, 0.0), (0.0, c, -s), (0.0, s, c)))
