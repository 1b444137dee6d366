"""Numbers of many people or runs, with intervals."""

from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv, gammaincinv

from m2m_rt.units import F64, Bools

Summary = dict[str, float]

_N_RESAMPLED = 2000


def median_of(values: Sequence[float] | F64) -> Summary:
    """Return the median, its 95 % interval over people (bootstrap), and deciles."""
    kept = np.asarray([value for value in values if np.isfinite(value)])
    if not len(kept):
        return {"median": float("nan"), "n": 0}
    rng = np.random.default_rng(0)
    drawn = np.median(rng.choice(kept, (_N_RESAMPLED, len(kept))), axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    q10, q90 = np.quantile(kept, (0.1, 0.9))
    return {
        "median": float(np.median(kept)),
        "low_95": float(low),
        "high_95": float(high),
        "q10": float(q10),
        "q90": float(q90),
        "n": len(kept),
    }


def share_of(hits: Sequence[bool] | Bools) -> Summary:
    """Return a share with its 95 % interval (Jeffreys).

    >>> round(share_of([True, True, False, True])["share"], 2)
    0.75
    """
    n, k = len(hits), int(np.sum(hits))
    if n == 0:
        return {"share": float("nan"), "n": 0}
    return {
        "share": k / n,
        "low_95": float(betaincinv(k + 0.5, n - k + 0.5, 0.025)) if k else 0.0,
        "high_95": float(betaincinv(k + 0.5, n - k + 0.5, 0.975)) if k < n else 1.0,
        "n": n,
    }


def most_expected(count: int) -> float:
    """Return the upper end of the exact 95 % interval of a count's expectation.

    >>> round(most_expected(0), 2)
    3.69
    """
    return float(gammaincinv(count + 1, 0.975))


def means(rows: Sequence[Sequence[float]]) -> list[float | None]:
    """Return means of columns; None where a column has no number."""
    table = np.array(rows, np.float64)
    return [
        float(np.mean(column[np.isfinite(column)]))
        if np.isfinite(column).any()
        else None
        for column in table.T
    ]


def reliability(said: F64, came: F64, n_bins: int) -> list[Summary]:
    """Return, for bins of stated probability, what was said and how often it came."""
    place = np.minimum((said * n_bins).astype(np.int64), n_bins - 1)
    return [
        {
            "said": float(said[place == one].mean()),
            "came": float(came[place == one].mean()),
            "n": int(np.sum(place == one)),
        }
        for one in range(n_bins)
        if np.any(place == one)
    ]
