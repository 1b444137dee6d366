"""A conforming tetrahedral head mesh from nested tissue occupancies."""

import hashlib
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from m2m_rt.fem.head import Surface
from m2m_rt.fem.tissues import Occupancies, Tissue
from m2m_rt.units import F64, I64, Bools


@dataclass(frozen=True, slots=True)
class HeadMesh:
    """Linear tetrahedra with a tissue each, head frame."""

    nodes_mm: F64
    """(n_nodes, 3)"""

    tetrahedra: I64
    """(n_tets, 4): rows of `nodes_mm`, positively oriented."""

    tissue: I64
    """(n_tets,): numbers of `Tissue`."""


@dataclass(frozen=True, slots=True)
class MesherSettings:
    """How fine the mesh is. Values as measured for fTetWild on this head."""

    edge_mm: float = 4.5
    """Largest wanted edge, far from any surface."""

    envelope: float = 1e-3
    """How far surfaces may move, as a fraction of the box's diagonal."""

    stop_energy: float = 60.0
    """AMIPS energy at which the optimisation stops."""


@dataclass(frozen=True, slots=True)
class MeshQuality:
    """What to look at before believing a mesh."""

    n_nodes: int
    n_tetrahedra: int
    volume_ml: dict[str, float]
    """By tissue, of the mesh."""

    volume_error: dict[str, float]
    """By tissue, relative to the occupancies that it was made from."""

    worst_dihedral_deg: float


def mesh_head(tissues: Occupancies, settings: MesherSettings) -> HeadMesh:
    """Return tetrahedra whose faces follow all tissue boundaries; takes minutes."""
    import pytetwild

    points_mm, triangles = concatenated(boundary_surfaces(tissues))
    nodes_mm, tetrahedra = pytetwild.pytetwild.tetrahedralize(
        points_mm,
        triangles.astype(np.int32),
        edge_length_abs=settings.edge_mm,
        epsilon=settings.envelope,
        stop_energy=settings.stop_energy,
    )
    return labelled(nodes_mm, tetrahedra.astype(np.int64), tissues)


def boundary_surfaces(tissues: Occupancies) -> list[Surface]:
    """Return each tissue's outer boundary; smooth shells are sampled coarser."""
    from skimage.measure import marching_cubes

    surfaces = []
    for tissue, inside in tissues.inside.items():
        step = 1 if tissue in {Tissue.WM, Tissue.GM} else 2
        coarse = inside[::step, ::step, ::step]
        points, triangles, _, _ = marching_cubes(  # type: ignore[no-untyped-call] # untyped
            coarse, level=0.5
        )
        spacing_mm = step * tissues.grid.spacing_mm
        surfaces.append(
            Surface(
                points_mm=points.astype(np.float64) * spacing_mm
                + tissues.grid.origin_mm,
                triangles=triangles.astype(np.int64),
            )
        )
    return surfaces


def concatenated(surfaces: list[Surface]) -> tuple[F64, I64]:
    """Return all points and all triangles, renumbered."""
    starts = np.cumsum([0] + [len(s.points_mm) for s in surfaces])
    triangles = [
        s.triangles + start for s, start in zip(surfaces, starts, strict=False)
    ]
    return np.concatenate([s.points_mm for s in surfaces]), np.concatenate(triangles)


def labelled(nodes_mm: F64, tetrahedra: I64, tissues: Occupancies) -> HeadMesh:
    """Return the mesh with the tissue at every centroid, in one connected piece.

    Nodes are rounded to float32, as mesh files keep them, so that a mesh read back is
    the same mesh.
    """
    nodes_mm = nodes_mm.astype(np.float32).astype(np.float64)
    tetrahedra = tetrahedra[_largest_piece(tetrahedra, len(nodes_mm))]
    nodes_mm, tetrahedra, _ = _in_space_order(nodes_mm, tetrahedra)
    tetrahedra = _positively_oriented(nodes_mm, tetrahedra)
    tissue = tissues.tissue_at(nodes_mm[tetrahedra].mean(axis=1)).astype(np.int64)
    # The mesh's outer boundary is the scalp within the envelope, so a centroid a hair
    # outside it is scalp.
    tissue[tissue == 0] = Tissue.SCALP
    return HeadMesh(nodes_mm, tetrahedra, tissue)


def volumes_mm3(mesh: HeadMesh) -> F64:
    """Return the signed volume (n_tets,) of every tetrahedron."""
    return _signed_volumes(mesh.nodes_mm, mesh.tetrahedra)


def mesh_quality(mesh: HeadMesh, tissues: Occupancies) -> MeshQuality:
    """Return sizes, volumes by tissue against the occupancies, and worst angle."""
    volumes = np.bincount(mesh.tissue, volumes_mm3(mesh), minlength=len(Tissue) + 1)
    wanted = _layer_volumes_mm3(tissues)
    return MeshQuality(
        n_nodes=len(mesh.nodes_mm),
        n_tetrahedra=len(mesh.tetrahedra),
        volume_ml={t.name.lower(): float(volumes[t]) / 1e3 for t in Tissue},
        volume_error={
            t.name.lower(): float(volumes[t] / wanted[t] - 1.0) for t in Tissue
        },
        worst_dihedral_deg=float(_dihedral_angles_deg(mesh).min()),
    )


def boundary_triangles(tetrahedra: I64) -> I64:
    """Return the triangles (m, 3) that belong to one tetrahedron only."""
    faces = tetrahedra[:, ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))].reshape(-1, 3)
    _, first, counts = np.unique(
        node_keys(np.sort(faces, axis=1)), return_index=True, return_counts=True
    )
    outer: I64 = faces[first[counts == 1]]
    return outer


def node_keys(rows: I64) -> I64:
    """Return one number a row of two or three node numbers, in the rows' order.

    Sorting numbers is ten times faster than sorting rows.
    """
    keys: I64 = np.ravel_multi_index(
        tuple(rows.T), (int(rows.max()) + 1,) * rows.shape[1]
    )
    return keys


def outer_boundary(mesh: HeadMesh, tissue: Tissue) -> Surface:
    """Return the boundary of a tissue and all that lies inside it."""
    triangles = boundary_triangles(mesh.tetrahedra[mesh.tissue <= tissue])
    return Surface(mesh.nodes_mm, triangles)


def mesh_sha256(mesh: HeadMesh) -> str:
    """Return the hash of a mesh's numbers, independent of how it was stored."""
    digest = hashlib.sha256()
    digest.update(np.ascontiguousarray(mesh.nodes_mm, dtype="<f4").tobytes())
    digest.update(np.ascontiguousarray(mesh.tetrahedra, dtype="<i4").tobytes())
    digest.update(np.ascontiguousarray(mesh.tissue, dtype="u1").tobytes())
    return digest.hexdigest()


def _layer_volumes_mm3(tissues: Occupancies) -> F64:
    """Return the volume between each tissue's boundary and the next one inside it."""
    voxel_mm3 = tissues.grid.spacing_mm**3
    within = [tissues.inside[t].sum(dtype=np.float64) * voxel_mm3 for t in Tissue]
    return np.diff(np.array([0.0, 0.0, *within]))


def _signed_volumes(nodes_mm: F64, tetrahedra: I64) -> F64:
    a, b, c, d = (nodes_mm[tetrahedra[:, k]] for k in range(4))
    volumes: F64 = np.einsum("ni,ni->n", np.cross(b - a, c - a), d - a) / 6.0
    return volumes


def _positively_oriented(nodes_mm: F64, tetrahedra: I64) -> I64:
    flipped = _signed_volumes(nodes_mm, tetrahedra) < 0.0
    return np.where(flipped[:, None], tetrahedra[:, (0, 1, 3, 2)], tetrahedra)


def in_space_order(mesh: HeadMesh) -> HeadMesh:
    """Return the same mesh with neighbours numbered alike: files get small."""
    nodes_mm, tetrahedra, order = _in_space_order(mesh.nodes_mm, mesh.tetrahedra)
    tetrahedra = _positively_oriented(nodes_mm, tetrahedra)
    return HeadMesh(nodes_mm, tetrahedra, mesh.tissue[order])


def _in_space_order(nodes_mm: F64, tetrahedra: I64) -> tuple[F64, I64, I64]:
    """Drop unused nodes and number neighbours alike: files get small, solves fast."""
    used = np.unique(tetrahedra)
    order = used[np.lexsort(np.floor(nodes_mm[used] / 8.0).T)]
    number = np.full(len(nodes_mm), -1)
    number[order] = np.arange(len(order))
    renumbered = np.sort(number[tetrahedra], axis=1)
    rows = np.lexsort(renumbered.T[::-1])
    return nodes_mm[order], renumbered[rows], rows


def _largest_piece(tetrahedra: I64, n_nodes: int) -> Bools:
    """Return which tetrahedra hang together through nodes with the most others."""
    ends = tetrahedra[:, :1].repeat(3, axis=1).ravel(), tetrahedra[:, 1:].ravel()
    links = sparse.coo_matrix((np.ones(len(ends[0])), ends), shape=(n_nodes, n_nodes))
    _, piece = csgraph.connected_components(links, directed=False)
    of_tetrahedron = piece[tetrahedra[:, 0]]
    largest: Bools = of_tetrahedron == np.bincount(of_tetrahedron).argmax()
    return largest


def _dihedral_angles_deg(mesh: HeadMesh) -> F64:
    """Return the six angles (n_tets, 6) between faces."""
    corners = mesh.nodes_mm[mesh.tetrahedra]
    faces = corners[:, ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))]
    normals = np.cross(faces[:, :, 1] - faces[:, :, 0], faces[:, :, 2] - faces[:, :, 0])
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    first, second = np.triu_indices(4, 1)
    cosines = -np.einsum("nfi,nfi->nf", normals[:, first], normals[:, second])
    angles: F64 = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return angles
