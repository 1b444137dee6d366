"""One head's finite-element model: factorised once, asked for fields at the ROI."""

from dataclasses import dataclass

from scipy import sparse

from m2m_rt.fem.adaptive import zone_elements
from m2m_rt.fem.coils import CoilDipoles
from m2m_rt.fem.conductivity import DEFAULT_CONDUCTIVITIES, Conductivities
from m2m_rt.fem.elements import FiniteElements, elements_of_order
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.recover import FieldAtRoi, field_at_roi
from m2m_rt.fem.solve import PotentialSolver, make_solver
from m2m_rt.fem.sources import pose_edge_integrals
from m2m_rt.units import F64

SECOND_ORDER = 2


@dataclass(frozen=True, slots=True)
class HeadModel:
    """A mesh with its factorised stiffness and its maps to the ROI."""

    mesh: HeadMesh
    elements: FiniteElements
    load: sparse.csr_array
    """(n_unknowns, n_edges)"""

    solver: PotentialSolver
    at_roi: FieldAtRoi
    conductivities: Conductivities = DEFAULT_CONDUCTIVITIES

    def solve_loads(self, loads: F64) -> F64:
        """Return the potential's part of E (3 · n_roi, k) of loads (n_unknowns, k)."""
        part: F64 = self.at_roi.from_potential @ self.solver.solve(loads)
        return part

    def field(self, edge_integrals: F64) -> F64:
        """Return E (3 · n_roi, k) of line integrals of dA/dt (n_edges, k)."""
        own: F64 = self.at_roi.from_edges @ edge_integrals
        return own + self.solve_loads(self.load @ edge_integrals)


def head_model(
    mesh: HeadMesh,
    roi_points_mm: F64,
    *,
    order: int = 1,
    solver: str = "auto",
    conductivities: Conductivities = DEFAULT_CONDUCTIVITIES,
) -> HeadModel:
    """Assemble and factorise; takes a minute on a head mesh.

    Parameters
    ----------
    order
        1: linear everywhere. 2: second order near the ROI, linear elsewhere.
    """
    elements = _elements(order, mesh, roi_points_mm)
    sigma = conductivities.of(mesh.tissue)
    return HeadModel(
        mesh=mesh,
        elements=elements,
        load=elements.load(sigma),
        solver=make_solver(elements.stiffness(sigma), solver),
        at_roi=field_at_roi(mesh, elements, roi_points_mm),
        conductivities=conductivities,
    )


def direct_fields(model: HeadModel, coil: CoilDipoles, poses: F64) -> F64:
    """Return E (n, n_roi, 3), V/m per A/µs, of poses (n, 4, 4).

    The right-hand side comes from the coil's own dipoles, not from a table's sources.
    """
    integrals = pose_edge_integrals(
        coil, poses, nodes_mm=model.mesh.nodes_mm, edges=model.elements.edges
    )
    fields = model.field(integrals)  # (3 · n_roi, n)
    return fields.T.reshape(len(poses), -1, 3)


def _elements(order: int, mesh: HeadMesh, roi_points_mm: F64) -> FiniteElements:
    if order == SECOND_ORDER:
        return zone_elements(mesh, roi_points_mm)
    return elements_of_order(order, mesh)
