"""What to look at before a head mesh is believed, for meshes from anywhere."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from m2m_rt.fem.mesh import HeadMesh, boundary_triangles, volumes_mm3
from m2m_rt.fem.tissues import Tissue
from m2m_rt.units import F64, I64

SLIVER_DEG = 5.0
QUANTILES = {"p1": 0.01, "median": 0.5, "p99": 0.99}
_TETRAHEDRA_AT_ONCE = 200_000


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Sizes, shapes and closedness of a mesh."""

    n_nodes: int
    n_tetrahedra: int
    volume_ml: dict[str, float]
    """By tissue."""

    dihedral_deg: dict[str, float]
    """min, p1, median, p99, max of all angles between faces."""

    slivers: float
    """Fraction of tetrahedra with an angle under 5°."""

    edge_mm: dict[str, float]
    """min, p1, median, p99, max."""

    pieces: int
    """That do not touch each other; 1 in a mesh that can be solved."""

    outer_edges_open: int
    """Edges of the head's surface not shared by an even number of triangles: 0 if it
    is closed."""

    outer_surfaces: int
    """Separate surfaces of the head: 1, and one for each cavity."""

    def as_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return asdict(self)


def quality_report(mesh: HeadMesh) -> QualityReport:
    """Return the report of a mesh; some seconds for a head."""
    volumes = np.bincount(mesh.tissue, volumes_mm3(mesh), minlength=len(Tissue) + 1)
    angles = _dihedral_angles_deg(mesh)  # (n_tets, 6)
    triangles = boundary_triangles(mesh.tetrahedra)
    edges, counts = np.unique(_edges(triangles), axis=0, return_counts=True)
    return QualityReport(
        n_nodes=len(mesh.nodes_mm),
        n_tetrahedra=len(mesh.tetrahedra),
        volume_ml={t.name.lower(): float(volumes[t]) / 1e3 for t in Tissue},
        dihedral_deg=_spread(angles),
        slivers=float((angles.min(axis=1) < SLIVER_DEG).mean()),
        edge_mm=_spread(_edge_lengths_mm(mesh)),
        pieces=_n_pieces(_edges(mesh.tetrahedra), len(mesh.nodes_mm)),
        outer_edges_open=int((counts % 2 == 1).sum()),
        outer_surfaces=_n_pieces(edges, len(mesh.nodes_mm)),
    )


def _spread(values: F64) -> dict[str, float]:
    inner = np.quantile(values, list(QUANTILES.values()))
    found = dict(zip(QUANTILES, inner.tolist(), strict=True))
    return {"min": float(values.min()), **found, "max": float(values.max())}


def _edges(elements: I64) -> I64:
    """Return the edges (n, 2) of triangles or tetrahedra, smaller node first."""
    n_corners = elements.shape[1]
    first, second = np.triu_indices(n_corners, 1)
    pairs = elements[:, np.stack((first, second), axis=1)].reshape(-1, 2)
    return np.sort(pairs, axis=1)


def _n_pieces(edges: I64, n_nodes: int) -> int:
    """Return how many pieces edges make; nodes without an edge make none."""
    ones = np.ones(len(edges), dtype=np.int8)
    links = sparse.coo_matrix((ones, tuple(edges.T)), shape=(n_nodes, n_nodes))
    _, piece = csgraph.connected_components(links, directed=False)
    return len(np.unique(piece[np.unique(edges)]))


def _edge_lengths_mm(mesh: HeadMesh) -> F64:
    edges = _edges(mesh.tetrahedra)
    ends = mesh.nodes_mm[edges]
    lengths: F64 = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    return lengths


def _dihedral_angles_deg(mesh: HeadMesh) -> F64:
    """Return the six angles (n_tets, 6) between faces, some tetrahedra at a time."""
    first, second = np.triu_indices(4, 1)
    parts = []
    for start in range(0, len(mesh.tetrahedra), _TETRAHEDRA_AT_ONCE):
        some = mesh.tetrahedra[start : start + _TETRAHEDRA_AT_ONCE]
        corners = mesh.nodes_mm[some]
        faces = corners[:, ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))]
        normals = np.cross(
            faces[:, :, 1] - faces[:, :, 0], faces[:, :, 2] - faces[:, :, 0]
        )
        length = np.linalg.norm(normals, axis=2, keepdims=True)
        normals = normals / np.maximum(length, 1e-300)
        cosines = -np.einsum("nfi,nfi->nf", normals[:, first], normals[:, second])
        parts.append(np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))))
    return np.concatenate(parts)
