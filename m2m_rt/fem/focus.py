"""Which points of a large region get the finest mesh and are compared most closely.

The mesh of a region such as the motor strip is refined around all of its points. A
whole cortex is not: the field matters near the coil, and is small elsewhere.
"""

import numpy as np

from m2m_rt.units import F64, I64, Bools

FOCUS_POINTS = 3000
"""Nearest to the planned centre. Regions of no more points are refined all over."""

N_ELSEWHERE = 300
"""Of the other points, drawn, in comparisons with a finer mesh."""


def in_focus(points_mm: F64, centre_mm: F64) -> Bools:
    """Return which points (n,) are among the nearest to a place."""
    away_mm = np.linalg.norm(points_mm - centre_mm, axis=1)
    rows = np.argsort(away_mm, kind="stable")[:FOCUS_POINTS]
    chosen = np.zeros(len(points_mm), dtype=bool)
    chosen[rows] = True
    return chosen


def compared_rows(points_mm: F64, centre_mm: F64) -> I64:
    """Return the rows of points in focus and of some drawn elsewhere, in order."""
    chosen = in_focus(points_mm, centre_mm)
    elsewhere = np.flatnonzero(~chosen)
    rng = np.random.default_rng(6)
    n_drawn = min(N_ELSEWHERE, len(elsewhere))
    chosen[rng.choice(elsewhere, n_drawn, replace=False)] = True
    return np.flatnonzero(chosen)
