"""What a `.msh` file holds of a head: nodes, triangles and tetrahedra with tags."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.errors import DataError
from m2m_rt.units import F64, I64

NODES_OF_KIND = {15: 1, 1: 2, 2: 3, 4: 4}
"""Element types that may occur: point, line, triangle, tetrahedron."""

TRIANGLE = 2
TETRAHEDRON = 4


@dataclass(frozen=True, slots=True)
class MshMesh:
    """A linear mesh, in the order of its nodes' and elements' numbers."""

    nodes_mm: F64
    """(n_nodes, 3)"""

    triangles: I64
    """(m, 3): rows of `nodes_mm`."""

    triangle_tags: I64
    """(m,): SimNIBS writes 1000 + the tissue inside."""

    tetrahedra: I64
    """(k, 4): rows of `nodes_mm`."""

    tetrahedron_tags: I64
    """(k,): the tissue."""


@dataclass(frozen=True, slots=True)
class Elements:
    """Some elements of one kind, by the file's numbers."""

    kind: int
    numbers: I64
    """(n,)"""

    tags: I64
    """(n,)"""

    nodes: I64
    """(n, nodes of the kind): node numbers."""


def nodes_of_kind(kind: int, where: str) -> int:
    """Return how many nodes an element has.

    Raises
    ------
    DataError
        If the mesh has elements that a head mesh has not.
    """
    n = NODES_OF_KIND.get(kind)
    if n is None:
        raise DataError(
            f"{where}: element type {kind}, expected triangles and linear tetrahedra"
        )
    return n


def assembled(
    numbers: I64, nodes_mm: F64, elements: list[Elements], where: str
) -> MshMesh:
    """Return the mesh of numbered nodes and elements.

    Raises
    ------
    DataError
        If node numbers repeat, are missing, or places are not finite.
    """
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    if not len(numbers):
        raise DataError(f"{where}: found no nodes")
    if (numbers[1:] == numbers[:-1]).any():
        raise DataError(f"{where}: found a node number twice")
    if not np.isfinite(nodes_mm).all():
        raise DataError(f"{where}: found a node that is NaN or infinite")
    triangles, triangle_tags = _of_kind(elements, TRIANGLE, numbers, where)
    tetrahedra, tetrahedron_tags = _of_kind(elements, TETRAHEDRON, numbers, where)
    return MshMesh(
        nodes_mm=nodes_mm[order],
        triangles=triangles,
        triangle_tags=triangle_tags,
        tetrahedra=tetrahedra,
        tetrahedron_tags=tetrahedron_tags,
    )


def _of_kind(
    elements: list[Elements], kind: int, node_numbers: I64, where: str
) -> tuple[I64, I64]:
    """Return all elements of a kind by rows of the nodes, in their numbers' order."""
    of_kind = [each for each in elements if each.kind == kind]
    if not of_kind:
        none = np.zeros((0, NODES_OF_KIND[kind]), dtype=np.int64)
        return none, none[:, 0].copy()
    numbers = np.concatenate([each.numbers for each in of_kind])
    tags = np.concatenate([each.tags for each in of_kind])
    nodes = np.concatenate([each.nodes for each in of_kind])
    rows = np.searchsorted(node_numbers, nodes)
    rows[rows == len(node_numbers)] = 0
    if (node_numbers[rows] != nodes).any():
        missing = nodes[node_numbers[rows] != nodes][0]
        raise DataError(f"{where}: an element has node {missing}, which is not there")
    order = np.argsort(numbers, kind="stable")
    return rows[order], tags[order]
