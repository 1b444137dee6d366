"""Second-order unknowns where the field is read, first order everywhere else.

The basis is hierarchical: a P1 function a node, plus a quadratic function an edge of
the zone. Any set of edges gives a continuous potential, so the orders need no
transition.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from m2m_rt.fem.elements import LinearElements, linear_elements
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.numbering import EDGE_CORNERS
from m2m_rt.units import F64, I64, Bools

_FIRST, _SECOND = np.array(EDGE_CORNERS).T
_SAME = np.eye(4)


@dataclass(frozen=True, slots=True)
class HybridElements:
    """P1 plus quadratic edge functions 4 λ_a λ_b; dA/dt in Whitney's edge elements.

    Whitney functions and the gradients of these potentials span all linear fields, and
    what a gauge adds to the edge integrals the potential takes up whole. So E
    converges at second order though dA/dt has one number an edge.
    """

    linear: LinearElements
    edge_unknown: I64
    """(n_edges,): row of each edge's unknown, −1 where there is none."""

    order: int = 2

    @property
    def nodes_mm(self) -> F64:
        """Shape (n_nodes, 3)."""
        return self.linear.nodes_mm

    @property
    def edges(self) -> I64:
        """Shape (n_edges, 2)."""
        return self.linear.edges

    @property
    def n_unknowns(self) -> int:
        """One a node and one an edge of the zone."""
        return len(self.nodes_mm) + int((self.edge_unknown >= 0).sum())

    def stiffness(self, conductivity: F64) -> sparse.csr_array:
        """Return ∫σ ∇φ_i·∇φ_j (n_unknowns, n_unknowns); σ in S/m, lengths in mm."""
        low = self.linear.stiffness(conductivity)
        tets, weight, gram = self._zone(conductivity)
        nodes, unknowns = self.linear.tetrahedra[tets], self._unknowns(tets)
        mixed = weight * (gram[:, :, _FIRST] + gram[:, :, _SECOND])  # (n, 4, 6)
        edge_edge = 0.8 * weight * _products(gram, 1.0)  # (n, 6, 6)
        size = self.n_unknowns
        low.resize((size, size))
        by_node = _scatter(mixed, nodes, unknowns, (size, size))
        by_edge = _scatter(edge_edge, unknowns, unknowns, (size, size))
        return sparse.csr_array(low + by_node + by_node.T + by_edge)

    def load(self, conductivity: F64) -> sparse.csr_array:
        """Return −∫σ W_e·∇φ_i (n_unknowns, n_edges), exact."""
        low = self.linear.load(conductivity)
        tets, weight, gram = self._zone(conductivity)
        sign = self.linear.tet_edge_sign[tets][:, None, :]
        blocks = -0.2 * weight * sign * _products(gram, -1.0).transpose(0, 2, 1)
        shape = (self.n_unknowns, len(self.edges))
        low.resize(shape)
        high = _scatter(
            blocks, self._unknowns(tets), self.linear.tet_edges[tets], shape
        )
        return sparse.csr_array(low + high)

    def gradient_at(self, tets: I64, weights: F64) -> sparse.csr_array:
        """Return (3 · n, n_unknowns): ∇φ at barycentric weights (n, 4) in tets (n,)."""
        gradients = self.linear.gradients[tets]
        a, b = weights[:, _FIRST, None], weights[:, _SECOND, None]
        quadratic = 4.0 * (a * gradients[:, _SECOND] + b * gradients[:, _FIRST])
        shape = (len(tets), self.n_unknowns)
        return _rows_xyz(gradients, self.linear.tetrahedra[tets], shape) + _rows_xyz(
            quadratic, self._unknowns(tets), shape
        )

    def dadt_at(self, tets: I64, weights: F64) -> sparse.csr_array:
        """Return (3 · n, n_edges): the Whitney interpolant of dA/dt at the points."""
        gradients = self.linear.gradients[tets]
        a, b = weights[:, _FIRST, None], weights[:, _SECOND, None]
        turn = a * gradients[:, _SECOND] - b * gradients[:, _FIRST]
        whitney = self.linear.tet_edge_sign[tets][:, :, None] * turn
        shape = (len(tets), len(self.edges))
        return _rows_xyz(whitney, self.linear.tet_edges[tets], shape)

    def centroid_gradient(self, tets: I64) -> sparse.csr_array:
        """Return (3 · n, n_unknowns): ∇φ at centroids."""
        return self.gradient_at(tets, np.full((len(tets), 4), 0.25))

    def centroid_dadt(self, tets: I64) -> sparse.csr_array:
        """Return (3 · n, n_edges): dA/dt at centroids."""
        return self.dadt_at(tets, np.full((len(tets), 4), 0.25))

    def _unknowns(self, tets: I64) -> I64:
        return self.edge_unknown[self.linear.tet_edges[tets]]

    def _zone(self, conductivity: F64) -> tuple[I64, F64, F64]:
        """Return tets with edge unknowns, σ·V (n, 1, 1), and ∇λ_i·∇λ_j (n, 4, 4)."""
        has = (self.edge_unknown[self.linear.tet_edges] >= 0).any(axis=1)
        tets = np.flatnonzero(has)
        gradients = self.linear.gradients[tets]
        weight = (conductivity * self.linear.volumes_mm3)[tets]
        gram = gradients @ gradients.transpose(0, 2, 1)
        return tets, weight[:, None, None], gram


def hybrid_elements(mesh: HeadMesh, zone: Bools) -> HybridElements:
    """Return elements of second order on all edges of the zone's tets (n_tets,)."""
    linear = linear_elements(mesh)
    edge_unknown = np.full(len(linear.edges), -1)
    chosen = np.unique(linear.tet_edges[zone])
    edge_unknown[chosen] = len(mesh.nodes_mm) + np.arange(len(chosen))
    return HybridElements(linear, edge_unknown)


def _products(gram: F64, sign: float) -> F64:
    """Return 20/V ∫(λ_a∇λ_b ± λ_b∇λ_a)·(λ_c∇λ_d + λ_d∇λ_c), (n, 6 ab, 6 cd)."""
    a, b, c, d = _FIRST[:, None], _SECOND[:, None], _FIRST[None], _SECOND[None]
    products: F64 = (1.0 + _SAME[a, c]) * gram[:, b, d]
    products += (1.0 + _SAME[a, d]) * gram[:, b, c]
    products += sign * (1.0 + _SAME[b, c]) * gram[:, a, d]
    products += sign * (1.0 + _SAME[b, d]) * gram[:, a, c]
    return products


def _scatter(
    blocks: F64, rows: I64, columns: I64, shape: tuple[int, int]
) -> sparse.csr_array:
    """Sum blocks (n, r, c) into a matrix; a row or column of −1 is left out."""
    all_rows = np.broadcast_to(rows[:, :, None], blocks.shape)
    all_columns = np.broadcast_to(columns[:, None, :], blocks.shape)
    kept = (all_rows >= 0) & (all_columns >= 0)
    entries = (blocks[kept], (all_rows[kept], all_columns[kept]))
    return sparse.coo_array(entries, shape=shape).tocsr()


def _rows_xyz(vectors: F64, columns: I64, shape: tuple[int, int]) -> sparse.csr_array:
    """Return vectors (n, k, 3) as rows x y z of each of n points."""
    n_points, n_columns = shape
    blocks = vectors.transpose(0, 2, 1)  # (n, 3, k)
    rows = 3 * np.arange(n_points)[:, None] + np.arange(3)
    return _scatter(blocks, rows, columns, (3 * n_points, n_columns))
