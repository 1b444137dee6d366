"""Where a lab puts the coil: random poses around the planned one, on the scalp."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.efield import RegionGuard
from m2m_rt.units import F64

_N_APPROACHES = 5
"""Fixed-point steps to the wanted distance; each leaves < 10 % of the error."""


class DesignSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Which poses and intensities a recording visits."""

    site_radius_mm: Annotated[float, Meta(ge=0)] = 12.0
    """Sites lie evenly in a disc of this radius around the planned centre."""

    max_yaw_deg: Annotated[float, Meta(ge=0)] = 40.0
    """Either way from the planned handle direction."""

    max_tilt_deg: Annotated[float, Meta(ge=0)] = 6.0

    winding_mm: tuple[float, float] = (4.8, 10.0)
    """Least and largest distance of the nearest winding to the scalp."""

    intensities_pct_rmt: tuple[float, ...] = (100.0, 110.0, 120.0, 130.0, 140.0)
    """Equally often."""


@dataclass(frozen=True, slots=True)
class PlannedPulse:
    """One stimulus that a lab means to give."""

    head_from_coil: F64
    """(4, 4), SimNIBS convention, mm."""

    intensity_pct_rmt: float


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


def demo_design(
    rng: np.random.Generator,
    guard: RegionGuard,
    *,
    planned_head_from_coil: F64,
    n_pulses: int,
    settings: DesignSettings | None = None,
) -> tuple[PlannedPulse, ...]:
    """Return a recording's pulses in order; the guard allows every pose.

    A placement that the guard refuses (a winding beside a bump, say) is drawn anew.
    """
    how = settings or DesignSettings()
    pulses: list[PlannedPulse] = []
    while len(pulses) < n_pulses:
        pose = place_coil(guard, planned_head_from_coil, _draw_placement(rng, how))
        intensity = float(rng.choice(how.intensities_pct_rmt))
        if guard.fault(pose) is None:
            pulses.append(PlannedPulse(pose, intensity))
    return tuple(pulses)


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


def _draw_placement(rng: np.random.Generator, how: DesignSettings) -> CoilPlacement:
    """Return one random placement."""
    radius_mm = how.site_radius_mm * np.sqrt(rng.random())
    bearing = rng.uniform(0.0, 2.0 * np.pi)
    return CoilPlacement(
        x_mm=radius_mm * np.cos(bearing),
        y_mm=radius_mm * np.sin(bearing),
        yaw_deg=rng.uniform(-how.max_yaw_deg, how.max_yaw_deg),
        tilt_deg=rng.uniform(0.0, how.max_tilt_deg),
        tilt_azimuth_deg=rng.uniform(0.0, 360.0),
        winding_mm=rng.uniform(*how.winding_mm),
    )


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
