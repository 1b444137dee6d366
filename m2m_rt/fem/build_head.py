"""What tables of the demo head or of anybody's are about, for any coil and region."""

from dataclasses import dataclass, replace

from m2m_rt.efield import EfieldTable, RegionOfInterest
from m2m_rt.errors import ConfigError
from m2m_rt.fem.build import (
    BuildSettings,
    Report,
    TableSetup,
)
from m2m_rt.fem.coils import CoilDipoles, coil_sha256, demo_coil
from m2m_rt.fem.head import (
    DEMO_HEAD_SOURCES,
    HeadSurfaces,
    hand_knob_mm,
)
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.plan import focus_of, plan_region, settled_region
from m2m_rt.fem.region_settings import RegionSettings
from m2m_rt.fem.roi import motor_roi
from m2m_rt.fem.scalp import scalp_box, scalp_distance
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class MeshedHead:
    """A head that a table can be built for, and where in it to stimulate."""

    name: str
    made_from: str
    """Sources of the anatomy and their licence notice."""

    mesh: HeadMesh
    target_mm: F64
    """(3,): the place in the cortex that the planned pose is over."""


def setup_over_hand_knob(
    head: HeadSurfaces,
    mesh: HeadMesh,
    settings: BuildSettings,
    report: Report,
    coil: CoilDipoles | None = None,
) -> TableSetup:
    """Return what a table of the demo head's motor cortex is about."""
    meshed = MeshedHead(head.name, DEMO_HEAD_SOURCES, mesh, hand_knob_mm(head))
    roi = motor_roi(head, mesh, settings.roi)
    coil = coil or demo_coil()
    return setup_over_target(meshed, coil, roi, report, settings.region)


def setup_over_target(
    head: MeshedHead,
    coil: CoilDipoles,
    roi: RegionOfInterest,
    report: Report,
    settings: RegionSettings,
) -> TableSetup:
    """Return what a table over a head's target is about."""
    report("region and scalp", 0.0)
    scalp = scalp_distance(head.mesh, settings.scalp_grid_mm)
    box = scalp_box(head.mesh, head.target_mm, settings.scalp_grid_mm)
    region = plan_region(box, coil, head.target_mm, settings)
    return TableSetup(head.name, head.made_from, coil, region, roi, scalp)


def setup_like(
    table: EfieldTable, mesh: HeadMesh, coil: CoilDipoles, report: Report
) -> TableSetup:
    """Return what a table is about, to make others over the same head and region.

    Raises
    ------
    ConfigError
        If the table's planned pose does not say where the target is.
    """
    if focus_of(coil).any():
        raise ConfigError(
            "--like",
            f"a table for the coil {coil.name}, placed by its winding",
            "a table for a coil that is placed by its centre",
        )
    report("region and scalp", 0.0)
    return TableSetup(
        name=table.name,
        made_from=table.provenance.made_from,
        coil=coil,
        region=table.region,
        roi=table.roi,
        scalp=scalp_distance(mesh, table.region.scalp.spacing_mm),
    )


def setup_for_coil(head: TableSetup, coil: CoilDipoles) -> TableSetup:
    """Return the set-up of another coil over the same head, target and region size."""
    if coil_sha256(coil) == coil_sha256(head.coil):
        return head
    return replace(head, coil=coil, region=settled_region(head.region, coil))
