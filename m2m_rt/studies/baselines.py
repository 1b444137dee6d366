"""Plain regressors on the paper's design: what every network has to beat.

All learn log10 MEPs, tune themselves on the training rows alone, and give expected
amplitudes by a smearing learnt there too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from m2m_rt.nets.field_process import N_PROCESS_COMPONENTS, Components, FieldProcess
from m2m_rt.nets.paper_data import PaperData
from m2m_rt.nets.sessions import HeadField, Progress
from m2m_rt.studies.coefficients import field_coefficients
from m2m_rt.studies.smearing import Smearing, learn_smearing
from m2m_rt.studies.systems import Fitted, Predicted, System
from m2m_rt.studies.voxel_sigmoid import fit_voxel_sigmoids
from m2m_rt.units import F64, I64

N_RIDGE_COMPONENTS = 30
_RIDGES = np.geomspace(0.1, 1e4, 30)

_NEIGHBOURS = (3, 5, 8, 12, 20)
_MM_PER_DEG = 0.25
"""How many millimetres one degree of coil rotation is worth to kNN."""

_MM_PER_PCT_RMT = (0.15, 0.3, 0.6)
"""And one percent of intensity: chosen on training rows."""


@dataclass(frozen=True, slots=True)
class FittedRule:
    """A learnt way from rows to what is expected of them."""

    rule: Callable[[PaperData, I64], Predicted]
    n_parameters: int
    hat_trace: float = float("nan")

    @property
    def n_effective(self) -> int:
        """All of them: nothing shrinks."""
        return self.n_parameters

    def predict(self, data: PaperData, rows: I64) -> Predicted:
        """Return what is expected of rows."""
        return self.rule(data, rows)


@dataclass(frozen=True, slots=True)
class NamedSystem:
    """A system made of a function."""

    name: str
    learn: Callable[[PaperData, I64], Fitted] = field(repr=False)

    def fit(self, data: PaperData, training: I64, progress: Progress) -> Fitted:
        """Learn from training rows."""
        progress(self.name, 0, 1)
        fitted = self.learn(data, training)
        progress(self.name, 1, 1)
        return fitted


def baselines(head: HeadField) -> tuple[System, ...]:
    """Return every baseline on one head."""
    return (
        NamedSystem("mean", fit_mean),
        NamedSystem("pca_ridge", lambda data, rows: fit_ridge(head, data, rows)),
        NamedSystem("pca_gp", lambda data, rows: fit_process(head, data, rows)),
        NamedSystem("knn_pose", fit_neighbours),
        NamedSystem(
            "voxel_sigmoid", lambda data, rows: fit_voxel_sigmoids(head, data, rows)
        ),
    )


def fit_mean(data: PaperData, training: I64) -> Fitted:
    """Learn each muscle's mean, of amplitudes and of their logarithms."""
    mean_uv = data.amplitude_uv[training].astype(np.float64).mean(axis=0)
    mean_log10_uv = log10_meps(data, training).mean(axis=0)

    def rule(_data: PaperData, rows: I64) -> Predicted:
        shape = (len(rows), len(mean_uv))
        return Predicted(
            amplitude_uv=np.broadcast_to(mean_uv, shape),
            log10_uv=np.broadcast_to(mean_log10_uv, shape),
        )

    return FittedRule(rule, len(mean_uv), float(len(mean_uv)))


def fit_ridge(head: HeadField, data: PaperData, training: I64) -> Fitted:
    """Learn a ridge regression on principal components, its penalty by leaving out."""
    coefficients = field_coefficients(head, data, training)
    parts = Components(coefficients, N_RIDGE_COMPONENTS)
    inputs, log10_uv = parts.of(coefficients), log10_meps(data, training)
    penalty = min(_RIDGES, key=lambda at: _left_out_error(inputs, log10_uv, at))
    left_out, weights, trace = _ridge(inputs, log10_uv, penalty)
    smearing = learn_smearing(left_out, data.amplitude_uv[training].astype(np.float64))

    def rule(data: PaperData, rows: I64) -> Predicted:
        found = parts.of(field_coefficients(head, data, rows))
        expected = log10_uv.mean(axis=0) + found @ weights
        return Predicted(smearing.amplitude_uv(expected), expected)

    n_muscles = log10_uv.shape[1]
    return FittedRule(rule, weights.size + n_muscles, n_muscles * (trace + 1.0))


def fit_process(head: HeadField, data: PaperData, training: I64) -> "FittedProcess":
    """Learn a Gaussian process on principal components."""
    coefficients = field_coefficients(head, data, training)
    parts = Components(coefficients, N_PROCESS_COMPONENTS)
    process = FieldProcess(parts.of(coefficients), log10_meps(data, training))
    smearing = learn_smearing(
        process.left_out_log10_uv, data.amplitude_uv[training].astype(np.float64)
    )
    return FittedProcess(head, parts, process, smearing)


@dataclass(frozen=True, slots=True)
class FittedProcess:
    """A Gaussian process on one subject; fulfils `Fitted`."""

    head: HeadField
    parts: Components
    process: FieldProcess
    smearing: Smearing

    @property
    def n_parameters(self) -> int:
        """Lengths; signal, noise and mean of each muscle: the rest is in the trace."""
        settings = self.process.settings
        return len(settings.lengths) + 3 * len(settings.signal)

    @property
    def n_effective(self) -> int:
        """All of them: nothing shrinks."""
        return self.n_parameters

    @property
    def hat_trace(self) -> float:
        """Of all muscles."""
        return self.process.hat_trace

    def predict(self, data: PaperData, rows: I64) -> Predicted:
        """Return what is expected of rows."""
        seen = self.parts.of(field_coefficients(self.head, data, rows))
        expected = self.process.log10_uv(seen)
        return Predicted(self.smearing.amplitude_uv(expected), expected)


def fit_neighbours(data: PaperData, training: I64) -> Fitted:
    """Learn by heart; their number and the worth of intensity by leaving out."""
    log10_uv = log10_meps(data, training)
    amplitude_uv = data.amplitude_uv[training].astype(np.float64)
    choices = [(count, mm) for count in _NEIGHBOURS for mm in _MM_PER_PCT_RMT]

    def error(choice: tuple[int, float]) -> float:
        count, mm_per_pct = choice
        places = _places(data, training, mm_per_pct)
        apart = _apart(places, places)
        np.fill_diagonal(apart, np.inf)
        found = _nearest_mean(apart, log10_uv, count)
        return float(np.mean((found - log10_uv) ** 2))

    count, mm_per_pct = min(choices, key=error)
    known = _places(data, training, mm_per_pct)

    def rule(data: PaperData, rows: I64) -> Predicted:
        apart = _apart(_places(data, rows, mm_per_pct), known)
        return Predicted(
            amplitude_uv=_nearest_mean(apart, amplitude_uv, count),
            log10_uv=_nearest_mean(apart, log10_uv, count),
        )

    return FittedRule(rule, 2, log10_uv.size / count)


def log10_meps(data: PaperData, rows: I64) -> F64:
    """Return measured log10 MEPs (n, n_muscles)."""
    log10_uv: F64 = np.log10(data.amplitude_uv[rows].astype(np.float64))
    return log10_uv


def _ridge(inputs: F64, log10_uv: F64, penalty: float) -> tuple[F64, F64, float]:
    """Return each row from all others, the weights, and the hat matrix's trace.

    The inputs are centred, so the mean is learnt apart from the weights.
    """
    left, values, axes = np.linalg.svd(inputs, full_matrices=False)
    mean = log10_uv.mean(axis=0)
    turned = left.T @ (log10_uv - mean)
    shrink = values**2 / (values**2 + penalty)
    hat = 1.0 / len(inputs) + left**2 @ shrink
    error = log10_uv - mean - left @ (shrink[:, np.newaxis] * turned)
    left_out = log10_uv - error / (1.0 - hat)[:, np.newaxis]
    weights = axes.T @ ((shrink / values)[:, np.newaxis] * turned)
    return left_out, weights, float(shrink.sum())


def _left_out_error(inputs: F64, log10_uv: F64, penalty: float) -> float:
    return float(np.mean((_ridge(inputs, log10_uv, penalty)[0] - log10_uv) ** 2))


def _places(data: PaperData, rows: I64, mm_per_pct: float) -> F64:
    """Return coil centre, handle and intensity (n, 7), all in mm."""
    poses = data.pulses.head_from_coil[rows]
    handle = np.degrees(1.0) * _MM_PER_DEG * poses[:, :3, 1]
    intensity = mm_per_pct * data.pulses.intensity_pct_rmt[rows, np.newaxis]
    return np.hstack((poses[:, :3, 3], handle, intensity))


def _apart(rows: F64, others: F64) -> F64:
    """Return squared distances (n, n_others)."""
    apart: F64 = np.sum((rows[:, np.newaxis] - others[np.newaxis]) ** 2, axis=-1)
    return apart


def _nearest_mean(apart: F64, values: F64, count: int) -> F64:
    """Return the mean of the nearest rows' values, (n, n_muscles)."""
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :count]
    mean: F64 = values[nearest].mean(axis=1)
    return mean
