"""The planned pose over the hand knob and the region of poses around it."""

from dataclasses import replace

import numpy as np

from m2m_rt.efield import PlannedRegion, RegionGuard, ScalpDistance
from m2m_rt.fem.coils import CoilDipoles, didt_a
from m2m_rt.fem.region_settings import RegionSettings
from m2m_rt.units import F64

HANDLE_DEG = 45.0
"""Handle to postero-lateral, from the sagittal plane (Brasil-Neto et al. 1992)."""

PLANNED_WINDING_MM = 5.5
FOCUS_DEPTH_MM = 20.0
FOCUS_REACH_MM = 80.0
"""Of the search for where a coil's field is strongest."""

LEAST_AT_CENTRE = 0.25
"""Of the strongest field. A bent coil's wings reach below the plane of the search, and
the field is strongest beside them, but it is placed by its fold."""


def plan_region(
    scalp: ScalpDistance,
    coil: CoilDipoles,
    knob_mm: F64,
    settings: RegionSettings | None = None,
) -> PlannedRegion:
    """Return the region about the pose that has its strongest field at the hand knob.

    The coil is tangential to the scalp point nearest to the knob, with its handle
    postero-lateral over either hemisphere, so its y axis, the handle's prolongation,
    looks antero-medially. A coil whose field is not strongest under its centre, a
    round one, is moved until its winding is there.
    """
    outward = _gradient(scalp, knob_mm)
    centre_mm = knob_mm + outward * _distance_along(scalp, knob_mm, outward)
    pose = _tangential(centre_mm, _gradient(scalp, centre_mm))
    settings = settings or RegionSettings()
    region = PlannedRegion(
        planned_head_from_coil=pose,
        max_offset_mm=settings.max_offset_mm,
        max_tilt_deg=settings.max_tilt_deg,
        min_winding_mm=settings.min_winding_mm,
        max_winding_mm=settings.max_winding_mm,
        scalp=scalp,
    )
    return settled_region(region, coil)


def settled_region(region: PlannedRegion, coil: CoilDipoles) -> PlannedRegion:
    """Return the region with its planned pose as this coil wants it.

    Parameters
    ----------
    region
        Its planned pose says where on the scalp a coil's strongest field is to be, and
        which way the handle points.
    """
    pose = region.planned_head_from_coil.copy()
    focus_mm = focus_of(coil)
    if focus_mm.any():
        pose = _moved(region.scalp, pose, focus_mm)
    guard = RegionGuard(region, coil.winding_mm)
    outward = -pose[:3, 2]
    for _ in range(20):
        short_mm = PLANNED_WINDING_MM - guard.nearest_winding_mm(pose)
        pose[:3, 3] += short_mm * outward
    return replace(region, planned_head_from_coil=pose)


def focus_of(coil: CoilDipoles) -> F64:
    """Return where in the coil's plane (3,) its E along +y is strongest, mm.

    At a depth of 20 mm, about the cortex. Zero for coils that are placed by their
    centre: those with a good part of the strongest field there.
    """
    line_mm = np.arange(-FOCUS_REACH_MM, FOCUS_REACH_MM + 1.0, 2.0)
    x, y = np.meshgrid(line_mm, line_mm, indexing="ij")
    plane_mm = np.stack((x, y, np.full_like(x, FOCUS_DEPTH_MM)), -1).reshape(-1, 3)
    along_y = -didt_a(coil, plane_mm)[:, 1]
    at_centre = along_y[(plane_mm[:, :2] == 0.0).all(axis=1)][0]
    if at_centre > LEAST_AT_CENTRE * along_y.max():
        return np.zeros(3)
    focus_mm: F64 = plane_mm[along_y.argmax()] * (1.0, 1.0, 0.0)
    return focus_mm


def _moved(scalp: ScalpDistance, pose: F64, focus_mm: F64) -> F64:
    """Return the pose, tangential again, with the focus where its centre was."""
    aim_mm, y_axis = pose[:3, 3].copy(), pose[:3, 1]
    for _ in range(10):
        on_scalp = aim_mm - pose[:3, :3] @ focus_mm
        on_scalp = on_scalp - _height(scalp, on_scalp) * _gradient(scalp, on_scalp)
        pose = _with_y_axis(on_scalp, _gradient(scalp, on_scalp), y_axis)
    return pose


def _tangential(centre_mm: F64, outward: F64) -> F64:
    angle = np.radians(-HANDLE_DEG if centre_mm[0] > 0.0 else HANDLE_DEG)
    antero_medial = np.array((np.sin(angle), np.cos(angle), 0.0))
    return _with_y_axis(centre_mm, outward, antero_medial)


def _with_y_axis(centre_mm: F64, outward: F64, wanted: F64) -> F64:
    """Return the tangential pose whose y axis is nearest to the one wanted."""
    y_axis = wanted - (wanted @ outward) * outward
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


def _height(scalp: ScalpDistance, point_mm: F64) -> float:
    """Return the distance (outside positive) to the scalp at the nearest grid node."""
    nearest = np.round((point_mm - scalp.origin_mm) / scalp.spacing_mm).astype(np.int64)
    return float(scalp.distance_mm[tuple(nearest)])


def _distance_along(scalp: ScalpDistance, point_mm: F64, outward: F64) -> float:
    """Return how far the scalp is from an inner point along a direction, mm."""
    steps_mm = np.arange(0.0, 60.0, 0.1)
    line_mm = point_mm + steps_mm[:, None] * outward
    index = np.round((line_mm - scalp.origin_mm) / scalp.spacing_mm).astype(np.int64)
    outside = scalp.distance_mm[tuple(index.T)] > 0.0
    return float(steps_mm[outside.argmax()])
