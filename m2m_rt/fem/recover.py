"""The E-field at points from element values: patch recovery within one tissue."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from m2m_rt.errors import DataError
from m2m_rt.fem.elements import FiniteElements
from m2m_rt.fem.hybrid import HybridElements
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.roi import containing_tets
from m2m_rt.fem.tissues import Tissue
from m2m_rt.units import F64, I64

LEAST_PATCH = 12
"""Tetrahedra; a linear fit has four unknowns."""

MOST_TRIED = 3000
"""Tetrahedra, before a point is taken to be in none."""

FLATTEST_PATCH = 0.02
"""Directions in which a patch is thinner than this, relative to its widest, get a
constant fit: a slope there would be noise."""


@dataclass(frozen=True, slots=True)
class FieldAtRoi:
    """E at the points, point-major x y z, as linear maps. E = −(∇φ + dA/dt)."""

    from_potential: sparse.csr_array
    """(3 · n_roi, n_unknowns)"""

    from_edges: sparse.csr_array
    """(3 · n_roi, n_edges): from line integrals of dA/dt."""


def field_at_roi(
    mesh: HeadMesh, elements: FiniteElements, points_mm: F64
) -> FieldAtRoi:
    """Return the recovery at points (n, 3) in grey matter.

    Second-order elements are read directly at the point: against refined solutions of
    the demo head, patches of them are two to four times worse.

    First-order ones are recovered from patches. A point's patch is the tetrahedra of
    its tissue that share a node with the one that holds it, so the other bank of a
    sulcus never enters. E is fitted by a linear function, weighted by volume, and read
    at the point.

    Raises
    ------
    DataError
        If a point lies in no grey-matter tetrahedron.
    """
    if isinstance(elements, HybridElements):
        return _read_directly(mesh, elements, points_mm)
    weights, tets = patch_weights(mesh, points_mm, Tissue.GM)
    each = sparse.kron(weights, sparse.eye_array(3), format="csr")
    return FieldAtRoi(
        from_potential=sparse.csr_array(-(each @ elements.centroid_gradient(tets))),
        from_edges=sparse.csr_array(-(each @ elements.centroid_dadt(tets))),
    )


def patch_weights(
    mesh: HeadMesh, points_mm: F64, tissue: Tissue
) -> tuple[sparse.csr_array, I64]:
    """Return weights (n_points, n) of values at the centroids of n tetrahedra.

    Raises
    ------
    DataError
        If a point lies in no tetrahedron of the tissue.
    """
    holders = _holders(mesh, points_mm, tissue)
    patches = _patches(mesh, holders, tissue)
    rows = [_fit(mesh, points_mm[k], patch) for k, patch in enumerate(patches)]
    lengths = [len(patch) for patch in patches]
    tets, columns = np.unique(np.concatenate(patches), return_inverse=True)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    shape = (len(points_mm), len(tets))
    return sparse.csr_array((np.concatenate(rows), columns, starts), shape=shape), tets


def _read_directly(
    mesh: HeadMesh, elements: HybridElements, points_mm: F64
) -> FieldAtRoi:
    tets = _holders(mesh, points_mm, Tissue.GM)
    weights = barycentric(mesh, tets, points_mm)
    return FieldAtRoi(
        from_potential=sparse.csr_array(-elements.gradient_at(tets, weights)),
        from_edges=sparse.csr_array(-elements.dadt_at(tets, weights)),
    )


def barycentric(mesh: HeadMesh, tets: I64, points_mm: F64) -> F64:
    """Return the weights (n, 4) of the corners of tets (n,) at points (n, 3)."""
    corners = mesh.nodes_mm[mesh.tetrahedra[tets]]
    jacobian = (corners[:, 1:] - corners[:, :1]).transpose(0, 2, 1)
    later = np.linalg.solve(jacobian, (points_mm - corners[:, 0])[..., None])[..., 0]
    weights: F64 = np.column_stack((1.0 - later.sum(axis=1), later))
    return weights


def _holders(mesh: HeadMesh, points_mm: F64, tissue: Tissue) -> I64:
    holders = containing_tets(mesh, points_mm, tissue)
    missing = np.flatnonzero(holders < 0)
    if len(missing):
        # A large tetrahedron beside a refined zone has a far centroid.
        holders[missing] = containing_tets(
            mesh, points_mm[missing], tissue, n_tried=MOST_TRIED
        )
    if (holders < 0).any():
        outside = int((holders < 0).sum())
        raise DataError(f"{outside} points are in no {tissue.name} tetrahedron")
    return holders


def _patches(mesh: HeadMesh, holders: I64, tissue: Tissue) -> list[I64]:
    """Return the tetrahedra around each holder; one more ring if they are few."""
    of_tissue = np.flatnonzero(mesh.tissue == tissue)
    tets = mesh.tetrahedra[of_tissue]
    ones = np.ones(tets.size)
    places = (np.repeat(np.arange(len(tets)), 4), tets.ravel())
    shape = (len(tets), len(mesh.nodes_mm))
    touches = sparse.csr_array((ones, places), shape=shape)
    start = np.searchsorted(of_tissue, holders)
    ring = sparse.csr_array(touches[start] @ touches.T)
    wider = sparse.csr_array(ring @ touches @ touches.T)
    patches = []
    for row in range(len(holders)):
        patch = ring.indices[ring.indptr[row] : ring.indptr[row + 1]]
        if len(patch) < LEAST_PATCH:
            patch = wider.indices[wider.indptr[row] : wider.indptr[row + 1]]
        patches.append(of_tissue[np.sort(patch)])
    return patches


def _fit(mesh: HeadMesh, point_mm: F64, patch: I64) -> F64:
    """Return the weights that give a least-squares linear fit's value at the point."""
    corners = mesh.nodes_mm[mesh.tetrahedra[patch]]
    volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
    away = corners.mean(axis=1) - point_mm
    root = np.sqrt(volumes / volumes.max())
    basis = np.column_stack((np.ones(len(patch)), away / np.abs(away).max()))
    fitted: F64 = np.linalg.pinv(root[:, None] * basis, rcond=FLATTEST_PATCH)[0] * root
    return fitted
