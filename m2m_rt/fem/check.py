"""A table against direct finite elements on its own mesh, at poses it never saw."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import EfieldLookup, EfieldTable, RegionGuard, draw_pose
from m2m_rt.errors import DataError
from m2m_rt.fem.coils import CoilDipoles
from m2m_rt.fem.direct import HeadModel, direct_fields
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class TableErrors:
    """How far a table is from direct solves. Fractions, not per cent."""

    rel_l2: F64
    """(n_poses,): ‖table − direct‖ / ‖direct‖ over all points and components."""

    pointwise: F64
    """(n_poses, n_roi): |table − direct| / |direct|."""

    peak_rel_error: F64
    """(n_poses,): of the largest |E|, absolute."""

    @property
    def rel_l2_median(self) -> float:
        """Median over poses of the relative L2 error."""
        return float(np.median(self.rel_l2))


def held_out_poses(table: EfieldTable, n_poses: int, rng: np.random.Generator) -> F64:
    """Return random poses (n, 4, 4) over a table's whole region."""
    guard = RegionGuard(table.region, table.coil.winding_mm)
    return np.stack([draw_pose(table.region, guard, rng) for _ in range(n_poses)])


def check_table(
    table: EfieldTable,
    model: HeadModel,
    coil: CoilDipoles,
    poses: F64,
    progress: Callable[[float], None] = lambda _: None,
) -> TableErrors:
    """Return the table's errors at poses (n, 4, 4) of its region.

    The direct side takes the coil's own dipoles, the table side its query as the live
    loop uses it; both read the field by the same recovery at the same points.

    Raises
    ------
    DataError
        If the table refuses one of the poses.
    """
    lookup = EfieldLookup(table)
    rel_l2, pointwise, peaks = [], [], []
    for k, pose in enumerate(poses):
        answered = lookup.query(pose)
        answer = answered.unit_efield_v_per_m
        if answer is None:
            raise DataError(f"pose {k} of the check is refused: {answered.reason}")
        direct = direct_fields(model, coil, pose[np.newaxis])[0]
        away = np.linalg.norm(answer - direct, axis=1)
        size = np.linalg.norm(direct, axis=1)
        rel_l2.append(np.linalg.norm(away) / np.linalg.norm(size))
        pointwise.append(away / size)
        peak = np.linalg.norm(answer, axis=1).max()
        peaks.append(abs(peak / size.max() - 1.0))
        progress((k + 1) / len(poses))
    return TableErrors(np.array(rel_l2), np.array(pointwise), np.array(peaks))
