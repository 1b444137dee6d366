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
