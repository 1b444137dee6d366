"""A table against direct finite elements on its own mesh, at poses it never saw."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from m2m_rt.efield import (
    EfieldLookup,
    EfieldTable,
    RegionGuard,
    draw_pose,
    edge_margin,
)
from m2m_rt.errors import DataError
from m2m_rt.fem.coils import CoilDipoles
from m2m_rt.fem.direct import HeadModel, direct_fields
from m2m_rt.units import F32, F64

POSES_AT_ONCE = 5
"""Together they take half the time that they take one by one."""


@dataclass(frozen=True, slots=True)
class TableErrors:
    """How far a table is from direct solves. Fractions, not per cent."""

    away: F64
    """(n_poses, n_roi): |table − direct|, V/m per A/µs."""

    size: F64
    """(n_poses, n_roi): |direct|."""

    peak_rel_error: F64
    """(n_poses,): of the largest |E|, absolute."""

    bound: F64
    """(n_poses,): of rel_l2, as the query gave it; NaN if the table has none."""

    edge_margin: F64
    """(n_poses,): 0 on the region's edge, 1 in its middle."""

    @property
    def rel_l2(self) -> F64:
        """(n_poses,): ‖table − direct‖ / ‖direct‖ over all points and components."""
        return rel_l2(self.away, self.size)

    @property
    def pointwise(self) -> F64:
        """(n_poses, n_roi): |table − direct| / |direct|."""
        return self.away / self.size

    @property
    def rel_l2_median(self) -> float:
        """Median over poses of the relative L2 error."""
        return float(np.median(self.rel_l2))

    def bound_coverage(self, nearest_edge: float = 1.0) -> float:
        """Return how many errors are under the bound, of the poses nearest the edge.

        Parameters
        ----------
        nearest_edge
            The part of the poses that counts, 0.25 for the quarter nearest the edge.
        """
        counted = self.edge_margin <= np.quantile(self.edge_margin, nearest_edge)
        return float((self.rel_l2 <= self.bound)[counted].mean())

    @property
    def bound_over_median(self) -> float:
        """Median bound over median error: how informative the bound is."""
        return float(np.median(self.bound)) / self.rel_l2_median

    @property
    def bound_rank_correlation(self) -> float:
        """Spearman's correlation of bound and error."""
        if len(self.rel_l2) < 3 or not np.isfinite(self.bound).all():
            return math.nan
        return float(stats.spearmanr(self.bound, self.rel_l2).statistic)


def rel_l2(away: F64, size: F64) -> F64:
    """Return the relative error (n_poses,) over points, from lengths (n_poses, n)."""
    errors: F64 = np.linalg.norm(away, axis=1) / np.linalg.norm(size, axis=1)
    return errors


def held_out_poses(table: EfieldTable, n_poses: int, rng: np.random.Generator) -> F64:
    """Return random poses (n, 4, 4) over a table's whole region."""
    guard = RegionGuard(table.region, table.coil.winding_mm)
    return np.stack([draw_pose(table.region, guard, rng) for _ in range(n_poses)])


@dataclass(frozen=True, slots=True)
class Answered:
    """What a table answers to a pose that it allows."""

    field: F32
    """(n_roi, 3): V/m per A/µs."""

    bound: float
    """Of its relative error; NaN if the table has none."""


def answers_at(lookup: EfieldLookup, poses: Iterable[F64]) -> Iterator[Answered]:
    """Yield the table's answers to poses of its own region.

    Raises
    ------
    DataError
        If it refuses one of them.
    """
    for k, pose in enumerate(poses):
        answer = lookup.query(pose)
        if answer.unit_efield_v_per_m is None:
            raise DataError(f"pose {k} of the table's own is refused: {answer.reason}")
        yield Answered(answer.unit_efield_v_per_m, answer.table_rel_error)


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
    fields = (
        field
        for start in range(0, len(poses), POSES_AT_ONCE)
        for field in direct_fields(model, coil, poses[start : start + POSES_AT_ONCE])
    )
    return errors_against(table, poses, fields, progress)


def errors_against(
    table: EfieldTable,
    poses: F64,
    direct: Iterable[F64],
    progress: Callable[[float], None] = lambda _: None,
) -> TableErrors:
    """Return the table's errors at poses (n, 4, 4) with direct fields (n_roi, 3) each.

    Raises
    ------
    DataError
        If the table refuses one of the poses.
    """
    lookup = EfieldLookup(table)
    aways, sizes, peaks, bounds, margins = [], [], [], [], []
    answers = answers_at(lookup, poses)
    for pose, true, answer in zip(poses, direct, answers, strict=True):
        aways.append(np.linalg.norm(answer.field - true, axis=1))
        sizes.append(np.linalg.norm(true, axis=1))
        peak = np.linalg.norm(answer.field, axis=1).max()
        peaks.append(abs(peak / sizes[-1].max() - 1.0))
        bounds.append(answer.bound)
        margins.append(edge_margin(table.region, lookup.guard, pose))
        progress(len(aways) / len(poses))
    found = (aways, sizes, peaks, bounds, margins)
    return TableErrors(*(np.array(each) for each in found))
