"""Fields as coefficients of the head's own basis: short rows, nothing lost."""

import numpy as np

from m2m_rt.nets.paper_data import PaperData
from m2m_rt.nets.sessions import HeadField
from m2m_rt.units import F64, I64


def field_coefficients(head: HeadField, data: PaperData, rows: I64) -> F64:
    """Return the relative fields of rows as coefficients (n, rank).

    Distances between fields are distances between coefficients: the basis is
    orthonormal.
    """
    efield = data.relative_efield[rows]
    flat: F64 = (efield.reshape(len(rows), -1) @ head.basis).astype(np.float64)
    return flat


class Components:
    """Principal components of training fields, each of unit variance there."""

    def __init__(self, coefficients: F64, count: int) -> None:
        """Take them from coefficients (n, rank); at most `count`, fewer of few rows."""
        self.centre = coefficients.mean(axis=0)
        _, values, axes = np.linalg.svd(coefficients - self.centre, full_matrices=False)
        kept = min(count, int(np.sum(values > 1e-6 * values[0])))
        self.axes = axes[:kept].T / (values[:kept] / np.sqrt(len(coefficients)))

    def of(self, coefficients: F64) -> F64:
        """Return components (n, count)."""
        components: F64 = (coefficients - self.centre) @ self.axes
        return components
