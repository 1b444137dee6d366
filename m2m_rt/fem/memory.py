"""How much memory a build takes, and blocks small enough for what it may take.

The figures per tetrahedron and unknown are measured on the demo head (950 000
tetrahedra, 460 000 unknowns) and rounded up.
"""

from dataclasses import dataclass

from m2m_rt.errors import ConfigError

GB = 1e9
PROCESS_BYTES = 0.5e9
"""Python with its libraries, the coil and the region."""

BYTES_PER_TET = 1500.0
"""Of mesh, elements, and the matrices while they are put together."""

FACTOR_BYTES = 75.0
"""Of the factor: this times unknowns to the power 4/3 (nested dissection, George
1973)."""

REFERENCE_BYTES_PER_TET = 7000.0
"""Of the finer mesh that a second-order table is compared with, per own tetrahedron."""

LEAST_EDGES = 500
MOST_EDGES = 20_000
MOST_MODES = 50
MOST_IN_FLIGHT = 64


@dataclass(frozen=True, slots=True)
class ProblemSize:
    """The numbers that memory depends on."""

    n_tets: int
    n_unknowns: int
    n_roi: int
    n_sources: int
    n_modes: int
    n_training_poses: int
    has_reference: bool


@dataclass(frozen=True, slots=True)
class BlockSizes:
    """How much is done at once. Results differ by rounding only."""

    edges_at_once: int = MOST_EDGES
    modes_at_once: int = MOST_MODES
    in_flight: int = MOST_IN_FLIGHT
    """Blocks that may wait for or be with workers at a time."""


def fixed_bytes(size: ProblemSize) -> float:
    """Return what a process needs whatever the blocks."""
    factor: float = FACTOR_BYTES * float(size.n_unknowns) ** (4.0 / 3.0)
    model: float = BYTES_PER_TET * size.n_tets + factor
    fields = 8.0 * 3 * size.n_roi * (2 * size.n_training_poses + 2 * size.n_modes)
    finer = BYTES_PER_TET + REFERENCE_BYTES_PER_TET if size.has_reference else 0.0
    # The factor is given back before the finer mesh is made.
    return PROCESS_BYTES + max(model + fields, finer * size.n_tets)


def edges_bytes(size: ProblemSize, n_edges: int) -> float:
    """Return what one block of edges needs: by source, by mode, and its copy."""
    return 8.0 * n_edges * (size.n_sources + 3 * size.n_modes)


def modes_bytes(size: ProblemSize, n_modes: int) -> float:
    """Return what one block of modes needs: loads, potentials, their copies, E."""
    return 8.0 * n_modes * (5 * size.n_unknowns + 2 * 3 * size.n_roi + MOST_EDGES)


def stated_gb(size: ProblemSize, blocks: BlockSizes) -> float:
    """Return the most memory of a process that builds with these blocks."""
    largest = max(
        edges_bytes(size, blocks.edges_at_once),
        modes_bytes(size, blocks.modes_at_once),
    )
    return (fixed_bytes(size) + largest) / GB


def blocks_within(max_gb: float | None, size: ProblemSize) -> BlockSizes:
    """Return the largest blocks with which a process stays within `max_gb`.

    Raises
    ------
    ConfigError
        If the smallest ones do not fit.
    """
    if max_gb is None:
        return BlockSizes()
    least = stated_gb(size, BlockSizes(LEAST_EDGES, 1, 1))
    if max_gb < least:
        raise ConfigError(
            "--max-memory", f"{max_gb:g} GB", f"at least {least:.1f} GB for this head"
        )
    left = max_gb * GB - fixed_bytes(size)
    n_modes = min(MOST_MODES, int(left / modes_bytes(size, 1)))
    return BlockSizes(
        edges_at_once=min(MOST_EDGES, int(left / edges_bytes(size, 1))),
        modes_at_once=n_modes,
        in_flight=max(1, min(MOST_IN_FLIGHT, int(left / modes_bytes(size, n_modes)))),
    )
