"""What `m2m table sphere` and `m2m table check --reference` say."""

from collections.abc import Callable

import numpy as np

from m2m_rt.efield import EfieldTable
from m2m_rt.fem import (
    SPHERE_CELLS,
    CoilDipoles,
    HeadModel,
    convergence_rate,
    reference_errors,
    sphere_errors,
)
from m2m_rt.units import F64

Report = Callable[[str, float], None]


def sphere_figures(report: Report) -> dict[str, object]:
    """Return the finite elements' errors in a ball, by order and mesh.

    `p`, `n`, `edge_mm` and `rel_l2` are parallel lists: element order, unknowns, median
    edge in the grey matter, and the worst of the tilted and off-axis coils. `rate` is
    the second order's over the edge length.
    """
    found = []
    for k, n_cells in enumerate(SPHERE_CELLS):
        found += sphere_errors(n_cells)
        report("balls", (k + 1) / len(SPHERE_CELLS))
    rates = {
        order: convergence_rate(
            np.array([e.edge_mm for e in found if e.order == order]),
            np.array([max(e.rel_l2) for e in found if e.order == order]),
        )
        for order in (1, 2)
    }
    return {
        "p": [error.order for error in found],
        "n": [error.n_unknowns for error in found],
        "edge_mm": [error.edge_mm for error in found],
        "rel_l2": [max(error.rel_l2) for error in found],
        "rate": rates[2],
        "rate_first_order": rates[1],
    }


def reference_figures(
    table: EfieldTable, model: HeadModel, coil: CoilDipoles, poses: F64, report: Report
) -> dict[str, object]:
    """Return how far a table's own finite elements are from a finer mesh's."""
    errors = reference_errors(
        model,
        table.roi.points_mm,
        coil,
        poses,
        lambda part: report("reference solves", part),
    )
    return {
        "poses": len(poses),
        "rel_l2": {
            "median": float(np.median(errors.rel_l2)),
            "max": float(errors.rel_l2.max()),
        },
        "pointwise": {"median": float(np.median(errors.pointwise))},
        "peak_rel_error": {
            "median": float(np.median(errors.peak_rel_error)),
            "max": float(errors.peak_rel_error.max()),
        },
        "remaining_rel_l2": errors.remaining_rel_l2,
    }
