"""Finite elements on a tetrahedral mesh, with one interface for every order."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse

from m2m_rt.errors import ConfigError
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.numbering import EDGE_CORNERS, numbered_edges
from m2m_rt.units import F64, I64


class FiniteElements(Protocol):
    """What assembly, solving and recovery ask of elements of some order."""

    @property
    def order(self) -> int:
        """1 = linear."""

    @property
    def edges(self) -> I64:
        """(n_edges, 2): nodes of every mesh edge.

        dA/dt enters as line integrals along these, in their direction.
        """

    @property
    def n_unknowns(self) -> int:
        """Of the potential."""

    def stiffness(self, conductivity: F64) -> sparse.csr_array:
        """Return ∫σ ∇φ_i·∇φ_j (n_unknowns, n_unknowns) for σ (n_tets,)."""

    def load(self, conductivity: F64) -> sparse.csr_array:
        """Return (n_unknowns, n_edges): right-hand side per line integral of dA/dt."""

    def centroid_gradient(self, tets: I64) -> sparse.csr_array:
        """Return (3 · n, n_unknowns): the potential's gradient at centroids."""

    def centroid_dadt(self, tets: I64) -> sparse.csr_array:
        """Return (3 · n, n_edges): dA/dt at centroids per line integral."""


@dataclass(frozen=True, slots=True)
class LinearElements:
    """P1 potential; dA/dt in Whitney's edge elements.

    Representing dA/dt by its line integrals along the edges makes the discrete field
    exactly independent of the gauge: adding ∇χ to A changes the edge integrals by
    differences of χ at the nodes, which is the gradient of a P1 function, and the
    potential takes it up whole. With dA/dt sampled at points instead, two gauges of one
    physical field differ by 1-2 % on a head mesh of this size.
    """

    nodes_mm: F64
    tetrahedra: I64
    edges: I64
    tet_edges: I64
    """(n_tets, 6): rows of `edges`, in the order of EDGE_CORNERS."""

    tet_edge_sign: F64
    """(n_tets, 6): +1 where the edge runs from the first corner to the second."""

    gradients: F64
    """(n_tets, 4, 3): ∇λ of the corners, 1/mm."""

    volumes_mm3: F64
    """(n_tets,)"""

    order: int = 1

    @property
    def n_unknowns(self) -> int:
        """One per node."""
        return len(self.nodes_mm)

    def stiffness(self, conductivity: F64) -> sparse.csr_array:
        """Return ∫σ ∇λ_i·∇λ_j; σ in S/m, lengths in mm."""
        weight = conductivity * self.volumes_mm3
        blocks = np.einsum("t,tai,tbi->tab", weight, self.gradients, self.gradients)
        rows = np.repeat(self.tetrahedra, 4, axis=1)
        columns = np.tile(self.tetrahedra, (1, 4))
        return _summed(blocks, rows, columns, (self.n_unknowns, self.n_unknowns))

    def load(self, conductivity: F64) -> sparse.csr_array:
        """Return −∫σ W_e·∇λ_i; exact, for Whitney functions average to the centroid."""
        weight = conductivity * self.volumes_mm3
        blocks = -np.einsum("t,tai,tei->tae", weight, self.gradients, self._whitney())
        rows = np.repeat(self.tetrahedra, 6, axis=1)
        columns = np.tile(self.tet_edges, (1, 4))
        return _summed(blocks, rows, columns, (self.n_unknowns, len(self.edges)))

    def centroid_gradient(self, tets: I64) -> sparse.csr_array:
        """Return the gradient, constant in each tetrahedron; rows x y z per tet."""
        blocks = self.gradients[tets].transpose(0, 2, 1)  # (n, 3, 4)
        return _rows_of_tets(blocks, self.tetrahedra[tets], self.n_unknowns)

    def centroid_dadt(self, tets: I64) -> sparse.csr_array:
        """Return the Whitney interpolant at centroids; rows x y z per tet."""
        blocks = self._whitney()[tets].transpose(0, 2, 1)  # (n, 3, 6)
        return _rows_of_tets(blocks, self.tet_edges[tets], len(self.edges))

    def _whitney(self) -> F64:
        """Return W_e = λ_a∇λ_b − λ_b∇λ_a at the centroid, (n_tets, 6, 3)."""
        first, second = np.array(EDGE_CORNERS).T
        turn = self.gradients[:, second] - self.gradients[:, first]
        whitney: F64 = 0.25 * self.tet_edge_sign[:, :, None] * turn
        return whitney


def elements_of_order(order: int, mesh: HeadMesh) -> FiniteElements:
    """Return the elements of a mesh.

    Raises
    ------
    ConfigError
        For an order that there is no code for.
    """
    if order != 1:
        raise ConfigError("element_order", str(order), "1 (linear)")
    return linear_elements(mesh)


def linear_elements(mesh: HeadMesh) -> LinearElements:
    """Return linear elements with the mesh's edges numbered."""
    corners = mesh.nodes_mm[mesh.tetrahedra]  # (n_tets, 4, 3)
    jacobian = corners[:, 1:] - corners[:, :1]
    inverse = np.linalg.inv(jacobian)  # columns are the gradients of λ1..λ3
    gradients = np.empty_like(corners)
    gradients[:, 1:] = inverse.transpose(0, 2, 1)
    gradients[:, 0] = -gradients[:, 1:].sum(axis=1)
    ends = mesh.tetrahedra[:, EDGE_CORNERS]  # (n_tets, 6, 2)
    edges, tet_edges = numbered_edges(mesh.tetrahedra)
    return LinearElements(
        nodes_mm=mesh.nodes_mm,
        tetrahedra=mesh.tetrahedra,
        edges=edges,
        tet_edges=tet_edges,
        tet_edge_sign=np.where(ends[:, :, 0] < ends[:, :, 1], 1.0, -1.0),
        gradients=gradients,
        volumes_mm3=np.linalg.det(jacobian) / 6.0,
    )


def _summed(
    blocks: F64, rows: I64, columns: I64, shape: tuple[int, int]
) -> sparse.csr_array:
    entries = (blocks.ravel(), (rows.ravel(), columns.ravel()))
    return sparse.coo_array(entries, shape=shape).tocsr()


def _rows_of_tets(blocks: F64, columns: I64, n_columns: int) -> sparse.csr_array:
    """Return blocks (n, 3, k) as rows x y z of each tetrahedron."""
    n, _, k = blocks.shape
    rows = np.repeat(np.arange(3 * n), k)
    repeated = np.repeat(columns, 3, axis=0)  # (3 · n, k)
    return _summed(blocks, rows, repeated, (3 * n, n_columns))
