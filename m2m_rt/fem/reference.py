"""A table's finite elements against a solution on a finer mesh."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import EfieldTable
from m2m_rt.fem.adaptive import zone_elements
from m2m_rt.fem.check import rel_l2
from m2m_rt.fem.coils import CoilDipoles
from m2m_rt.fem.conductivity import DEFAULT_CONDUCTIVITIES, Conductivities
from m2m_rt.fem.direct import HeadModel, direct_fields
from m2m_rt.fem.focus import compared_rows, in_focus
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.recover import field_at_roi
from m2m_rt.fem.refine import near_points, refine
from m2m_rt.fem.twolevel import TwoLevelSolver
from m2m_rt.units import F64, I64

REFINED_MM = 3.0
"""All tetrahedra nearer than this to an ROI point are cut into eight."""

ORDER_ON_HEAD = 1.1
"""Of convergence at ROI points of the demo head, less than two for the singular edges
of the cortex; it turns the difference of two meshes into the finer one's error."""


REFERENCE_SOURCE = (
    "median over poses of the distance to second-order elements with half the edges "
    f"within {REFINED_MM:g} mm of the points; those still leave about "
    f"{1.0 / (2.0**ORDER_ON_HEAD - 1.0):.1f} times as much (order {ORDER_ON_HEAD:g})"
)
NOT_COMPARED = "not measured: first-order elements are not compared when they are built"


@dataclass(frozen=True, slots=True)
class ReferenceSettings:
    """How a table's finite elements are compared when it is built."""

    n_poses: int = 3
    seed: int = 2


@dataclass(frozen=True, slots=True)
class Reference:
    """Finer elements, and where they are fine."""

    model: HeadModel
    rows: I64
    """Of the table's ROI points, those that it answers for."""


@dataclass(frozen=True, slots=True)
class ReferenceErrors:
    """How far the table's own finite elements are from a finer mesh's. Fractions."""

    rows: I64
    """Of the table's ROI points, those compared: n of them."""

    away: F64
    """(n_poses, n): |own − finer|, V/m per A/µs."""

    size: F64
    """(n_poses, n): |finer|."""

    peak_rel_error: F64
    """(n_poses,): of the largest |E|, absolute."""

    @property
    def rel_l2(self) -> F64:
        """By pose (n_poses,)."""
        return rel_l2(self.away, self.size)

    @property
    def pointwise(self) -> F64:
        """By pose and point (n_poses, n)."""
        return self.away / self.size

    @property
    def remaining_rel_l2(self) -> float:
        """Estimate of the reference's own median error, by extrapolation to h → 0."""
        return float(np.median(self.rel_l2) / (2.0**ORDER_ON_HEAD - 1.0))


def reference_errors(
    own: F64,
    reference: Reference,
    coil: CoilDipoles,
    poses: F64,
    progress: Callable[[float], None] = lambda _: None,
) -> ReferenceErrors:
    """Solve at poses (n, 4, 4) on a mesh with half the edges at the ROI, and compare.

    Half a minute or more a pose, and about 6 GB.

    Parameters
    ----------
    own
        Shape (n, n_roi, 3): the fields that are to be judged.
    """
    aways, sizes, peaks = [], [], []
    for k, pose in enumerate(poses):
        field = own[k, reference.rows]
        finest = direct_fields(reference.model, coil, pose[np.newaxis])[0]
        aways.append(np.linalg.norm(field - finest, axis=1))
        sizes.append(np.linalg.norm(finest, axis=1))
        peaks.append(abs(np.linalg.norm(field, axis=1).max() / sizes[-1].max() - 1.0))
        progress((k + 1) / len(poses))
    found = (np.array(each) for each in (aways, sizes, peaks))
    return ReferenceErrors(reference.rows, *found)


def fem_error(table: EfieldTable, found: ReferenceErrors) -> float:
    """Return the median error over poses of a table's elements, in its focus."""
    points_mm = table.roi.points_mm[found.rows]
    near = in_focus(points_mm, table.region.planned_head_from_coil[:3, 3])
    return float(np.median(rel_l2(found.away[:, near], found.size[:, near])))


def reference_of(
    mesh: HeadMesh,
    roi_points_mm: F64,
    centre_mm: F64,
    conductivities: Conductivities = DEFAULT_CONDUCTIVITIES,
) -> Reference:
    """Return elements finer than a table's, around the points to compare."""
    rows = compared_rows(roi_points_mm, centre_mm)
    model = reference_model(mesh, roi_points_mm[rows], conductivities)
    return Reference(model, rows)


def reference_model(
    mesh: HeadMesh, roi_points_mm: F64, conductivities: Conductivities
) -> HeadModel:
    """Return second-order elements on the mesh refined around the ROI."""
    finer = refine(mesh, near_points(mesh, roi_points_mm, REFINED_MM))
    elements = zone_elements(finer, roi_points_mm)
    sigma = conductivities.of(finer.tissue)
    return HeadModel(
        mesh=finer,
        elements=elements,
        load=elements.load(sigma),
        solver=TwoLevelSolver(elements.stiffness(sigma), len(finer.nodes_mm)),
        at_roi=field_at_roi(finer, elements, roi_points_mm),
        conductivities=conductivities,
    )
