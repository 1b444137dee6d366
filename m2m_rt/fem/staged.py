"""Tables built stage by stage, each kept as soon as it is done.

What depends on the head alone, its mesh and the fields of the source modes, is made
once and serves every coil.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from m2m_rt.efield import EfieldTable
from m2m_rt.fem.adaptive import AdaptSettings
from m2m_rt.fem.blocks import Blocks
from m2m_rt.fem.bound import bounded_by_blocks
from m2m_rt.fem.build import (
    BuildSettings,
    BuiltTable,
    Report,
    SolvedModes,
    TableSetup,
    solve_modes,
    table_of_modes,
)
from m2m_rt.fem.cache import kept_mesh
from m2m_rt.fem.check import held_out_poses
from m2m_rt.fem.direct import HeadModel, direct_fields, head_model
from m2m_rt.fem.means import BuildMeans, OpenMeans, problem_size
from m2m_rt.fem.memory import blocks_within, stated_gb
from m2m_rt.fem.mesh import HeadMesh, mesh_sha256
from m2m_rt.fem.reference import (
    NOT_COMPARED,
    REFERENCE_SOURCE,
    Reference,
    fem_error,
    reference_errors,
    reference_of,
)
from m2m_rt.fem.region_mesh import region_mesh
from m2m_rt.fem.uncertainty import (
    coil_error_of,
    conductivity_errors,
    uncertainty_of,
)
from m2m_rt.fem.work_folder import WorkFolder, kept
from m2m_rt.units import F64


def build_from_setup(
    setup: TableSetup,
    base: HeadMesh,
    settings: BuildSettings,
    report: Report,
    means: BuildMeans | None = None,
) -> BuiltTable:
    """Return the table of one coil with its bound and errors, and its mesh.

    Parameters
    ----------
    means
        None: one process, any memory, and nothing kept of an unfinished build.

    Raises
    ------
    ConfigError
        If it cannot be done with these means.
    """
    whole = HeadBuild(setup, base, settings, report)
    return build_for_coils(whole, [setup], means)[0]


@dataclass(frozen=True, slots=True)
class HeadBuild:
    """One head's part of a build, and how to build."""

    head: TableSetup
    """What it is about; its coil and region say only where mesh, sources and sensors
    are finest."""

    base: HeadMesh
    settings: BuildSettings
    report: Report
    is_adapted: bool = False
    """The base is a mesh that was adapted to the region before."""

    @property
    def order(self) -> int:
        """Of the elements."""
        return self.settings.element_order

    @property
    def inputs(self) -> tuple[object, ...]:
        """All that the head's part of the work follows from."""
        return self.head, mesh_sha256(self.base), self.settings, self.is_adapted

    def model(self, mesh: HeadMesh, order: int) -> HeadModel:
        """Return the factorised elements on a mesh of this head."""
        return head_model(
            mesh,
            self.head.roi.points_mm,
            order=order,
            conductivities=self.settings.conductivities,
        )

    def mesh(self, work: WorkFolder) -> HeadMesh:
        """Return the mesh to solve on."""
        if self.order == 1 or self.is_adapted:
            return self.base
        return kept_mesh(work.folder / "adapted.h5", self._adapted)

    def _adapted(self) -> HeadMesh:
        self.report("finer mesh", 0.0)
        return region_mesh(
            self.base,
            self.head,
            AdaptSettings(conductivities=self.settings.conductivities),
            lambda part: self.report("finer mesh", part),
        )


def build_for_coils(
    build: HeadBuild, coils: Sequence[TableSetup], means: BuildMeans | None = None
) -> list[BuiltTable]:
    """Return a table a coil over one head, its modes solved once.

    Raises
    ------
    ConfigError
        If it cannot be done with these means.
    """
    means = means or BuildMeans()
    head, settings = build.head, build.settings
    # The adapted mesh is larger still: refuse before it is made if the base is too big.
    blocks_within(means.max_memory_gb, problem_size(head, build.base, settings))
    with means.opened(*build.inputs) as opened:
        mesh = build.mesh(opened.work)
        stages = [_coil_stages(build, setup, opened, len(coils)) for setup in coils]
        tables = _bounded_tables(build, mesh, stages, opened, means.max_memory_gb)
        if build.order > 1:
            tables = _with_fem_errors(build, mesh, stages, tables)
        else:
            tables = [replace(table, fem_source=NOT_COMPARED) for table in tables]
        tables = _with_uncertainty(build, stages, tables)
        kept_work = None if means.cache is None else opened.work
    return [BuiltTable(table, mesh, kept_work) for table in tables]


def _bounded_tables(
    build: HeadBuild,
    mesh: HeadMesh,
    stages: "list[_CoilStages]",
    opened: OpenMeans,
    max_memory_gb: float | None,
) -> list[EfieldTable]:
    """Return the tables with their bounds; the mesh's factor is gone afterwards."""
    size = problem_size(build.head, mesh, build.settings)
    sizes = blocks_within(max_memory_gb, size)
    build.report(f"assembly (up to {stated_gb(size, sizes):.1f} GB)", 0.0)
    model = build.model(mesh, build.order)
    blocks = opened.blocks(model, build.head, sizes)
    solved = solve_modes(build.head, model, build.settings, build.report, blocks)
    tables = [each.bounded_table(solved, blocks) for each in stages]
    if build.order > 1:
        for each, table in zip(stages, tables, strict=True):
            each.keep_own_fields(table, model)
    return tables


@dataclass(frozen=True, slots=True)
class _CoilStages:
    """What is done for one coil; steps are named for it where there are several."""

    setup: TableSetup
    settings: BuildSettings
    report: Report
    work: WorkFolder

    def bounded_table(self, solved: SolvedModes, blocks: Blocks) -> EfieldTable:
        """Return the table with its bound."""
        table = table_of_modes(
            self.setup, solved, self.settings, self.report, self.work
        )
        return bounded_by_blocks(
            table,
            self.setup.coil,
            self.settings.bound,
            replace(blocks, work=self.work),
            lambda part: self.report("direct solves", part),
        )

    def keep_own_fields(self, table: EfieldTable, model: HeadModel) -> None:
        """Keep the table's own elements' fields at the poses of the reference."""
        poses = self._reference_poses(table)

        def solved() -> tuple[F64]:
            return (direct_fields(model, self.setup.coil, poses),)

        kept(self.work, ("own-fields",), solved)

    def fem_error(self, table: EfieldTable, reference: Reference) -> F64:
        """Return how far these fields are from finer elements', shape ()."""
        found = reference_errors(
            self.work.view("own-fields"),
            reference,
            self.setup.coil,
            self._reference_poses(table),
            lambda part: self.report("reference", part),
        )
        return np.array(fem_error(table, found))

    def _reference_poses(self, table: EfieldTable) -> F64:
        settings = self.settings.reference
        rng = np.random.default_rng(settings.seed)
        return held_out_poses(table, settings.n_poses, rng)


def _coil_stages(
    build: HeadBuild, setup: TableSetup, opened: OpenMeans, n_coils: int
) -> _CoilStages:
    def named(step: str, done: float) -> None:
        build.report(f"{step}, {setup.coil.name}", done)

    report = build.report if n_coils == 1 else named
    work = opened.work.part("coil", setup, build.settings)
    return _CoilStages(setup, build.settings, report, work)


def _with_fem_errors(
    build: HeadBuild,
    mesh: HeadMesh,
    stages: list[_CoilStages],
    tables: list[EfieldTable],
) -> list[EfieldTable]:
    """Return the tables with the error of their mesh; the finer one is made once."""
    missing = [s.work.read("reference") is None for s in stages]
    if any(missing):
        stages[missing.index(True)].report("reference", 0.0)
        centre_mm = build.head.region.planned_head_from_coil[:3, 3]
        reference = reference_of(
            mesh, build.head.roi.points_mm, centre_mm, build.settings.conductivities
        )
        for each, table, is_missing in zip(stages, tables, missing, strict=True):
            if is_missing:
                each.report("reference", 0.0)
                each.work.write("reference", each.fem_error(table, reference))
    return [
        replace(
            table,
            fem_rel_error=float(each.work.view("reference")),
            fem_source=REFERENCE_SOURCE,
        )
        for each, table in zip(stages, tables, strict=True)
    ]


def _with_uncertainty(
    build: HeadBuild, stages: list[_CoilStages], tables: list[EfieldTable]
) -> list[EfieldTable]:
    """Return the tables with what neither bound nor mesh error covers."""
    missing = [s for s in stages if s.work.read("conductivities") is None]
    if missing:
        build.report("conductivities", 0.0)
        errors = conductivity_errors(
            build.model(build.base, 1),
            [(s.setup.coil, s.setup.region.planned_head_from_coil) for s in missing],
            lambda part: build.report("conductivities", part),
        )
        for each, found in zip(missing, errors, strict=True):
            each.work.write("conductivities", found)
    return [
        replace(
            table,
            uncertainty=uncertainty_of(
                each.work.view("conductivities"), coil_error_of(each.setup.coil)
            ),
        )
        for each, table in zip(stages, tables, strict=True)
    ]
