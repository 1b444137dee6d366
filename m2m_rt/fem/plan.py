"""The planned pose over the hand knob and the region of poses around it."""

from dataclasses import replace

import numpy as np

from m2m_rt.efield import PlannedRegion, RegionGuard, ScalpDistance
from m2m_rt.fem.coils import CoilDipoles
from m2m_rt.units import F64

HANDLE_DEG = 45.0
"""Handle to postero-lateral, from the sagittal plane (Brasil-Neto et al. 1992)."""

PLANNED_WINDING_MM = 5.5
MAX_OFFSET_MM = 30.0
MAX_TILT_DEG = 30.0
MIN_WINDING_MM = 4.5
MAX_WINDING_MM = 30.0


def plan_region(scalp: ScalpDistance, coil: CoilDipoles, knob_mm: F64) -> PlannedRegion:
    """Return the region about the pose nearest to the hand knob.

    The coil is tangential to the scalp point nearest to the knob, with its handle
    postero-lateral over either hemisphere, so its y axis, the handle's prolongation,
    looks antero-medially.
    """
    outward = _gradient(scalp, knob_mm)
    centre_mm = knob_mm + outward * _distance_along(scalp, knob_mm, outward)
    outward = _gradient(scalp, centre_mm)
    region = PlannedRegion(
        planned_head_from_coil=_tangential(centre_mm, outward),
        max_offset_mm=MAX_OFFSET_MM,
        max_tilt_deg=MAX_TILT_DEG,
        min_winding_mm=MIN_WINDING_MM,
        max_winding_mm=MAX_WINDING_MM,
        scalp=scalp,
    )
    guard = RegionGuard(region, coil.winding_mm)
    pose = region.planned_head_from_coil.copy()
    for _ in range(20):
        short_mm = PLANNED_WINDING_MM - guard.nearest_winding_mm(pose)
        pose[:3, 3] += short_mm * outward
    return replace(region, planned_head_from_coil=pose)


def _tangential(centre_mm: F64, outward: F64) -> F64:
    angle = np.radians(-HANDLE_DEG if centre_mm[0] > 0.0 else HANDLE_DEG)
    antero_medial = np.array((np.sin(angle), np.cos(angle), 0.0))
    y_axis = antero_medial - (antero_medial @ outward) * outward
    y_axis /= np.linalg.norm(y_axis)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack((np.cross(y_axis, -outward), y_axis, -outward))
    pose[:3, 3] = centre_mm
    return pose


def _gradient(scalp: ScalpDistance, point_mm: F64) -> F64:
    """Return the unit gradient of the distance, smoothed over a few nodes."""
    nearest = np.round((point_mm - scalp.origin_mm) / scalp.spacing_mm).astype(np.int64)
    x, y, z = (slice(k - 3, k + 4) for k in nearest)
    block = scalp.distance_mm[x, y, z].astype(np.float64)
    gradient = np.array([np.gradient(block, axis=axis).mean() for axis in range(3)])
    unit: F64 = gradient / np.linalg.norm(gradient)
    return unit


def _distance_along(scalp: ScalpDistance, point_mm: F64, outward: F64) -> float:
    """Return how far the scalp is from an inner point along a direction, mm."""
    steps_mm = np.arange(0.0, 60.0, 0.1)
    line_mm = point_mm + steps_mm[:, None] * outward
    index = np.round((line_mm - scalp.origin_mm) / scalp.spacing_mm).astype(np.int64)
    outside = scalp.distance_mm[tuple(index.T)] > 0.0
    return float(steps_mm[outside.argmax()])
