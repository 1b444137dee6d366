"""What an E-field table holds: one head, one coil, one region of allowed poses."""

import math
from dataclasses import dataclass

from m2m_rt.units import F32, F64, I64


@dataclass(frozen=True, slots=True)
class CoilField:
    """One coil: its primary magnetic field on a grid fixed to the coil frame."""

    name: str
    """As rig files name it, for example `demo-figure8`."""

    origin_mm: F64
    """(3,): coil-frame position of grid node (0, 0, 0)."""

    spacing_mm: float
    """Distance of neighbouring nodes, the same along the three axes."""

    b_t_per_a_per_us: F32
    """(nx, ny, nz, 3): B in tesla-seconds-per-second, that is dB/dt per unit dI/dt of
    1 A/µs; components in the coil frame."""

    winding_mm: F64
    """(n, 3): points on the head-facing surface of the windings, coil frame. Their
    distance to the scalp decides whether a pose is allowed."""


@dataclass(frozen=True, slots=True)
class ScalpDistance:
    """Signed distance to the scalp on a grid in the head frame, positive outside."""

    origin_mm: F64
    """(3,)"""

    spacing_mm: float

    distance_mm: F32
    """(nx, ny, nz)"""


@dataclass(frozen=True, slots=True)
class PlannedRegion:
    """The coil poses that the table was made and checked for."""

    planned_head_from_coil: F64
    """(4, 4): the pose in the middle of the region, SimNIBS convention, mm."""

    max_offset_mm: float
    """Largest distance of the coil's centre, projected on the scalp's tangent plane at
    the planned pose, from the planned centre."""

    max_tilt_deg: float
    """Largest angle between the coil's z axis and the inward scalp normal nearest to
    the coil's centre."""

    min_winding_mm: float
    """Least distance from any winding point to the scalp."""

    max_winding_mm: float
    """Largest distance from the nearest winding point to the scalp."""

    scalp: ScalpDistance


@dataclass(frozen=True, slots=True)
class RegionOfInterest:
    """The cortical points at which the field is given, in the networks' order."""

    points_mm: F64
    """(n_roi, 3), head frame."""

    normals: F64
    """(n_roi, 3): unit normal of the nearest pial point, pointing out of the cortex."""

    box_index: I64
    """(n_roi, 3): place of each point in the box below, or −1 if it is in none."""

    box_shape: tuple[int, int, int]
    """Voxels of the networks' input volume, (32, 32, 32) by default."""

    box_from_head: F64
    """(4, 4): affine; voxel index of a head-frame point in mm."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a table comes from; all of it is written into the file as text."""

    head_name: str
    mesh_sha256: str
    coil_sha256: str
    code_sha256: str
    element_order: int
    """1 = linear tetrahedra; 2 = second order near the ROI, linear elsewhere."""

    conductivities_s_per_m: dict[str, float]
    """By tissue name."""

    made_from: str
    """Sources of the anatomy, with their licence notices."""


@dataclass(frozen=True, slots=True)
class ErrorBound:
    """How the table's own error is estimated from a query's coefficients c.

    Bound of ‖error‖ / ‖E‖: inflation · √(‖error_map @ c‖² / ‖c‖² + floor²). The basis
    has orthonormal columns, so ‖c‖ is ‖E‖.
    """

    error_map: F32
    """(n_error, rank): fitted on direct solves; V/m per A/µs of error by component."""

    floor: float
    """Relative error that the map leaves unexplained, root mean square."""

    inflation: float
    """Makes the estimate a bound: the conformal quantile over direct solves at other
    poses, and a margin."""

    n_fitted: int
    """Direct solves that the map was fitted on."""

    n_calibrated: int
    """Direct solves that the inflation was taken from."""


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What neither the table's bound nor its mesh's error covers."""

    conductivity_change: float
    """Relative change that each tissue's conductivity was given, up and down."""

    conductivity_rel_error: dict[str, float]
    """By tissue: the larger relative L2 change of E at the planned pose; none where it
    was not estimated."""

    coil_rel_error: float
    """Relative difference of the coil's B from a measured coil's; NaN if not known."""

    coil_source: str
    """Where that figure comes from."""

    @property
    def conductivity_total(self) -> float:
        """Root sum of squares over tissues: they are taken as independent.

        NaN if nothing is known of any.
        """
        changes = self.conductivity_rel_error.values()
        return math.hypot(*changes) if changes else math.nan


@dataclass(frozen=True, slots=True)
class EfieldTable:
    """Precomputed field per unit dI/dt: E = basis @ (project @ B at the sensors)."""

    name: str
    coil: CoilField
    region: PlannedRegion
    roi: RegionOfInterest

    sensors_mm: F64
    """(n_sensors, 3): where the coil's B is taken, on the outer CSF surface, head
    frame."""

    project: F32
    """(rank, 3 · n_sensors): from B at the sensors (head-frame components,
    sensor-major: x y z of sensor 0, then of sensor 1, …) to coefficients of the reduced
    basis."""

    basis: F32
    """(3 · n_roi, rank): E in V/m per A/µs, point-major: x y z of point 0, then …"""

    planned_peak_v_per_m: float
    """Largest |E| over the ROI at the planned pose, V/m per A/µs."""

    self_error: float
    """Median relative L2 error against direct solves on the same mesh when it was
    made; `m2m table check` measures it anew."""

    provenance: Provenance

    table_hash: str
    """sha256 of the table's file; empty until it has been written or read."""

    singular_values: F64
    """Of the source modes and after them of the reduced basis, for the report."""

    bound: ErrorBound | None = None
    """None in tables made before bounds were: their answers carry NaN."""

    fem_rel_error: float | None = None
    """Median relative L2 error of the table's own finite elements against a refined
    reference; None if it has not been measured."""

    fem_source: str | None = None
    """How that was measured, or why it was not; None in tables made before it was
    said."""

    uncertainty: Uncertainty | None = None
    """None if it has not been estimated."""
