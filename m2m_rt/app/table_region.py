"""What a table answers to poses around its planned one: maps of reasons and bounds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import EfieldLookup, PoseFault, RegionGuard
from m2m_rt.units import F64

N_STEPS = 41
"""Along each axis of a map."""

BEYOND = 1.5
"""How much more than what is allowed a map shows."""

N_SLIDES = 12
SETTLED_MM = 0.02


@dataclass(frozen=True, slots=True)
class PoseMap:
    """A table's answers over two of a pose's six freedoms."""

    title: str
    labels: tuple[str, str]
    x: F64
    """(nx,)"""

    y: F64
    """(ny,)"""

    reasons: tuple[PoseFault | None, ...]
    """(ny · nx), x running fastest."""

    bound: F64
    """(ny, nx): of the table's own relative error; NaN where refused."""


def pose_maps(lookup: EfieldLookup) -> tuple[PoseMap, ...]:
    """Return maps over sideways offsets, over tilts, and over height and tilt.

    The middle of each is the planned pose.
    """
    region = lookup.table.region
    offsets_mm = _steps(region.max_offset_mm)
    tilts_deg = _steps(region.max_tilt_deg)
    heights_mm = np.linspace(-5.0, BEYOND * region.max_winding_mm, N_STEPS)
    poses = _Poses(lookup.guard, region.planned_head_from_coil)
    return (
        _map(
            lookup,
            "centre moved, flat on the scalp",
            ("along coil x (mm)", "along coil y (mm)"),
            (offsets_mm, offsets_mm, poses.moved),
        ),
        _map(
            lookup,
            "tilted, windings as near as planned",
            ("tilt about coil y (°)", "tilt about coil x (°)"),
            (tilts_deg, tilts_deg, poses.tilted),
        ),
        _map(
            lookup,
            "lifted and tilted",
            ("tilt about coil y (°)", "lifted (mm)"),
            (tilts_deg, heights_mm, poses.lifted),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Poses:
    """Poses (4, 4) made from the planned one."""

    guard: RegionGuard
    planned: F64

    def moved(self, x_mm: float, y_mm: float) -> F64:
        """Move the centre sideways and lay the coil flat on the scalp there."""
        pose = self.planned.copy()
        pose[:3, 3] += x_mm * pose[:3, 0] + y_mm * pose[:3, 1]
        return self._as_near(pose, flat=True)

    def tilted(self, about_y_deg: float, about_x_deg: float) -> F64:
        """Tilt about the coil's own axes, then lift the windings off the scalp."""
        pose = self.planned.copy()
        turn = np.radians(about_x_deg) * np.array((1.0, 0.0, 0.0))
        turn += np.radians(about_y_deg) * np.array((0.0, 1.0, 0.0))
        pose[:3, :3] = pose[:3, :3] @ _rotation(turn)
        return self._as_near(pose, flat=False)

    def lifted(self, about_y_deg: float, height_mm: float) -> F64:
        """Lift the centre along the scalp's normal and tilt about the coil's y axis."""
        pose = self.planned.copy()
        turn = np.radians(about_y_deg) * np.array((0.0, 1.0, 0.0))
        pose[:3, :3] = pose[:3, :3] @ _rotation(turn)
        pose[:3, 3] += height_mm * self.guard.planned_outward
        return pose

    def _as_near(self, pose: F64, *, flat: bool) -> F64:
        """Slide along the planned normal until the windings are as near as planned."""
        outward = self.guard.planned_outward
        wanted_mm = self.guard.nearest_winding_mm(self.planned)
        for _ in range(N_SLIDES):
            normal = self.guard.outward_normal(pose[:3, 3])
            if normal is None:
                break
            if flat:
                pose[:3, :3] = _laid(self.planned[:3, :3], -normal)
            short_mm = wanted_mm - self.guard.nearest_winding_mm(pose)
            if abs(short_mm) < SETTLED_MM:
                break
            pose[:3, 3] += short_mm * outward
        return pose


def _map(
    lookup: EfieldLookup,
    title: str,
    labels: tuple[str, str],
    axes: tuple[F64, F64, Callable[[float, float], F64]],
) -> PoseMap:
    x, y, pose_at = axes
    poses = np.stack([pose_at(a, b) for b in y.tolist() for a in x.tolist()])
    reasons: list[PoseFault | None] = []
    bounds = []
    # Row by row: the fields of a whole map are tens of megabytes that nobody wants.
    for row in poses.reshape(len(y), len(x), 4, 4):
        answer = lookup.query_batch(row)
        reasons.extend(answer.reasons)
        bounds.append(answer.table_rel_error)
    return PoseMap(title, labels, x, y, tuple(reasons), np.stack(bounds))


def _steps(allowed: float) -> F64:
    return np.linspace(-BEYOND * allowed, BEYOND * allowed, N_STEPS)


def _laid(planned: F64, z_axis: F64) -> F64:
    """Return the planned turn (3, 3) carried to another z axis the shortest way."""
    axis = np.cross(planned[:, 2], z_axis)
    sine = float(np.linalg.norm(axis))
    if sine == 0.0:
        return planned
    angle = float(np.arctan2(sine, planned[:, 2] @ z_axis))
    return _rotation(axis / sine * angle) @ planned


def _rotation(turn: F64) -> F64:
    """Return the rotation by a vector's length about its direction."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(turn).as_matrix(), np.float64)
