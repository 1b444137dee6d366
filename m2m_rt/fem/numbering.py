"""Numbers of a tetrahedral mesh's edges and faces."""

import numpy as np

from m2m_rt.fem.mesh import node_keys
from m2m_rt.units import I64

EDGE_CORNERS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
"""The six edges of a tetrahedron by its corners."""

FACE_CORNERS = ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2))
"""The face opposite each corner."""


def numbered_edges(tetrahedra: I64) -> tuple[I64, I64]:
    """Return edges (n_edges, 2), smaller node first, and each tet's six (n_tets, 6)."""
    ends = np.sort(tetrahedra[:, EDGE_CORNERS].reshape(-1, 2), axis=1)
    _, first, tet_edges = np.unique(
        node_keys(ends), return_index=True, return_inverse=True
    )
    return ends[first], tet_edges.reshape(-1, 6)


def numbered_faces(tetrahedra: I64) -> tuple[I64, I64]:
    """Return each tet's faces (n_tets, 4) by number, and how many tets hold each."""
    corners = np.sort(tetrahedra[:, FACE_CORNERS].reshape(-1, 3), axis=1)
    _, face_of, n_holders = np.unique(
        node_keys(corners), return_inverse=True, return_counts=True
    )
    return face_of.reshape(-1, 4), n_holders
