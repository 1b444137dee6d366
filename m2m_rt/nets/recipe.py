"""The whole way from a table to a scored network: one call, one seed."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.learning import LastLayerPrior
from m2m_rt.nets.baselines import choose_baselines
from m2m_rt.nets.evaluate import Evaluation, choose_scale_dof, evaluate
from m2m_rt.nets.realtime import RealtimeNet, RealtimeSettings
from m2m_rt.nets.sessions import (
    HeadField,
    PosePool,
    Progress,
    SessionPlan,
    Sessions,
    draw_pool,
    draw_sessions,
)
from m2m_rt.nets.train import TrainSettings, session_features, train_realtime
from m2m_rt.sim import SeedStream
from m2m_rt.units import F32

N_GOLDEN = 8
"""Poses whose output is shipped with the model."""

_SCORED_PULSES = 60
_N_TUNED = 32
"""Training sessions that the strength of the noise scale's prior is chosen on."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained network with its prior and its scores."""

    net: RealtimeNet
    settings: RealtimeSettings
    prior: LastLayerPrior
    evaluation: Evaluation
    curve: F32
    """Log evidence per MEP of each training step."""

    golden_efield: F32
    """(N_GOLDEN, n_roi, 3): relative fields of a session."""


def train_and_score(
    head: HeadField,
    settings: TrainSettings,
    *,
    seed: int,
    n_scored: int,
    progress: Progress,
) -> TrainedModel:
    """Draw the population, train, choose the noise scale's prior, score new subjects.

    The scored subjects come from another seed stream than the trained ones, and a
    demo's subjects from a third.
    """
    training = _training_sessions(head, settings, seed, progress)
    trained = train_realtime(head, training, settings, seed=seed, progress=progress)
    tuning = _first_sessions(training, _N_TUNED)
    features = session_features(trained.net, head, tuning)
    prior = trained.prior.as_arrays(settings.scale_dofs[0])
    scale_dof = choose_scale_dof(prior, features, tuning, settings.scale_dofs)
    prior = trained.prior.as_arrays(scale_dof)
    new = scored_sessions(head, seed=seed, n_sessions=n_scored, progress=progress)
    evaluation = evaluate(
        prior,
        session_features(trained.net, head, new),
        new,
        baselines=choose_baselines(training),
        progress=progress,
    )
    golden = head.fields(new.relative[0, :N_GOLDEN])
    return TrainedModel(
        net=trained.net,
        settings=settings.net,
        prior=prior,
        evaluation=evaluation,
        curve=trained.curve,
        golden_efield=golden,
    )


def scored_sessions(
    head: HeadField, *, seed: int, n_sessions: int, progress: Progress
) -> Sessions:
    """Return demo-like sessions of subjects that no network is trained on."""
    pool = _pool(head, seed, int(SeedStream.EVALUATION), 20 * _SCORED_PULSES, 0.0)
    plan = SessionPlan(
        stream=SeedStream.EVALUATION,
        seed=seed,
        n_sessions=n_sessions,
        n_pulses=_SCORED_PULSES,
    )
    return draw_sessions(head, pool, plan, progress)


def _training_sessions(
    head: HeadField, settings: TrainSettings, seed: int, progress: Progress
) -> Sessions:
    stream, share = SeedStream.TRAINING, settings.wide_share
    progress("drawing poses", 0, 1)
    pool = _pool(head, seed, int(stream), settings.n_poses, share)
    progress("drawing poses", 1, 1)
    plan = SessionPlan(
        stream=stream,
        seed=seed,
        n_sessions=settings.n_sessions,
        n_pulses=settings.n_pulses,
        wide_share=share,
    )
    return draw_sessions(head, pool, plan, progress)


def _pool(
    head: HeadField, seed: int, stream: int, n_poses: int, wide_share: float
) -> PosePool:
    """Return poses of their own for each stream."""
    sequence = np.random.SeedSequence(seed, spawn_key=(0, stream))
    rng = np.random.default_rng(sequence)
    return draw_pool(head, rng, n_poses=n_poses, wide_share=wide_share)


def _first_sessions(sessions: Sessions, count: int) -> Sessions:
    return Sessions(
        head_from_coil=sessions.head_from_coil[:count],
        relative=sessions.relative[:count],
        log10_uv=sessions.log10_uv[:count],
        expected_log10_uv=sessions.expected_log10_uv[:count],
    )
