"""Plain regressors that every network is compared with, on past pulses only.

Each sees one subject's past pulses and predicts the next one, for all muscles. Their
settings are chosen on other subjects. A network that does not beat them is no use.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from m2m_rt.nets.sessions import Sessions
from m2m_rt.units import F64

Kernel = Callable[[F64, F64], F64]

N_COMPONENTS = 8
"""Principal components of the relative field; fields live on about five dimensions."""

_RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)
_LENGTHS = (1.0, 2.0, 4.0, 8.0)
_NEIGHBOURS = (1, 3, 5, 8)
_N_CHOSEN_ON = 6
"""Training sessions that settings are chosen on."""

_TURN_MM_PER_DEG = 0.25
"""How many millimetres one degree of coil rotation is worth to kNN."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One regressor with its settings chosen."""

    name: str
    predict: Callable[[F64, F64, F64], F64]
    """Past inputs (n, k), past log10 MEPs (n, n_muscles), next input (k,) → next."""

    inputs: Callable[[Sessions, int], F64]
    """Inputs (n_pulses, k) of one session."""


def choose_baselines(training: Sessions) -> tuple[Baseline, ...]:
    """Return every baseline, its settings chosen on a few training sessions."""
    components = _principal_components(training)

    def field_inputs(sessions: Sessions, session: int) -> F64:
        return np.asarray(sessions.relative[session].astype(np.float64) @ components)

    def pose_inputs(sessions: Sessions, session: int) -> F64:
        poses = sessions.head_from_coil[session]
        handle = np.degrees(1.0) * _TURN_MM_PER_DEG * poses[:, :3, 1]
        # Over the whole session's mean: a scale, of which kNN alone knows the future.
        size = np.linalg.norm(sessions.relative[session], axis=1, keepdims=True)
        return np.hstack((poses[:, :3, 3], handle, 30.0 * size / size.mean()))

    ridges = [_kernel_ridge(_linear, noise) for noise in _RIDGES]
    processes = [
        _kernel_ridge(_gaussian(length), noise)
        for length in _LENGTHS
        for noise in _RIDGES
    ]
    neighbours = [_nearest(count) for count in _NEIGHBOURS]
    return (
        Baseline("mean", _mean, field_inputs),
        _best("pca_ridge", ridges, field_inputs, training),
        _best("pca_gp", processes, field_inputs, training),
        _best("knn_pose", neighbours, pose_inputs, training),
    )


def predict_session(baseline: Baseline, sessions: Sessions, session: int) -> F64:
    """Return predictions (n_pulses, n_muscles), each from the pulses before it.

    The first pulse has none before it and gets NaN.
    """
    inputs = baseline.inputs(sessions, session)
    log10_uv = sessions.log10_uv[session].astype(np.float64)
    rows = [np.full(log10_uv.shape[1], np.nan)]
    rows += [
        baseline.predict(inputs[:n], log10_uv[:n], inputs[n])
        for n in range(1, len(inputs))
    ]
    return np.array(rows)


def _best(
    name: str,
    candidates: list[Callable[[F64, F64, F64], F64]],
    inputs: Callable[[Sessions, int], F64],
    training: Sessions,
) -> Baseline:
    """Return the candidate with the least squared error on other subjects."""
    baselines = [Baseline(name, predict, inputs) for predict in candidates]
    asked = range(min(_N_CHOSEN_ON, len(training.relative)))
    errors = [
        np.mean([_squared_error(b, training, session) for session in asked])
        for b in baselines
    ]
    return baselines[int(np.argmin(errors))]


def _squared_error(baseline: Baseline, sessions: Sessions, session: int) -> float:
    error = predict_session(baseline, sessions, session) - sessions.log10_uv[session]
    return float(np.mean(error[len(error) // 2 :] ** 2))


def _principal_components(training: Sessions) -> F64:
    """Return (rank, N_COMPONENTS): projections to components of unit variance."""
    rows = training.relative.reshape(-1, training.relative.shape[-1])
    rows = rows[:: max(1, len(rows) // 20000)].astype(np.float64)
    _, values, axes = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    scale = values[:N_COMPONENTS] / np.sqrt(len(rows))
    components: F64 = axes[:N_COMPONENTS].T / scale
    return components


def _mean(_past: F64, log10_uv: F64, _now: F64) -> F64:
    mean: F64 = log10_uv.mean(axis=0)
    return mean


def _kernel_ridge(kernel: Kernel, noise: float) -> Callable[[F64, F64, F64], F64]:
    """Return the posterior mean of a Gaussian process about the running mean."""

    def predict(past: F64, log10_uv: F64, now: F64) -> F64:
        mean = log10_uv.mean(axis=0)
        gram = kernel(past, past) + noise * np.eye(len(past))
        weights = np.linalg.solve(gram, kernel(past, now[np.newaxis]))  # (n, 1)
        return np.asarray(mean + weights[:, 0] @ (log10_uv - mean))

    return predict


def _linear(a: F64, b: F64) -> F64:
    return np.asarray((1.0 + a @ b.T) / a.shape[1])


def _gaussian(length: float) -> Kernel:
    def kernel(a: F64, b: F64) -> F64:
        apart = np.sum((a[:, np.newaxis] - b[np.newaxis]) ** 2, axis=-1)
        return np.asarray(np.exp(-0.5 * apart / length**2))

    return kernel


def _nearest(count: int) -> Callable[[F64, F64, F64], F64]:
    """Return the mean answer of the nearest past pulses."""

    def predict(past: F64, log10_uv: F64, now: F64) -> F64:
        order = np.argsort(np.sum((past - now) ** 2, axis=1), kind="stable")
        return np.asarray(log10_uv[order[:count]].mean(axis=0))

    return predict
