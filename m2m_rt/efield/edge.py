"""How far inside its region a coil pose lies."""

import numpy as np

from m2m_rt.efield.region import RegionGuard
from m2m_rt.efield.table import PlannedRegion
from m2m_rt.errors import DataError
from m2m_rt.units import F64


def edge_margin(
    region: PlannedRegion, guard: RegionGuard, head_from_coil: F64
) -> float:
    """Return the distance of an allowed pose (4, 4) to the region's nearest edge.

    As a fraction of what is allowed of each: 1 in the middle of the offset, the tilt
    and the winding's distance, 0 on the edge of any of them.

    Raises
    ------
    DataError
        If the scalp's normal cannot be told at the pose's centre.
    """
    centre_mm = head_from_coil[:3, 3]
    normal = guard.outward_normal(centre_mm)
    if normal is None:
        raise DataError("pose: its centre is not inside the scalp grid")
    away_mm = centre_mm - guard.planned_centre_mm
    across_mm = away_mm - (away_mm @ guard.planned_outward) * guard.planned_outward
    into = np.clip(-(head_from_coil[:3, 2] @ normal), -1.0, 1.0)
    winding_mm = guard.nearest_winding_mm(head_from_coil)
    half_mm = 0.5 * (region.max_winding_mm - region.min_winding_mm)
    middle_mm = region.min_winding_mm + half_mm
    used = (
        float(np.linalg.norm(across_mm)) / region.max_offset_mm,
        float(np.degrees(np.arccos(into))) / region.max_tilt_deg,
        abs(winding_mm - middle_mm) / half_mm,
    )
    return 1.0 - max(used)
