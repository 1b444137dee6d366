"""Scores of a trained network on subjects it has never seen, beside the baselines."""

from dataclasses import dataclass

import msgspec
import numpy as np

from m2m_rt.learning import (
    LastLayerPrior,
    Predicted,
    first_posterior,
    learn,
    predict,
    progressive_score,
    r2_log10,
    stack,
)
from m2m_rt.nets.baselines import Baseline, predict_session
from m2m_rt.nets.sessions import Progress, Sessions
from m2m_rt.units import F32, F64


class SubjectScore(msgspec.Struct, frozen=True, kw_only=True):
    """One subject: R² of log10 MEPs over the last half, averaged over muscles."""

    prior: float
    """The population without learning."""

    online: float
    """Progressive: each pulse predicted from the ones before it."""

    ceiling: float
    """The subject's true expectation."""

    coverage_90: float
    log_score: float
    rmse_log10: float
    baselines: dict[str, float]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """All subjects, and what their mean learning looks like."""

    subjects: tuple[SubjectScore, ...]
    rmse_by_pulse: tuple[float, ...]
    """Root mean square error of each pulse's prediction, over subjects and muscles."""

    ceiling_rmse: float

    def mean(self, name: str) -> float:
        """Return the mean over subjects of a score or baseline, by its name."""
        values = [
            subject.baselines[name]
            if name in subject.baselines
            else getattr(subject, name)
            for subject in self.subjects
        ]
        return float(np.mean(values))


@dataclass(frozen=True, slots=True)
class LearntSession:
    """What the last layer said before each pulse of a session."""

    online: Predicted
    prior: Predicted


def learn_session(
    last_layer: LastLayerPrior, features: F32, log10_uv: F64
) -> LearntSession:
    """Return predictions of each pulse from the ones before it, and from none."""
    posterior = first_posterior(last_layer)
    valid = np.ones(log10_uv.shape[1], np.bool_)
    online = []
    for row in range(len(features)):
        online.append(predict(posterior, features[row : row + 1]))
        posterior = learn(posterior, features[row], log10_uv=log10_uv[row], valid=valid)
    population = predict(first_posterior(last_layer), features)
    return LearntSession(online=stack(online), prior=population)


def choose_scale_dof(
    last_layer: LastLayerPrior,
    features: F32,
    sessions: Sessions,
    dofs: tuple[float, ...],
) -> float:
    """Return the strength of the noise scale's prior with the best log score."""
    scores = []
    for dof in dofs:
        prior = LastLayerPrior(
            mean=last_layer.mean,
            factor=last_layer.factor,
            log_noise=last_layer.log_noise,
            scale_dof=dof,
        )
        learnt = [
            _log_score(prior, features[s], sessions.log10_uv[s].astype(np.float64))
            for s in range(len(features))
        ]
        scores.append(np.mean(learnt))
    return dofs[int(np.argmax(scores))]


def evaluate(
    last_layer: LastLayerPrior,
    features: F32,
    sessions: Sessions,
    *,
    baselines: tuple[Baseline, ...],
    progress: Progress,
) -> Evaluation:
    """Return the scores of sessions (n_sessions, n_pulses, …), their last halves."""
    subjects, errors = [], []
    n_sessions = len(features)
    for session in range(n_sessions):
        log10_uv = sessions.log10_uv[session].astype(np.float64)
        learnt = learn_session(last_layer, features[session], log10_uv)
        rivals = {
            baseline.name: _r2(predict_session(baseline, sessions, session), log10_uv)
            for baseline in baselines
        }
        expected = sessions.expected_log10_uv[session].astype(np.float64)
        subjects.append(_score(learnt, log10_uv, expected, rivals))
        errors.append((learnt.online.mean - log10_uv) ** 2)
        progress("scoring new subjects", session + 1, n_sessions)
    mean_squared = np.mean(errors, axis=(0, 2))  # (n_pulses,)
    ceiling = np.mean((sessions.expected_log10_uv - sessions.log10_uv) ** 2)
    return Evaluation(
        subjects=tuple(subjects),
        rmse_by_pulse=tuple(float(value) for value in np.sqrt(mean_squared)),
        ceiling_rmse=float(np.sqrt(ceiling)),
    )


def _score(
    learnt: LearntSession, log10_uv: F64, expected: F64, rivals: dict[str, float]
) -> SubjectScore:
    half = len(log10_uv) // 2
    last = Predicted(
        mean=learnt.online.mean[half:],
        sd=learnt.online.sd[half:],
        dof=learnt.online.dof[half:],
    )
    valid = np.ones(last.mean.shape, np.bool_)
    online = progressive_score(last, log10_uv=log10_uv[half:], valid=valid)
    return SubjectScore(
        prior=_r2(learnt.prior.mean, log10_uv),
        online=online.r2_log10,
        ceiling=_r2(expected, log10_uv),
        coverage_90=online.coverage_90,
        log_score=online.log_score,
        rmse_log10=float(np.sqrt(np.mean((last.mean - log10_uv[half:]) ** 2))),
        baselines=rivals,
    )


def _r2(predicted: F64, log10_uv: F64) -> float:
    """Return R² of the last half."""
    half = len(log10_uv) // 2
    valid = np.ones(log10_uv[half:].shape, np.bool_)
    return r2_log10(predicted[half:], measured=log10_uv[half:], valid=valid)


def _log_score(prior: LastLayerPrior, features: F32, log10_uv: F64) -> float:
    learnt = learn_session(prior, features, log10_uv)
    return float(np.mean(learnt.online.log_density(log10_uv)))
