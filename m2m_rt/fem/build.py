"""Builds the E-field table of one head and one coil, from modes to basis."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from m2m_rt.efield import (
    CoilField,
    EfieldTable,
    PlannedRegion,
    Provenance,
    RegionGuard,
    RegionOfInterest,
    ScalpDistance,
    draw_pose,
)
from m2m_rt.fem.blocks import Blocks
from m2m_rt.fem.bound import BoundSettings
from m2m_rt.fem.code_hash import code_sha256
from m2m_rt.fem.coils import (
    CoilDipoles,
    coil_sha256,
    didt_b,
    sample_b,
)
from m2m_rt.fem.conductivity import DEFAULT_CONDUCTIVITIES, Conductivities
from m2m_rt.fem.direct import HeadModel
from m2m_rt.fem.mesh import HeadMesh, MesherSettings, mesh_sha256
from m2m_rt.fem.mode_blocks import mode_fields
from m2m_rt.fem.modes import (
    Layer,
    ModeSettings,
    SourceModes,
    reduce_modes,
    sensor_layer,
    source_layer,
    source_modes,
)
from m2m_rt.fem.reference import ReferenceSettings
from m2m_rt.fem.region_settings import RegionSettings
from m2m_rt.fem.roi import RoiSettings
from m2m_rt.fem.work_folder import Arrays, WorkFolder, kept
from m2m_rt.geometry import inverse, transform_points
from m2m_rt.units import F64

Report = Callable[[str, float], None]
"""Told the name of the step and the fraction of it that is done."""

COIL_GRID_MM = 4.0
COIL_GRID_MARGIN_MM = 12.0
"""Beyond the sensors of the poses drawn, for those not drawn."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """All that a table depends on, head and coil apart."""

    mesher: MesherSettings = field(default_factory=MesherSettings)
    region: RegionSettings = field(default_factory=RegionSettings)
    roi: RoiSettings = field(default_factory=RoiSettings)
    modes: ModeSettings = field(default_factory=ModeSettings)
    bound: BoundSettings = field(default_factory=BoundSettings)
    element_order: int = 2
    """1 = linear; 2 = second order near the ROI, on a mesh refined there."""

    reference: ReferenceSettings = field(default_factory=ReferenceSettings)
    conductivities: Conductivities = DEFAULT_CONDUCTIVITIES
    seed: int = 1
    """Of the training poses."""


@dataclass(frozen=True, slots=True)
class BuiltTable:
    """A table and the mesh that it can be checked against."""

    table: EfieldTable
    mesh: HeadMesh
    work: WorkFolder | None = None
    """What was kept on the way; to be removed once the table is written."""


@dataclass(frozen=True, slots=True)
class TableSetup:
    """What a table is about."""

    name: str
    """Of the head."""

    made_from: str
    """Sources of the anatomy and their licence notice."""

    coil: CoilDipoles
    region: PlannedRegion
    roi: RegionOfInterest
    scalp: ScalpDistance
    """Of the whole head; the source layer is one of its level sets."""


@dataclass(frozen=True, slots=True)
class ModeLayers:
    """Where a head's field comes from and where it is told from."""

    sources: Layer
    sensors: Layer
    modes: SourceModes


@dataclass(frozen=True, slots=True)
class SolvedModes:
    """The modes' fields, by whatever solver."""

    layers: ModeLayers
    efield: F64
    """(3 · n_roi, n_modes): V/m per A/µs, point-major."""

    provenance: Provenance


def tabulate(
    setup: TableSetup,
    model: HeadModel,
    settings: BuildSettings,
    report: Report,
    blocks: Blocks | None = None,
) -> EfieldTable:
    """Solve the modes, reduce them over the allowed poses, assemble the table.

    Parameters
    ----------
    blocks
        None: all in this process, and nothing is kept.
    """
    work = None if blocks is None else blocks.work
    solved = solve_modes(setup, model, settings, report, blocks)
    return table_of_modes(setup, solved, settings, report, work)


def solve_modes(
    head: TableSetup,
    model: HeadModel,
    settings: BuildSettings,
    report: Report,
    blocks: Blocks | None = None,
) -> SolvedModes:
    """Return the fields of the source modes, which serve every coil over the region.

    Parameters
    ----------
    head
        Its coil and region say only where sources and sensors are densest.
    """
    work = None if blocks is None else blocks.work
    report("sources and sensors", 0.0)
    layers = mode_layers(head, model.mesh, settings, work)
    efield = mode_fields(
        model,
        layers.sources,
        layers.modes,
        lambda part: report("source modes", part),
        blocks,
    )
    return SolvedModes(layers, efield, _provenance(head, model))


def mode_layers(
    setup: TableSetup,
    mesh: HeadMesh,
    settings: BuildSettings,
    work: WorkFolder | None = None,
) -> ModeLayers:
    """Return sources around the head, sensors in it, and the modes between them."""
    centre_mm = setup.region.planned_head_from_coil[:3, 3]

    def make() -> Arrays:
        sources = source_layer(setup.scalp, centre_mm, settings.modes)
        sensors = sensor_layer(mesh, centre_mm, settings.modes)
        modes = source_modes(sources, sensors, settings.modes.n_modes)
        return (
            *(sources.points_mm, sources.normals, sources.areas_mm2),
            *(sensors.points_mm, sensors.normals, sensors.areas_mm2),
            *(modes.moments, modes.from_b, modes.singular_values),
        )

    found = kept(work, tuple(f"layers.{k}" for k in range(9)), make)
    return ModeLayers(Layer(*found[:3]), Layer(*found[3:6]), SourceModes(*found[6:]))


def table_of_modes(
    setup: TableSetup,
    solved: SolvedModes,
    settings: BuildSettings,
    report: Report,
    work: WorkFolder | None = None,
) -> EfieldTable:
    """Reduce the modes' fields over a coil's allowed poses and assemble its table."""
    planned = setup.region.planned_head_from_coil
    modes, sensors_mm = solved.layers.modes, solved.layers.sensors.points_mm
    poses = _training_poses(setup, settings)

    def reduced() -> Arrays:
        report("coil at the sensors", 0.0)
        training_b = b_at_sensors(setup.coil, poses, sensors_mm, report)
        return reduce_modes(
            solved.efield, modes.from_b, training_b, settings.modes.rank
        )

    basis, project, singular = kept(work, ("basis", "project", "singular"), reduced)
    planned_b = b_at_sensors(setup.coil, planned[np.newaxis], sensors_mm, report)
    planned_field = (basis @ (project @ planned_b)).reshape(-1, 3)
    return EfieldTable(
        name=setup.name,
        coil=_coil_field(setup.coil, poses, sensors_mm, work),
        region=setup.region,
        roi=setup.roi,
        sensors_mm=sensors_mm,
        project=project.astype(np.float32),
        basis=basis.astype(np.float32),
        planned_peak_v_per_m=float(np.linalg.norm(planned_field, axis=1).max()),
        self_error=0.0,
        provenance=replace(solved.provenance, coil_sha256=coil_sha256(setup.coil)),
        table_hash="",
        singular_values=_spectrum(modes, singular, settings),
    )


def _training_poses(setup: TableSetup, settings: BuildSettings) -> F64:
    guard = RegionGuard(setup.region, setup.coil.winding_mm)
    rng = np.random.default_rng(settings.seed)
    n_poses = settings.modes.n_training_poses
    return np.stack([draw_pose(setup.region, guard, rng) for _ in range(n_poses)])


def b_at_sensors(coil: CoilDipoles, poses: F64, sensors_mm: F64, report: Report) -> F64:
    """Return dB/dt (3 · n_sensors, n) in the head frame, from the coil's dipoles."""
    columns = []
    for k, pose in enumerate(poses):
        local = didt_b(coil, transform_points(inverse(pose), sensors_mm))
        columns.append((local @ pose[:3, :3].T).ravel())
        report("coil at the sensors", (k + 1) / len(poses))
    return np.column_stack(columns)


def _coil_field(
    coil: CoilDipoles, poses: F64, sensors_mm: F64, work: WorkFolder | None
) -> CoilField:
    """Sample the coil's B wherever a sensor can be in the coil frame."""

    def sampled() -> Arrays:
        places = np.stack([transform_points(inverse(p), sensors_mm) for p in poses])
        origin_mm, b = sample_b(
            coil,
            low_mm=places.min(axis=(0, 1)) - COIL_GRID_MARGIN_MM,
            high_mm=places.max(axis=(0, 1)) + COIL_GRID_MARGIN_MM,
            spacing_mm=COIL_GRID_MM,
        )
        return origin_mm, b.astype(np.float64)

    origin_mm, b = kept(work, ("coil-origin", "coil-grid"), sampled)
    return CoilField(
        coil.name, origin_mm, COIL_GRID_MM, b.astype(np.float32), coil.winding_mm
    )


def _provenance(setup: TableSetup, model: HeadModel) -> Provenance:
    return Provenance(
        head_name=setup.name,
        mesh_sha256=mesh_sha256(model.mesh),
        coil_sha256=coil_sha256(setup.coil),
        code_sha256=code_sha256(),
        element_order=model.elements.order,
        conductivities_s_per_m=model.conductivities.by_name(),
        made_from=setup.made_from,
    )


def _spectrum(modes: SourceModes, reduced: F64, settings: BuildSettings) -> F64:
    """Return the kept modes' singular values, then the reduced basis's."""
    kept = modes.singular_values[: settings.modes.n_modes]
    return np.concatenate((kept, reduced[: settings.modes.rank]))
