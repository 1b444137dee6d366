"""What a muscle map comes down to: hotspot, centre of gravity, area.

Each has its interval; all are made of equally likely surfaces.
"""

from dataclasses import dataclass

import numpy as np

from m2m_rt.model import MEP_PRESENT_UV
from m2m_rt.units import F64

COVERAGE = 0.9
"""Of every interval here."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place that is not known exactly."""

    mean_mm: F64
    """(3,)"""

    radius_90_mm: float
    """Nine of ten equally likely places are nearer to the mean than this."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number that is not known exactly: its mean and 5 % and 95 % quantiles."""

    mean: float
    p05: float
    p95: float


def hotspot_places(log10_uv: F64, positions_mm: F64) -> F64:
    """Return where each surface (n_draws, n) is largest: (n_draws, 3).

    `positions_mm` is (n, 3). A surface that is nowhere larger than elsewhere has its
    hotspot at its first candidate.
    """
    places: F64 = positions_mm[np.argmax(log10_uv, axis=1)]
    return places


def gravity_places(log10_uv: F64, positions_mm: F64) -> F64:
    """Return each surface's centre of gravity (n_draws, 3), weighted by size in µV.

    Only candidates that answer count (≥ 50 µV): the noise floor of a wide grid would
    pull every map to the grid's middle. NaN for a surface that answers nowhere.

    >>> at = np.array([[0.0, 0, 0], [2.0, 0, 0], [90.0, 0, 0]])
    >>> float(gravity_places(np.array([[2.0, 2.0, 1.0]]), at)[0, 0])
    1.0
    """
    answers = log10_uv >= np.log10(MEP_PRESENT_UV)
    size_uv = np.where(answers, 10.0**log10_uv, 0.0)
    total_uv = size_uv.sum(axis=1, keepdims=True)
    places: F64 = np.divide(
        size_uv @ positions_mm,
        total_uv,
        out=np.full((len(log10_uv), 3), np.nan),
        where=total_uv > 0.0,
    )
    return places


def areas_mm2(log10_uv: F64, *, cell_mm2: float) -> F64:
    """Return each surface's area that answers (n_draws,), candidates one cell each."""
    areas: F64 = cell_mm2 * np.sum(log10_uv >= np.log10(MEP_PRESENT_UV), axis=1)
    return areas


def place_of(places_mm: F64) -> Place | None:
    """Return the mean and radius of equally likely places (n_draws, 3).

    Rows of NaN are left out; None if most are.
    """
    known = places_mm[np.all(np.isfinite(places_mm), axis=1)]
    if 2 * len(known) < len(places_mm):
        return None
    mean_mm = known.mean(axis=0)
    apart_mm = np.linalg.norm(known - mean_mm, axis=1)
    return Place(mean_mm=mean_mm, radius_90_mm=float(np.quantile(apart_mm, COVERAGE)))


def interval_of(values: F64) -> Interval:
    """Return the mean and quantiles of equally likely values (n_draws,)."""
    low, high = np.quantile(values, (0.5 - COVERAGE / 2.0, 0.5 + COVERAGE / 2.0))
    return Interval(mean=float(values.mean()), p05=float(low), p95=float(high))
