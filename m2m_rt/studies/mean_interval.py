"""The mean over subjects and how well so many subjects tell it."""

import numpy as np
from scipy.stats import t as student_t

from m2m_rt.units import F64

Interval = tuple[float, float]

_RANGE = 0.95


def mean_interval(values: F64) -> Interval | None:
    """Return the 95 % interval of the mean over subjects (n,), None of fewer than two.

    Student's t: a percentile bootstrap of ten subjects holds 90 % of what it should,
    of three 75 %.
    """
    n = len(values)
    if n < 2:
        return None
    quantile = float(student_t.ppf(0.5 + _RANGE / 2.0, n - 1))
    mean, half = float(values.mean()), quantile * float(values.std(ddof=1)) / np.sqrt(n)
    return float(mean - half), float(mean + half)
