"""What a table that SimNIBS solved leaves out, by SimNIBS' own solves.

The coil at some poses is handed over as the layer of sources that stands for it, so
that coils of all kinds go, and its field on the head as it is follows from the modes.
SimNIBS solves these layers again with each conductivity changed, and on the head's mesh
with the edges near the region halved.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from m2m_rt.adapters.msh_file import MshMesh
from m2m_rt.efield import EfieldTable, RegionGuard, draw_pose
from m2m_rt.fem.build import ModeLayers, TableSetup, b_at_sensors
from m2m_rt.fem.check import rel_l2
from m2m_rt.fem.conductivity import Conductivities
from m2m_rt.fem.focus import in_focus
from m2m_rt.fem.head_file import TISSUE_OF_TAG
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.npz_file import Arrays
from m2m_rt.fem.refine import near_points, refine
from m2m_rt.fem.tissues import Tissue
from m2m_rt.fem.uncertainty import (
    coil_error_of,
    conductivity_cases,
    uncertainty_of,
)
from m2m_rt.units import F64

N_LAYERS = 3
"""Poses a coil that are solved again: the planned one, and some drawn."""

LAYER_SEED = 6
"""Of those."""

REFINED_MM = 5.0
"""All tetrahedra nearer than this to an ROI point are cut into eight."""

ORDER_ON_HEAD = 0.85
"""Of first-order elements' convergence in the cortex of the demo head."""

FINER_SOURCE = (
    f"median over {N_LAYERS} poses of the distance to SimNIBS' own solution with half "
    f"the edges within {REFINED_MM:g} mm of the points; that still leaves about "
    f"{1.0 / (2.0**ORDER_ON_HEAD - 1.0):.1f} times as much (order {ORDER_ON_HEAD:g})"
)
NOT_SOLVED = "not measured: SimNIBS was not asked for a solution on a finer mesh"

SIMNIBS_S_PER_M = {
    1: 0.126,
    2: 0.275,
    3: 1.654,
    4: 0.010,
    5: 0.465,
    6: 0.5,
    7: 0.008,
    8: 0.025,
    9: 0.6,
    10: 0.16,
}
"""By SimNIBS tissue number: its defaults; SimNIBS keeps apart what we merge."""


def tag_conductivities(ours: Conductivities) -> F64:
    """Return S/m (n_tags,) of SimNIBS' numbers.

    A value of ours that differs from SimNIBS' changes all of a tissue's numbers by the
    same factor: a skull of 0.008 S/m makes its spongy bone drier too.
    """
    by_name = ours.by_name()
    return np.array(
        [
            value * by_name[tissue.name.lower()] / SIMNIBS_S_PER_M[tissue]
            for tag, value in SIMNIBS_S_PER_M.items()
            for tissue in [TISSUE_OF_TAG[tag]]
        ]
    )


def error_arrays(
    setups: Sequence[TableSetup], layers: ModeLayers, conductivities: Conductivities
) -> Arrays:
    """Return what SimNIBS is to solve again, for the job."""
    moments = [layers.modes.moments @ layer_coefficients(s, layers) for s in setups]
    changed = [
        tag_conductivities(conductivities.changed(tissue, factor))
        for tissue, factor in conductivity_cases()
    ]
    return {
        "layer_am2": np.stack([each.T for each in moments]),
        "changed_s_per_m": np.stack(changed),
    }


def layer_coefficients(setup: TableSetup, layers: ModeLayers) -> F64:
    """Return the modes' coefficients (n_modes, N_LAYERS) of a coil, planned first."""
    guard = RegionGuard(setup.region, setup.coil.winding_mm)
    rng = np.random.default_rng(LAYER_SEED)
    drawn = [draw_pose(setup.region, guard, rng) for _ in range(N_LAYERS - 1)]
    poses = np.stack([setup.region.planned_head_from_coil, *drawn])
    sensors_mm = layers.sensors.points_mm
    b = b_at_sensors(setup.coil, poses, sensors_mm, lambda *_: None)
    coefficients: F64 = layers.modes.from_b @ b
    return coefficients


def finer_msh(mesh: MshMesh, roi_points_mm: F64) -> MshMesh:
    """Return the tetrahedra of a head with half the edges near the points."""
    head = HeadMesh(mesh.nodes_mm, mesh.tetrahedra, mesh.tetrahedron_tags)
    finer = refine(head, near_points(head, roi_points_mm, REFINED_MM))
    none = np.zeros((0, 3), np.int64)
    return MshMesh(finer.nodes_mm, none, none[:, 0], finer.tetrahedra, finer.tissue)


def with_simnibs_errors(
    table: EfieldTable,
    setup: TableSetup,
    own: F64,
    changed: F64 | None,
    finer: F64 | None,
) -> EfieldTable:
    """Return a table that says what its mesh, conductivities and coil leave open.

    Parameters
    ----------
    own
        (N_LAYERS, n_roi, 3): of the layers on the head as it is, the planned one first.
    changed
        (n_cases, n_roi, 3): of the planned one with conductivities changed; None: not
        solved.
    finer
        (N_LAYERS, n_roi, 3): of the layers on the finer mesh; None: not solved.
    """
    changes = None if changed is None else _changes(own[0], changed)
    fem_rel_error, source = None, NOT_SOLVED
    if finer is not None:
        centre_mm = setup.region.planned_head_from_coil[:3, 3]
        near = in_focus(setup.roi.points_mm, centre_mm)
        away = np.linalg.norm((own - finer)[:, near], axis=2)
        size = np.linalg.norm(finer[:, near], axis=2)
        fem_rel_error, source = float(np.median(rel_l2(away, size))), FINER_SOURCE
    return replace(
        table,
        uncertainty=uncertainty_of(changes, coil_error_of(setup.coil)),
        fem_rel_error=fem_rel_error,
        fem_source=source,
    )


def _changes(own: F64, changed: F64) -> F64:
    """Return each tissue's larger relative change (n_tissues,)."""
    away = np.linalg.norm((changed - own).reshape(len(changed), -1), axis=1)
    by_tissue = np.zeros(len(Tissue))
    for (tissue, _), each in zip(conductivity_cases(), away, strict=True):
        place = list(Tissue).index(tissue)
        by_tissue[place] = max(by_tissue[place], each)
    changes: F64 = by_tissue / np.linalg.norm(own)
    return changes
