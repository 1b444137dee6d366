"""What a build may use; its table depends on none of it but by rounding."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from m2m_rt.fem.adaptive import ZONE_MM
from m2m_rt.fem.blocks import Blocks, SerialPool
from m2m_rt.fem.build import BuildSettings, TableSetup
from m2m_rt.fem.dask_blocks import DaskPool, ModelRecipe, dask_client
from m2m_rt.fem.direct import HeadModel
from m2m_rt.fem.memory import BlockSizes, ProblemSize
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.refine import near_points
from m2m_rt.fem.work_folder import WorkFolder, temporary_work, work_folder

if TYPE_CHECKING:
    from distributed import Client

EDGES_A_TET = 1.25
"""Of a zone of second order; 7/6 without its boundary."""


@dataclass(frozen=True, slots=True)
class OpenMeans:
    """Means at hand: a work folder and perhaps a cluster."""

    work: WorkFolder
    client: "Client | None"

    def blocks(self, model: HeadModel, setup: TableSetup, sizes: BlockSizes) -> Blocks:
        """Return where and how the blocks of a head's model are solved."""
        if self.client is None:
            return Blocks(SerialPool(model), self.work, sizes)
        recipe = ModelRecipe.of(model, setup.roi.points_mm)
        pool = DaskPool(self.client, recipe, sizes.in_flight)
        return Blocks(pool, self.work, sizes)


@dataclass(frozen=True, slots=True)
class BuildMeans:
    """What a build may use."""

    cache: Path | None = None
    """Where unfinished work is kept; None: a killed build starts over."""

    max_memory_gb: float | None = None
    """Of each process; None: no limit."""

    dask: str | None = None
    """A scheduler's address or `local:N`; None: all in this process."""

    @contextlib.contextmanager
    def opened(self, *inputs: object) -> Iterator[OpenMeans]:
        """Yield the means for a build that follows from the inputs.

        Raises
        ------
        ConfigError
            If there is no such cluster, or another process does the same build.
        """
        with contextlib.ExitStack() as stack:
            if self.cache is None:
                work = stack.enter_context(temporary_work())
            else:
                work = work_folder(self.cache, *inputs)
                stack.enter_context(work.locked())
            client = None
            if self.dask is not None:
                client = stack.enter_context(dask_client(self.dask))
            yield OpenMeans(work, client)


def problem_size(
    setup: TableSetup, mesh: HeadMesh, settings: BuildSettings
) -> ProblemSize:
    """Return the numbers that a build's memory depends on."""
    n_unknowns = len(mesh.nodes_mm)
    if settings.element_order > 1:
        zone = near_points(mesh, setup.roi.points_mm, ZONE_MM)
        n_unknowns += int(EDGES_A_TET * zone.sum())
    return ProblemSize(
        n_tets=len(mesh.tetrahedra),
        n_unknowns=n_unknowns,
        n_roi=len(setup.roi.points_mm),
        n_sources=settings.modes.n_sources,
        n_modes=settings.modes.n_modes,
        n_training_poses=settings.modes.n_training_poses,
        has_reference=settings.element_order > 1,
    )
