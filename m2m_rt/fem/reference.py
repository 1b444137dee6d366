"""A table's finite elements against a solution on a finer mesh."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import EfieldTable
from m2m_rt.fem.adaptive import zone_elements
from m2m_rt.fem.check import held_out_poses
from m2m_rt.fem.coils import CoilDipoles
from m2m_rt.fem.direct import HeadModel, direct_fields
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.recover import field_at_roi
from m2m_rt.fem.refine import near_points, refine
from m2m_rt.fem.tissues import conductivities
from m2m_rt.fem.twolevel import TwoLevelSolver
from m2m_rt.units import F64

REFINED_MM = 3.0
"""All tetrahedra nearer than this to an ROI point are cut into eight."""

ORDER_ON_HEAD = 1.1
"""Of convergence at ROI points of the demo head, less than two for the singular edges
of the cortex; it turns the difference of two meshes into the finer one's error."""


@dataclass(frozen=True, slots=True)
class ReferenceSettings:
    """How a table's finite elements are compared when it is built."""

    n_poses: int = 3
    seed: int = 2


@dataclass(frozen=True, slots=True)
class ReferenceErrors:
    """How far the table's own finite elements are from a finer mesh's. Fractions."""

    rel_l2: F64
    """(n_poses,)"""

    pointwise: F64
    """(n_poses, n_roi)"""

    peak_rel_error: F64
    """(n_poses,): of the largest |E|, absolute."""

    @property
    def remaining_rel_l2(self) -> float:
        """Estimate of the reference's own median error, by extrapolation to h → 0."""
        return float(np.median(self.rel_l2) / (2.0**ORDER_ON_HEAD - 1.0))


def reference_errors(
    model: HeadModel,
    roi_points_mm: F64,
    coil: CoilDipoles,
    poses: F64,
    progress: Callable[[float], None] = lambda _: None,
) -> ReferenceErrors:
    """Solve at poses (n, 4, 4) on the mesh and on one with half the edges at the ROI.

    Takes a minute or more a pose, and about 6 GB.
    """
    finer = reference_model(model.mesh, roi_points_mm)
    return errors_against(model, finer, coil, poses, progress)


def errors_against(
    model: HeadModel,
    finer: HeadModel,
    coil: CoilDipoles,
    poses: F64,
    progress: Callable[[float], None] = lambda _: None,
) -> ReferenceErrors:
    """Return how far a model is from a finer one at poses (n, 4, 4)."""
    rel_l2, pointwise, peaks = [], [], []
    for k, pose in enumerate(poses):
        own = direct_fields(model, coil, pose[np.newaxis])[0]
        finest = direct_fields(finer, coil, pose[np.newaxis])[0]
        away = np.linalg.norm(own - finest, axis=1)
        size = np.linalg.norm(finest, axis=1)
        rel_l2.append(np.linalg.norm(away) / np.linalg.norm(size))
        pointwise.append(away / size)
        peaks.append(abs(np.linalg.norm(own, axis=1).max() / size.max() - 1.0))
        progress((k + 1) / len(poses))
    return ReferenceErrors(np.array(rel_l2), np.array(pointwise), np.array(peaks))


def fem_error(
    table: EfieldTable,
    models: tuple[HeadModel, HeadModel],
    coil: CoilDipoles,
    settings: ReferenceSettings,
    progress: Callable[[float], None] = lambda _: None,
) -> float:
    """Return the median error at random poses of a table's elements.

    Parameters
    ----------
    models
        The table's own, and that of `reference_model`.
    """
    rng = np.random.default_rng(settings.seed)
    poses = held_out_poses(table, settings.n_poses, rng)
    found = errors_against(*models, coil, poses, progress)
    return float(np.median(found.rel_l2))


def reference_model(mesh: HeadMesh, roi_points_mm: F64) -> HeadModel:
    """Return second-order elements on the mesh refined around the ROI."""
    finer = refine(mesh, near_points(mesh, roi_points_mm, REFINED_MM))
    elements = zone_elements(finer, roi_points_mm)
    sigma = conductivities(finer.tissue)
    return HeadModel(
        mesh=finer,
        elements=elements,
        load=elements.load(sigma),
        solver=TwoLevelSolver(elements.stiffness(sigma), len(finer.nodes_mm)),
        at_roi=field_at_roi(finer, elements, roi_points_mm),
    )
