"""Local refinement of a tetrahedral mesh: red inside, green around (Bey 1995)."""

import numpy as np
from scipy import spatial

from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.numbering import EDGE_CORNERS, numbered_edges
from m2m_rt.units import F64, I64, Bools

_FACE_EDGES = np.array(((3, 4, 5), (1, 2, 5), (0, 2, 4), (0, 1, 3)))
"""Edges of the face opposite each corner, by the order of EDGE_CORNERS."""

_OPPOSITE = ((0, 5), (1, 4), (2, 3))
"""Pairs of edges that share no corner."""

_CORNER_PARTS = ((0, 4, 5, 6), (4, 1, 7, 8), (5, 7, 2, 9), (6, 8, 9, 3))
"""The four corner tetrahedra of a red cut; 4…9 are the middles of edges 0…5."""

_RING = {0: (5, 7, 8, 6), 1: (4, 7, 9, 6), 2: (4, 5, 9, 8)}
"""Middles around each of the octahedron's diagonals, which join opposite edges."""


def refine(mesh: HeadMesh, marked: Bools) -> HeadMesh:
    """Return the mesh with marked tetrahedra (n_tets,) cut into eight.

    Neighbours are cut into two, four or eight, so that no node hangs. Geometry and
    tissues stay as they are: new nodes are the middles of edges.
    """
    edges, tet_edges = numbered_edges(mesh.tetrahedra)
    cut = _closed(tet_edges, marked, len(edges))
    middle = np.full(len(edges), -1)
    middle[cut] = len(mesh.nodes_mm) + np.arange(cut.sum())
    # float32 as mesh files keep it, so that a mesh read back is the same mesh.
    middles = mesh.nodes_mm[edges[cut]].mean(axis=1).astype(np.float32)
    nodes_mm = np.concatenate((mesh.nodes_mm, middles.astype(np.float64)))
    ten = np.concatenate((mesh.tetrahedra, middle[tet_edges]), axis=1)  # (n_tets, 10)
    children, parents = _cut_all(nodes_mm, ten)
    order = np.argsort(parents, kind="stable")
    tetrahedra = children[order]
    corners = nodes_mm[tetrahedra]
    flipped = np.linalg.det(corners[:, 1:] - corners[:, :1]) < 0.0
    tetrahedra[flipped] = tetrahedra[flipped][:, (0, 1, 3, 2)]
    return HeadMesh(nodes_mm, tetrahedra, mesh.tissue[parents[order]])


def near_points(mesh: HeadMesh, points_mm: F64, radius_mm: float) -> Bools:
    """Return which tetrahedra (n_tets,) have their centroid near any of the points."""
    centroids = mesh.nodes_mm[mesh.tetrahedra].mean(axis=1)
    away_mm, _ = spatial.cKDTree(points_mm).query(
        centroids, distance_upper_bound=radius_mm
    )
    near: Bools = away_mm <= radius_mm
    return near


def _closed(tet_edges: I64, marked: Bools, n_edges: int) -> Bools:
    """Return which edges to cut so that every tetrahedron has a known pattern.

    Known are: none, one, two opposite, the three of a face, all six.
    """
    cut = np.zeros(n_edges, dtype=bool)
    cut[tet_edges[marked]] = True
    while True:
        pattern = cut[tet_edges]
        count = pattern.sum(axis=1)
        in_face = pattern[:, _FACE_EDGES].sum(axis=2) == count[:, None]
        opposite = np.any([pattern[:, a] & pattern[:, b] for a, b in _OPPOSITE], axis=0)
        whole_face = (count == 2) & ~opposite
        whole_face |= (count == 3) & in_face.any(axis=1)
        everything = (count > 2) & ~whole_face
        before = cut.sum()
        faces = _FACE_EDGES[in_face[whole_face].argmax(axis=1)]
        cut[np.take_along_axis(tet_edges[whole_face], faces, axis=1)] = True
        cut[tet_edges[everything]] = True
        if cut.sum() == before:
            return cut


def _cut_all(nodes_mm: F64, ten: I64) -> tuple[I64, I64]:
    """Return all children and the parent of each; −1 in `ten` is an uncut edge."""
    count = (ten[:, 4:] >= 0).sum(axis=1)
    whole = np.flatnonzero(count == 0)
    children, parents = [ten[whole, :4]], [whole]
    for group, parts in _templates(nodes_mm, ten, count):
        for part in parts:
            children.append(ten[group][:, part])
            parents.append(group)
    return np.concatenate(children), np.concatenate(parents)


def _templates(
    nodes_mm: F64, ten: I64, count: I64
) -> list[tuple[I64, list[tuple[int, ...]]]]:
    """Return groups of tetrahedra with the children that each is cut into."""
    cut = ten[:, 4:] >= 0
    found: list[tuple[I64, list[tuple[int, ...]]]] = []
    for edge in range(6):
        group = np.flatnonzero((count == 1) & cut[:, edge])
        found.append((group, _halves((0, 1, 2, 3), edge)))
    for first, second in _OPPOSITE:
        group = np.flatnonzero((count == 2) & cut[:, first] & cut[:, second])
        halves = _halves((0, 1, 2, 3), first)
        found.append((group, [q for half in halves for q in _halves(half, second)]))
    for corner in range(4):
        on_face = cut[:, _FACE_EDGES[corner]].all(axis=1)
        group = np.flatnonzero((count == 3) & on_face)
        found.append((group, _face_quarters(corner)))
    red = np.flatnonzero(count == 6)
    diagonals = [
        np.linalg.norm(nodes_mm[ten[red, 4 + a]] - nodes_mm[ten[red, 4 + b]], axis=1)
        for a, b in _OPPOSITE
    ]
    # The shortest diagonal keeps the octahedron's parts in shape.
    shortest = np.argmin(diagonals, axis=0)
    found.extend((red[shortest == k], _eighths(k)) for k in range(3))
    return found


def _halves(tet: tuple[int, ...], edge: int) -> list[tuple[int, ...]]:
    ends, middle = EDGE_CORNERS[edge], 4 + edge
    return [tuple(middle if k == end else k for k in tet) for end in ends]


def _face_quarters(corner: int) -> list[tuple[int, ...]]:
    middles = [4 + int(edge) for edge in _FACE_EDGES[corner]]
    ends = {4 + k: set(pair) for k, pair in enumerate(EDGE_CORNERS)}
    quarters = [(corner, *middles)]
    for other in (k for k in range(4) if k != corner):
        touching = [m for m in middles if other in ends[m]]
        quarters.append((corner, other, *touching))
    return quarters


def _eighths(diagonal: int) -> list[tuple[int, ...]]:
    first, second = (4 + edge for edge in _OPPOSITE[diagonal])
    ring = _RING[diagonal]
    around = [(first, second, ring[k], ring[(k + 1) % 4]) for k in range(4)]
    return [*_CORNER_PARTS, *around]
