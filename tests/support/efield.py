"""A small made-up E-field table on a spherical head, complete and quick to make.

Its numbers have no physics beyond shapes, smoothness, frames and sizes: E is a random
linear function of the coil's B at the sensors. The coil's B is that of magnetic dipoles
arranged as a figure of eight.
"""

import numpy as np

from m2m_rt.efield import (
    CoilField,
    EfieldTable,
    ErrorBound,
    PlannedRegion,
    Provenance,
    RegionOfInterest,
    ScalpDistance,
    Uncertainty,
)
from m2m_rt.units import F32, F64, I64

HEAD_RADIUS_MM = 90.0
SENSOR_RADIUS_MM = 80.0
CORTEX_RADIUS_MM = 72.0
PLANNED_DIRECTION = np.array((-0.55, -0.2, 0.81)) / np.linalg.norm((-0.55, -0.2, 0.81))
WING_RADIUS_MM = 35.0
WING_CENTRES_MM = np.array(((-37.0, 0.0, -3.0), (37.0, 0.0, -3.0)))


def make_synthetic_table(
    *, n_roi: int = 200, rank: int = 12, n_sensors: int = 40, seed: int = 0
) -> EfieldTable:
    """Return a table with the region limits of the demo, on a 90 mm sphere."""
    rng = np.random.default_rng(seed)
    coil = _figure_of_eight()
    sensors_mm = SENSOR_RADIUS_MM * _cap(n_sensors, spread=0.6, rng=rng)
    project = rng.normal(size=(rank, 3 * n_sensors)).astype(np.float32)
    basis = rng.normal(size=(3 * n_roi, rank)).astype(np.float32)
    region = _region()
    peak = _peak_at_planned_pose(coil, region, sensors_mm, basis @ project)
    return EfieldTable(
        name="synthetic-sphere",
        coil=coil,
        region=region,
        roi=_roi(n_roi, rng),
        sensors_mm=sensors_mm,
        project=project,
        basis=basis,
        planned_peak_v_per_m=peak,
        self_error=0.01,
        provenance=_provenance(),
        table_hash="",
        singular_values=np.geomspace(1.0, 1e-4, rank),
        bound=ErrorBound(
            error_map=(0.003 * rng.normal(size=(4, rank))).astype(np.float32),
            floor=0.0005,
            inflation=1.2,
            n_fitted=60,
            n_calibrated=40,
        ),
        fem_rel_error=0.1,
        uncertainty=Uncertainty(
            conductivity_change=0.25,
            conductivity_rel_error={"scalp": 0.01, "skull": 0.02},
            coil_rel_error=0.09,
            coil_source="nothing: numbers for tests",
        ),
    )


def planned_pose() -> F64:
    """Return a pose 8 mm of winding distance above the sphere's planned point."""
    z_axis = -PLANNED_DIRECTION
    x_axis = np.cross((0.0, 1.0, 0.0), z_axis)
    x_axis /= np.linalg.norm(x_axis)
    pose = np.eye(4)
    pose[:3, :3] = np.stack((x_axis, np.cross(z_axis, x_axis), z_axis), axis=1)
    pose[:3, 3] = PLANNED_DIRECTION * (HEAD_RADIUS_MM + 5.0)
    return pose


def dipole_field(points_mm: F64, dipoles_mm: F64, moments: F64) -> F64:
    """Return B (n, 3) of magnetic dipoles, in units where µ0/4π is one, mm."""
    apart = points_mm[:, np.newaxis] - dipoles_mm  # (n, n_dipoles, 3)
    r2 = (apart**2).sum(axis=2) + 25.0
    along = (apart * moments).sum(axis=2)
    b: F64 = (
        3.0 * along[..., np.newaxis] * apart / r2[..., np.newaxis] ** 2.5
        - moments / r2[..., np.newaxis] ** 1.5
    ).sum(axis=1)
    return b


def figure_of_eight_dipoles() -> tuple[F64, F64]:
    """Return positions and moments (n, 3) of two opposite wings, coil frame."""
    angles = np.linspace(0.0, 2.0 * np.pi, 12, endpoint=False)
    ring = np.stack((np.cos(angles), np.sin(angles), 0.0 * angles), axis=1)
    wing = np.concatenate((10.0 * ring, 25.0 * ring))
    positions = np.concatenate([centre + wing for centre in WING_CENTRES_MM])
    moments = np.zeros_like(positions)
    moments[: len(wing), 2], moments[len(wing) :, 2] = 1.0, -1.0
    return positions, moments


def _figure_of_eight() -> CoilField:
    spacing_mm = 8.0
    origin_mm = np.array((-176.0, -176.0, -16.0))
    shape = (45, 45, 26)
    nodes_mm = (
        np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
        * spacing_mm
        + origin_mm
    )
    positions, moments = figure_of_eight_dipoles()
    b = dipole_field(nodes_mm.reshape(-1, 3), positions, moments)
    angles = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
    ring = np.stack((np.cos(angles), np.sin(angles), 0.0 * angles), axis=1)
    rings = [centre + WING_RADIUS_MM * ring for centre in WING_CENTRES_MM]
    return CoilField(
        name="synthetic-figure8",
        origin_mm=origin_mm,
        spacing_mm=spacing_mm,
        b_t_per_a_per_us=b.reshape(*shape, 3).astype(np.float32),
        winding_mm=np.concatenate(rings),
    )


def _region() -> PlannedRegion:
    spacing_mm = 5.0
    axis_mm = np.arange(-200.0, 200.1, spacing_mm)
    nodes_mm = np.stack(np.meshgrid(axis_mm, axis_mm, axis_mm, indexing="ij"), axis=-1)
    distance_mm = np.linalg.norm(nodes_mm, axis=-1) - HEAD_RADIUS_MM
    return PlannedRegion(
        planned_head_from_coil=planned_pose(),
        max_offset_mm=30.0,
        max_tilt_deg=30.0,
        min_winding_mm=4.5,
        max_winding_mm=30.0,
        scalp=ScalpDistance(
            origin_mm=np.full(3, -200.0),
            spacing_mm=spacing_mm,
            distance_mm=distance_mm.astype(np.float32),
        ),
    )


def _roi(n_roi: int, rng: np.random.Generator) -> RegionOfInterest:
    directions = _cap(n_roi, spread=0.3, rng=rng)
    box_from_head = np.eye(4)
    box_from_head[:3, :3] /= 2.0
    box_from_head[:3, 3] = 16.0 - CORTEX_RADIUS_MM * PLANNED_DIRECTION / 2.0
    return RegionOfInterest(
        points_mm=CORTEX_RADIUS_MM * directions,
        normals=directions,
        box_index=_distinct_voxels(n_roi, rng),
        box_shape=(32, 32, 32),
        box_from_head=box_from_head,
    )


def _distinct_voxels(n_roi: int, rng: np.random.Generator) -> I64:
    flat = np.sort(rng.choice(32**3, size=n_roi, replace=False))
    return np.stack(np.unravel_index(flat, (32, 32, 32)), axis=1).astype(np.int64)


def _cap(n: int, *, spread: float, rng: np.random.Generator) -> F64:
    """Return unit vectors (n, 3) around the planned direction."""
    around = PLANNED_DIRECTION + spread * rng.normal(size=(n, 3))
    cap: F64 = around / np.linalg.norm(around, axis=1, keepdims=True)
    return cap


def _peak_at_planned_pose(
    coil: CoilField, region: PlannedRegion, sensors_mm: F64, e_from_b: F32
) -> float:
    pose = region.planned_head_from_coil
    in_coil_mm = (sensors_mm - pose[:3, 3]) @ pose[:3, :3]
    nearest = np.rint((in_coil_mm - coil.origin_mm) / coil.spacing_mm).astype(int)
    b = coil.b_t_per_a_per_us[tuple(nearest.T)] @ pose[:3, :3].T
    efield = (e_from_b @ b.ravel()).reshape(-1, 3)
    return float(np.linalg.norm(efield, axis=1).max())


def _provenance() -> Provenance:
    return Provenance(
        head_name="sphere",
        mesh_sha256="0" * 64,
        coil_sha256="1" * 64,
        code_sha256="2" * 64,
        element_order=1,
        conductivities_s_per_m={"scalp": 0.465, "skull": 0.01},
        made_from="nothing: random numbers for tests",
    )
