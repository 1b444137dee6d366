"""Builds the table of the demo head or of anybody's, for any coil and region."""

from dataclasses import dataclass
from pathlib import Path

from m2m_rt.efield import RegionOfInterest
from m2m_rt.fem.build import (
    BuildSettings,
    BuiltTable,
    Report,
    TableSetup,
    scalp_box,
    scalp_distance,
)
from m2m_rt.fem.cache import cached_head_mesh
from m2m_rt.fem.coils import CoilDipoles, demo_coil
from m2m_rt.fem.head import (
    DEMO_HEAD_SOURCES,
    HeadSurfaces,
    hand_knob_mm,
    load_demo_head,
)
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.plan import plan_region
from m2m_rt.fem.roi import motor_roi
from m2m_rt.fem.staged import build_from_setup
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


def build_demo_table(
    settings: BuildSettings, cache_folder: Path, report: Report
) -> BuiltTable:
    """Return the demo head's table for the demo coil; about half an hour from nothing.

    The mesh is kept in the cache folder and used again if its inputs are the same.
    """
    report("head surfaces", 0.0)
    head = load_demo_head()
    mesh = cached_head_mesh(head, settings.mesher, cache_folder, report)
    return build_table(head, mesh, settings, report)


def build_table(
    head: HeadSurfaces,
    mesh: HeadMesh,
    settings: BuildSettings,
    report: Report,
    coil: CoilDipoles | None = None,
) -> BuiltTable:
    """Return the table of the demo head's mesh for a coil, the demo coil by default."""
    setup = setup_over_hand_knob(head, mesh, settings, report, coil)
    return build_from_setup(setup, mesh, settings, report)


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
    return setup_over_target(meshed, coil or demo_coil(), roi, report)


def setup_over_target(
    head: MeshedHead, coil: CoilDipoles, roi: RegionOfInterest, report: Report
) -> TableSetup:
    """Return what a table over a head's target is about."""
    report("region and scalp", 0.0)
    scalp = scalp_distance(head.mesh)
    region = plan_region(scalp_box(head.mesh, head.target_mm), coil, head.target_mm)
    return TableSetup(head.name, head.made_from, coil, region, roi, scalp)
