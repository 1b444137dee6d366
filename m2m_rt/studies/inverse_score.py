"""How far maps of the field are from the true ones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from m2m_rt.learning import FieldMap
from m2m_rt.units import F32, F64, I64

_Z_90 = 1.6449
_N_STRONGEST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class MapError:
    """How far maps are from the true ones."""

    nrmse: float
    """Root of the summed squared error over the summed square."""

    r2: float
    """About the one mean of all points and pulses, as the reference may have it."""

    r2_pointwise: float
    """About each point's own mean over the training pulses: 0 for a method that does
    not look at the MEPs."""

    coverage_90: float
    """Part of points and pulses inside mean ± 1.645 sd; NaN for a method without."""

    strongest_mm: float
    """Median distance between the middles of the 50 strongest points."""


def score_maps(
    found: FieldMap, true: F32, *, reference: F64, points_mm: F64
) -> MapError:
    """Compare maps with the true ones; `reference` is the training pulses' mean map."""
    squared = (found.mean - true) ** 2
    total = float(squared.sum())
    inside = np.abs(found.mean - true) <= _Z_90 * found.sd
    apart_mm = np.linalg.norm(
        _strongest_mm(found.mean, points_mm) - _strongest_mm(true, points_mm), axis=1
    )
    has_sd = bool(np.all(np.isfinite(found.sd)))
    return MapError(
        nrmse=float(np.sqrt(total / np.sum(true.astype(np.float64) ** 2))),
        r2=1.0 - total / float(np.sum((true - true.mean(dtype=np.float64)) ** 2)),
        r2_pointwise=1.0 - total / float(np.sum((true - reference) ** 2)),
        coverage_90=float(inside.mean()) if has_sd else float("nan"),
        strongest_mm=float(np.median(apart_mm)),
    )


def _strongest_mm(strength: F64 | F32, points_mm: F64) -> F64:
    """Return the middle of each map's strongest points, (n, 3)."""
    rows = np.argpartition(-strength, _N_STRONGEST, axis=1)[:, :_N_STRONGEST]
    middle: F64 = points_mm[rows].mean(axis=1)
    return middle


def joined(parts: Sequence[tuple[I64, FieldMap]], shape: tuple[int, ...]) -> FieldMap:
    """Return one map of all rows from those of folds."""
    mean, sd = np.zeros(shape), np.zeros(shape)
    for rows, found in parts:
        mean[rows], sd[rows] = found.mean, found.sd
    return FieldMap(mean, sd)


def mean_figures(
    people: Sequence[Mapping[str, MapError]],
) -> dict[str, dict[str, object]]:
    """Return each method's scores: the mean over people, and every person's."""
    figures: dict[str, dict[str, object]] = {}
    for method in people[0]:
        rows = [asdict(person[method]) for person in people]
        figures[method] = {
            name: round(float(np.mean([row[name] for row in rows])), 4)
            for name in rows[0]
        }
        figures[method]["nrmse_r2_each"] = [
            [round(row["nrmse"], 3), round(row["r2"], 3)] for row in rows
        ]
    return figures
