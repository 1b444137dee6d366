"""What networks fitted to one subject see of a field: few numbers, nothing lost."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.nets.paper_data import PaperData
from m2m_rt.nets.sessions import HeadField
from m2m_rt.studies.coefficients import field_coefficients
from m2m_rt.units import F64, I64

_N_MAGNITUDES = 60
"""Axes that |E| is seen along; it is not linear in the field, so it has no basis."""

_RADIUS_MM = 5.0
"""Standard deviation of a filter's bell at the start."""

_TURN = 0.4
"""How far a filter's direction at the start is from the planned field's."""


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """How many filters to start."""

    n_members: int
    n_filters: int


class FieldRows:
    """Fields, or their magnitudes, as coefficients of an orthonormal basis."""

    def __init__(
        self, head: HeadField, data: PaperData, training: I64, *, has_direction: bool
    ) -> None:
        """Take the axes of magnitudes from training rows; fields have the head's."""
        self._head = head
        self.axes = head.basis.astype(np.float64)  # (3 · n_roi, rank)
        self.has_direction = has_direction
        if not has_direction:
            magnitudes = _magnitudes(data, training)
            _, _, axes = np.linalg.svd(magnitudes, full_matrices=False)
            self.axes = axes[:_N_MAGNITUDES].T  # (n_roi, n_axes)

    def of(self, data: PaperData, rows: I64) -> F64:
        """Return (n, n_axes)."""
        if self.has_direction:
            return field_coefficients(self._head, data, rows)
        seen: F64 = _magnitudes(data, rows) @ self.axes
        return seen


def start_filters(
    head: HeadField, rows: FieldRows, plan: FilterPlan, rng: np.random.Generator
) -> F64:
    """Return filters (n_members, n_axes, n_filters): bells at random ROI points.

    Each lies along the planned field there, turned at random, so that a relative field
    of size 1 along it gives 1; without direction it weighs |E|.
    """
    points_mm = head.cortex.points_mm
    members = []
    for _ in range(plan.n_members):
        columns = []
        for centre in rng.choice(len(points_mm), plan.n_filters, replace=False):
            apart_mm = np.linalg.norm(points_mm - points_mm[centre], axis=1)
            bell = np.exp(-0.5 * (apart_mm / _RADIUS_MM) ** 2)
            weights = bell / bell.sum()
            if rows.has_direction:
                along = head.cortex.planned_unit_efield[centre].astype(np.float64)
                turned = along / np.linalg.norm(along) + _TURN * rng.standard_normal(3)
                weights = np.outer(weights, turned / np.linalg.norm(turned)).ravel()
            columns.append(rows.axes.T @ weights)
        members.append(np.array(columns).T)
    return np.array(members)


def _magnitudes(data: PaperData, rows: I64) -> F64:
    magnitudes: F64 = np.linalg.norm(data.relative_efield[rows], axis=-1).astype(
        np.float64
    )
    return magnitudes
