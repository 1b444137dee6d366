"""The modes' fields at the ROI, in blocks of edges and then in blocks of modes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from m2m_rt.fem.blocks import Blocks, SerialPool
from m2m_rt.fem.direct import HeadModel
from m2m_rt.fem.memory import BlockSizes
from m2m_rt.fem.modes import Layer, SourceModes
from m2m_rt.fem.sources import unit_edge_integrals
from m2m_rt.fem.work_folder import temporary_work
from m2m_rt.units import F64

_EDGES = "edges-"


@dataclass(frozen=True, slots=True)
class ModeIntegrals:
    """Line integrals of all modes along some edges."""

    sources: Layer
    moments: F64
    """(n_sources, n_modes)"""

    def __call__(self, model: HeadModel, part: slice, /) -> F64:
        """Return (n_modes, n_edges of the part)."""
        ends_mm = model.mesh.nodes_mm[model.elements.edges[part]]
        each = unit_edge_integrals(
            ends_mm, self.sources.points_mm, self.sources.normals
        )
        return np.ascontiguousarray((each @ self.moments).T)


@dataclass(frozen=True, slots=True)
class ModeLoads:
    """One block of modes, ready to be solved."""

    loads: F64
    """(n_unknowns, k)"""

    own: F64
    """(3 · n_roi, k): the part of E that needs no solving."""


@dataclass(frozen=True, slots=True)
class SolveModes:
    """E at the ROI of a block of modes."""

    def __call__(self, model: HeadModel, block: ModeLoads, /) -> F64:
        """Return (3 · n_roi, k)."""
        return block.own + model.solve_loads(np.asfortranarray(block.loads))


def mode_fields(
    model: HeadModel,
    sources: Layer,
    modes: SourceModes,
    progress: Callable[[float], None],
    blocks: Blocks | None = None,
) -> F64:
    """Return E at the ROI (3 · n_roi, n_modes) of every mode; takes minutes.

    Parameters
    ----------
    blocks
        None: in this process, and nothing is kept.
    """
    if blocks is None:
        with temporary_work() as work:
            alone = Blocks(SerialPool(model), work, BlockSizes())
            return mode_fields(model, sources, modes, progress, alone)
    of_edges = _named(_EDGES, len(model.elements.edges), blocks.sizes.edges_at_once)
    of_modes = _named("modes-", modes.moments.shape[1], blocks.sizes.modes_at_once)
    if any(blocks.work.read(name) is None for name in of_modes):
        blocks.finish(
            ModeIntegrals(sources, modes.moments),
            {name: partial(_itself, part) for name, part in of_edges.items()},
            lambda done: progress(0.5 * done),
        )
        blocks.finish(
            SolveModes(),
            {
                name: partial(_loads, model, blocks, of_edges, part)
                for name, part in of_modes.items()
            },
            lambda done: progress(0.5 + 0.5 * done),
        )
    blocks.work.drop(_EDGES)
    return np.column_stack([blocks.work.view(name) for name in of_modes])


def _loads(
    model: HeadModel, blocks: Blocks, of_edges: dict[str, slice], part: slice
) -> ModeLoads:
    """Return one block's loads, summed over edges in their order."""
    n_modes = part.stop - part.start
    loads = np.zeros((model.elements.n_unknowns, n_modes))
    own = np.zeros((model.at_roi.from_edges.shape[0], n_modes))
    load_by_edge, roi_by_edge = model.load.tocsc(), model.at_roi.from_edges.tocsc()
    for name, edges in of_edges.items():
        integrals = np.ascontiguousarray(blocks.work.view(name)[part].T)
        loads += load_by_edge[:, edges] @ integrals
        own += roi_by_edge[:, edges] @ integrals
    return ModeLoads(loads, own)


def _named(prefix: str, n: int, size: int) -> dict[str, slice]:
    """Return slices of `size` that make up 0…n, by a name that sorts like them."""
    return {
        f"{prefix}{start:09d}-{min(start + size, n):09d}": slice(
            start, min(start + size, n)
        )
        for start in range(0, n, size)
    }


def _itself(part: slice) -> slice:
    return part
