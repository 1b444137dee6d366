"""Where a lab puts the coil: random poses around the planned one, on the scalp."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.efield import CoilPlacement, RegionGuard, place_coil
from m2m_rt.units import F64


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
