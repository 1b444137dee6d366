"""Random coil poses inside a table's region, for building, checking and simulation."""

import numpy as np

from m2m_rt.efield.region import RegionGuard
from m2m_rt.efield.table import PlannedRegion
from m2m_rt.errors import DataError
from m2m_rt.units import F64

MAX_TRIES = 200
SETTLED_MM = 0.01


def draw_pose(
    region: PlannedRegion, guard: RegionGuard, rng: np.random.Generator
) -> F64:
    """Return one `head_from_coil` (4, 4) drawn over the whole region.

    Uniform over the disc of centres, the tilt's angle and direction, any yaw, and the
    winding's distance to the scalp. A draw that the guard refuses (the bends of the
    scalp can make one impossible) is drawn again.

    Raises
    ------
    DataError
        If the region refuses every draw: it is empty, or its scalp grid too small.
    """
    for _ in range(MAX_TRIES):
        pose = _propose(region, guard, rng)
        if pose is not None and guard.fault(pose) is None:
            return pose
    raise DataError("region: no pose found inside it; is its scalp grid large enough?")


def _propose(
    region: PlannedRegion, guard: RegionGuard, rng: np.random.Generator
) -> F64 | None:
    """Slide a drawn coil along the planned normal to a drawn winding distance."""
    offset_mm = region.max_offset_mm * np.sqrt(rng.uniform())
    toward = _turned(_across(guard.planned_outward), guard.planned_outward, rng)
    tilt_deg = rng.uniform(0.0, region.max_tilt_deg)
    winding_mm = rng.uniform(region.min_winding_mm, region.max_winding_mm)
    seed = rng.integers(2**63)
    centre_mm = guard.planned_centre_mm + offset_mm * toward
    for _ in range(30):
        normal = guard.outward_normal(centre_mm)
        if normal is None:
            return None
        # The same tilt and yaw at every step, however the normal turns.
        pose = _tilted(normal, tilt_deg, np.random.default_rng(seed))
        pose[:3, 3] = centre_mm
        short_mm = winding_mm - guard.nearest_winding_mm(pose)
        if abs(short_mm) < SETTLED_MM:
            return pose
        centre_mm = centre_mm + short_mm * guard.planned_outward
    return None


def _tilted(outward: F64, tilt_deg: float, rng: np.random.Generator) -> F64:
    """Return a pose at the origin whose z axis leans off the inward normal."""
    lean = _turned(_across(outward), outward, rng)
    tilt = np.radians(tilt_deg)
    z_axis = np.sin(tilt) * lean - np.cos(tilt) * outward
    y_axis = _turned(_across(z_axis), z_axis, rng)
    pose = np.eye(4)
    pose[:3, :3] = np.stack((np.cross(y_axis, z_axis), y_axis, z_axis), axis=1)
    return pose


def _across(axis: F64) -> F64:
    """Return a unit vector at right angles to a unit vector."""
    helper = np.eye(3)[np.argmin(np.abs(axis))]
    across: F64 = np.cross(axis, helper)
    across /= np.linalg.norm(across)
    return across


def _turned(across: F64, axis: F64, rng: np.random.Generator) -> F64:
    """Return `across` turned about `axis` by a random angle."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    turned: F64 = np.cos(angle) * across + np.sin(angle) * np.cross(axis, across)
    return turned
