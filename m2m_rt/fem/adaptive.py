"""A mesh refined where the field's error at the ROI comes from.

The cortex has edges and corners at which the current is singular; refining only these
does as much for the ROI as halving every edge around it, at a fifth of the unknowns.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import spatial

from m2m_rt.fem.conductivity import DEFAULT_CONDUCTIVITIES, Conductivities
from m2m_rt.fem.elements import LinearElements
from m2m_rt.fem.hybrid import HybridElements, hybrid_elements
from m2m_rt.fem.mesh import HeadMesh, in_space_order
from m2m_rt.fem.numbering import numbered_faces
from m2m_rt.fem.refine import near_points, refine
from m2m_rt.fem.solve import make_solver
from m2m_rt.units import F64, I64, Bools

ZONE_MM = 12.0
"""Edges nearer than this to an ROI point carry quadratic functions."""


@dataclass(frozen=True, slots=True)
class AdaptSettings:
    """How the mesh near the ROI is refined."""

    tets_a_step: tuple[int, ...] = (3000, 5000)
    """Tetrahedra cut into eight in each step, the worst ones first."""

    reach_mm: float = 16.0
    """From the nearest ROI point; nothing beyond is refined."""

    influence_mm: float = 2.0
    """An error this far from the nearest ROI point counts half in its field; farther
    away its part falls with the third power, as a dipole's field does."""

    conductivities: Conductivities = DEFAULT_CONDUCTIVITIES
    """Those that the field is solved with."""


EdgeIntegrals = Callable[[F64, I64], F64]
"""Line integrals of dA/dt (n_edges, k) of k coil poses, from nodes and edges."""


def zone_elements(mesh: HeadMesh, roi_points_mm: F64) -> HybridElements:
    """Return elements that are of second order near the ROI."""
    return hybrid_elements(mesh, near_points(mesh, roi_points_mm, ZONE_MM))


def adapted_mesh(
    mesh: HeadMesh,
    roi_points_mm: F64,
    integrals: EdgeIntegrals,
    settings: AdaptSettings,
    progress: Callable[[float], None],
) -> HeadMesh:
    """Solve, find where the error is, refine there, and so on; takes minutes."""
    for step, n_marked in enumerate(settings.tets_a_step):
        elements = zone_elements(mesh, roi_points_mm)
        edge_integrals = integrals(elements.nodes_mm, elements.edges)
        sigma = settings.conductivities.of(mesh.tissue)
        solver = make_solver(elements.stiffness(sigma))
        potential = solver.solve(elements.load(sigma) @ edge_integrals)
        away_mm, _ = spatial.cKDTree(roi_points_mm).query(_centroids(mesh))
        tets = np.flatnonzero(away_mm <= settings.reach_mm)
        flux = _outward_flux(elements, tets, potential, edge_integrals)
        jumps = _flux_jumps(elements.linear, tets, flux, sigma[tets])
        weight = 1.0 / (1.0 + (away_mm[tets] / settings.influence_mm) ** 3) ** 2
        mesh = refine(mesh, _worst(weight * jumps, tets, n_marked, len(away_mm)))
        progress((step + 1) / len(settings.tets_a_step))
    return in_space_order(mesh)


def _outward_flux(
    elements: HybridElements, tets: I64, potential: F64, edge_integrals: F64
) -> F64:
    """Return E·n (n, 4, k) in the middle of each tet's faces, n pointing outwards."""
    gradients = elements.linear.gradients[tets]
    lengths = np.linalg.norm(gradients, axis=2, keepdims=True)
    inward = gradients / lengths  # (n, 4, 3): the face opposite each corner
    flux = np.empty((len(tets), 4, potential.shape[1]))
    for face in range(4):
        weights = np.full((len(tets), 4), 1.0 / 3.0)
        weights[:, face] = 0.0
        minus_e = elements.gradient_at(tets, weights) @ potential
        minus_e += elements.dadt_at(tets, weights) @ edge_integrals
        by_tet = minus_e.reshape(len(tets), 3, -1)
        flux[:, face] = np.einsum("nik,ni->nk", by_tet, inward[:, face])
    return flux


def _flux_jumps(linear: LinearElements, tets: I64, flux: F64, sigma: F64) -> F64:
    """Return each tet's squared jumps (n,) of normal current over its inner faces.

    Divided by the conductivity, so that they measure E: ∑ h |face| (⟦σE·n⟧/σ)².
    """
    face_of, n_holders = numbered_faces(linear.tetrahedra[tets])
    jump = np.zeros((len(n_holders), flux.shape[2]))
    np.add.at(jump, face_of, sigma[:, None, None] * flux)
    mean_sigma = np.bincount(face_of.ravel(), np.repeat(sigma, 4)) / n_holders
    squared = np.where(n_holders == 2, (jump**2).mean(axis=1) / mean_sigma**2, 0.0)
    lengths = np.linalg.norm(linear.gradients[tets], axis=2)
    areas = 3.0 * linear.volumes_mm3[tets][:, None] * lengths
    jumps: F64 = (areas**1.5 * squared[face_of]).sum(axis=1)
    return jumps


def _worst(scores: F64, tets: I64, n_marked: int, n_tets: int) -> Bools:
    marked = np.zeros(n_tets, dtype=bool)
    marked[tets[np.argsort(scores)[::-1][:n_marked]]] = True
    return marked


def _centroids(mesh: HeadMesh) -> F64:
    centroids: F64 = mesh.nodes_mm[mesh.tetrahedra].mean(axis=1)
    return centroids
