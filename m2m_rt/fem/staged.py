"""A table built stage by stage, each kept as soon as it is done."""

from dataclasses import dataclass, replace

import numpy as np

from m2m_rt.efield import EfieldTable, Uncertainty
from m2m_rt.fem.bound import bounded_by_blocks
from m2m_rt.fem.build import BuildSettings, BuiltTable, Report, TableSetup, tabulate
from m2m_rt.fem.cache import kept_mesh
from m2m_rt.fem.coils import demo_coil
from m2m_rt.fem.direct import HeadModel, head_model
from m2m_rt.fem.means import BuildMeans, OpenMeans, problem_size
from m2m_rt.fem.memory import BlockSizes, blocks_within, stated_gb
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.reference import with_fem_error
from m2m_rt.fem.region_mesh import region_mesh
from m2m_rt.fem.tissues import CONDUCTIVITIES_S_PER_M
from m2m_rt.fem.uncertainty import (
    CONDUCTIVITY_CHANGE,
    DEMO_COIL_ERROR,
    UNKNOWN_COIL_ERROR,
    estimate_uncertainty,
)
from m2m_rt.fem.work_folder import Arrays, kept


def build_from_setup(
    setup: TableSetup,
    base: HeadMesh,
    settings: BuildSettings,
    report: Report,
    means: BuildMeans | None = None,
) -> BuiltTable:
    """Return the table with its bound and errors, and the mesh it was solved on.

    Parameters
    ----------
    means
        None: one process, any memory, and nothing kept of an unfinished build.

    Raises
    ------
    ConfigError
        If it cannot be done with these means.
    """
    means = means or BuildMeans()
    # The adapted mesh is larger still: refuse before it is made if the base is too big.
    blocks_within(means.max_memory_gb, problem_size(setup, base, settings))
    with means.opened(setup, base, settings) as opened:
        stages = _Stages(setup, base, settings, report, opened)
        mesh = stages.mesh()
        size = problem_size(setup, mesh, settings)
        sizes = blocks_within(means.max_memory_gb, size)
        report(f"assembly (up to {stated_gb(size, sizes):.1f} GB)", 0.0)
        table = stages.solved_table(
            head_model(mesh, setup.roi.points_mm, order=settings.element_order), sizes
        )
        table = replace(table, uncertainty=stages.uncertainty())
        kept_work = None if means.cache is None else opened.work
    return BuiltTable(table, mesh, kept_work)


@dataclass(frozen=True, slots=True)
class _Stages:
    """The stages of one build, in the order of its methods."""

    setup: TableSetup
    base: HeadMesh
    settings: BuildSettings
    report: Report
    means: OpenMeans

    def mesh(self) -> HeadMesh:
        """Return the mesh to solve on."""
        if self.settings.element_order == 1:
            return self.base
        return kept_mesh(self.means.work.folder / "adapted.h5", self._adapted)

    def solved_table(self, model: HeadModel, sizes: BlockSizes) -> EfieldTable:
        """Return the table with its bound and its mesh's error."""
        blocks = self.means.blocks(model, self.setup, sizes)
        table = tabulate(self.setup, model, self.settings, self.report, blocks)
        table = bounded_by_blocks(
            table,
            self.setup.coil,
            self.settings.bound,
            blocks,
            lambda part: self.report("direct solves", part),
        )
        if self.settings.element_order == 1:
            return table
        (error,) = kept(
            self.means.work, ("reference",), lambda: self._fem_error(table, model)
        )
        return replace(table, fem_rel_error=float(error))

    def uncertainty(self) -> Uncertainty:
        """Return what neither bound nor mesh error covers."""
        is_demo = self.setup.coil.name == demo_coil().name
        coil_error = DEMO_COIL_ERROR if is_demo else UNKNOWN_COIL_ERROR
        (errors,) = kept(self.means.work, ("conductivities",), self._conductivities)
        names = [tissue.name.lower() for tissue in CONDUCTIVITIES_S_PER_M]
        return Uncertainty(
            conductivity_change=CONDUCTIVITY_CHANGE,
            conductivity_rel_error=dict(zip(names, errors.tolist(), strict=True)),
            coil_rel_error=coil_error[0],
            coil_source=coil_error[1],
        )

    def _adapted(self) -> HeadMesh:
        return region_mesh(
            self.base,
            self.setup.roi.points_mm,
            self.setup.coil,
            self.setup.region,
            lambda part: self.report("finer mesh", part),
        )

    def _fem_error(self, table: EfieldTable, model: HeadModel) -> Arrays:
        measured = with_fem_error(
            table,
            model,
            self.setup.coil,
            self.settings.reference,
            lambda part: self.report("reference", part),
        )
        return (np.array(measured.fem_rel_error),)

    def _conductivities(self) -> Arrays:
        self.report("conductivities", 0.0)
        found = estimate_uncertainty(
            head_model(self.base, self.setup.roi.points_mm),
            self.setup.coil,
            self.setup.region.planned_head_from_coil,
            progress=lambda part: self.report("conductivities", part),
        )
        return (np.array(list(found.conductivity_rel_error.values())),)
