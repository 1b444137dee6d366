"""Plain regressors beside the process: position in, log10 MEP out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from m2m_rt.learning import Recording
from m2m_rt.studies.maps_data import folds, pooled_r2
from m2m_rt.units import F64

Regressor = Callable[[F64, F64, F64, float], F64]
"""Training positions (n, 3), their log10 MEPs (n,), test positions (m, 3), and the
baseline's setting → (m,)."""


@dataclass(frozen=True, slots=True)
class MapBaseline:
    """A regressor, what its setting is chosen from, and the shipped one."""

    name: str
    predict: Regressor
    settings: tuple[float, ...]
    shipped: float


_FLAT_MM = 0.01
"""Less spread than this along an axis is none: navigators are ten times coarser."""


def nearest(x: F64, y: F64, at: F64, count: float) -> F64:
    """Return the mean of the nearest pulses."""
    _, rows = cKDTree(x).query(at, k=min(int(count), len(x)))
    return np.asarray(y[rows.reshape(len(at), -1)].mean(axis=1))


def kernel_mean(x: F64, y: F64, at: F64, width_mm: float) -> F64:
    """Return the mean of all pulses, weighted by a Gaussian of their distance."""
    apart2 = np.sum((at[:, np.newaxis] - x[np.newaxis]) ** 2, axis=2)
    # Less the least exponent: far from every pulse the nearest one counts.
    exponent = (apart2 - apart2.min(axis=1, keepdims=True)) / width_mm**2
    weight = np.exp(-0.5 * exponent)
    return np.asarray(weight @ y / weight.sum(axis=1))


def cubic_ridge(x: F64, y: F64, at: F64, penalty: float) -> F64:
    """Return ridge regression on all products of up to three coordinates."""
    centre, width = x.mean(axis=0), x.std(axis=0) + 1e-9
    phi, phi_at = (_cubic((each - centre) / width) for each in (x, at))
    gram = phi.T @ phi + penalty * np.eye(phi.shape[1])
    return np.asarray(y.mean() + phi_at @ np.linalg.solve(gram, phi.T @ (y - y.mean())))


def spline(x: F64, y: F64, at: F64, smoothing: float) -> F64:
    """Return a smoothing thin-plate spline, which bends least for its error."""
    # Along an axis without spread (sites in a plane) its linear part is singular.
    centre = x.mean(axis=0)
    _, spread, axes = np.linalg.svd(x - centre, full_matrices=False)
    axes = axes[spread > _FLAT_MM * np.sqrt(len(x))]
    fitted = RBFInterpolator(
        (x - centre) @ axes.T, y, kernel="thin_plate_spline", smoothing=smoothing
    )
    return np.asarray(fitted((at - centre) @ axes.T))


def mean(x: F64, y: F64, at: F64, _setting: float) -> F64:  # noqa: ARG001 - as others
    """Return the training pulses' mean."""
    return np.full(len(at), y.mean())


MAP_BASELINES = (
    MapBaseline("mean", mean, (0.0,), 0.0),
    MapBaseline("knn", nearest, (5, 10, 20, 40), 10),
    MapBaseline("kernel_mean", kernel_mean, (3, 5, 8, 12), 5),
    MapBaseline("cubic_ridge", cubic_ridge, (1, 10, 100), 10),
    MapBaseline("spline", spline, (1e2, 1e3, 1e4, 1e5), 1e3),
)
"""Settings: count, width in mm, penalty, smoothing."""


BaselineTable = Mapping[str, Mapping[float, float | None]]
"""Name → setting → 10-fold R² of one recording."""


def baseline_table(recording: Recording) -> BaselineTable:
    """Return the R² of every baseline with each of its settings."""
    return {
        baseline.name: {
            setting: _baseline_r2(baseline, recording, setting)
            for setting in baseline.settings
        }
        for baseline in MAP_BASELINES
    }


def choose_settings(others: Sequence[BaselineTable]) -> dict[str, float]:
    """Return each baseline's setting that is best on others, or the shipped one."""
    return {each.name: _best_setting(each, others) for each in MAP_BASELINES}


def _best_setting(baseline: MapBaseline, others: Sequence[BaselineTable]) -> float:
    if not others:
        return baseline.shipped
    totals = {
        setting: sum(other[baseline.name][setting] or 0.0 for other in others)
        for setting in baseline.settings
    }
    return max(totals, key=lambda setting: totals[setting])


def _baseline_r2(
    baseline: MapBaseline, recording: Recording, setting: float
) -> float | None:
    x, y = recording.pulses.position_mm, recording.log10_uv
    predicted = np.empty_like(y)
    for train, test in folds(len(y)):
        predicted[test] = baseline.predict(x[train], y[train], x[test], setting)
    return pooled_r2(predicted, y)


def _cubic(x: F64) -> F64:
    n_axes = x.shape[1]
    first = [x[:, i] for i in range(n_axes)]
    second = [x[:, i] * x[:, j] for i in range(n_axes) for j in range(i, n_axes)]
    third = [
        x[:, i] * x[:, j] * x[:, k]
        for i in range(n_axes)
        for j in range(i, n_axes)
        for k in range(j, n_axes)
    ]
    return np.column_stack((*first, *second, *third))
