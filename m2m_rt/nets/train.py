"""Training of the real-time network on simulated recordings, by their evidence."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
import torch
from msgspec import Meta
from torch import Tensor

from m2m_rt.nets.evidence import session_log_evidence
from m2m_rt.nets.one_cycle import one_cycle
from m2m_rt.nets.realtime import (
    FilterSites,
    PopulationPrior,
    RealtimeNet,
    RealtimeSettings,
    start_filters,
)
from m2m_rt.nets.sessions import HeadField, Progress, Sessions
from m2m_rt.units import F32


class TrainSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How the population is drawn and the network trained. Two cores, 10 minutes."""

    n_sessions: Annotated[int, Meta(gt=0)] = 3000
    n_pulses: Annotated[int, Meta(gt=0)] = 80
    n_poses: Annotated[int, Meta(gt=0)] = 8000
    wide_share: Annotated[float, Meta(ge=0, le=1)] = 0.15
    """Part of poses and sessions from all over the table's region."""

    n_steps: Annotated[int, Meta(gt=0)] = 8000
    sessions_per_step: Annotated[int, Meta(gt=0)] = 16
    pulses_per_step: Annotated[int, Meta(gt=0)] = 60
    learning_rate: Annotated[float, Meta(gt=0)] = 4e-3
    filter_learning_rate: Annotated[float, Meta(gt=0)] = 1e-3
    warm_up_share: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    largest_gradient: Annotated[float, Meta(gt=0)] = 1.0
    scale_dofs: tuple[float, ...] = (10.0, 20.0, 40.0, 80.0, 160.0)
    """Strengths of the noise scale's prior to choose from."""

    net: RealtimeSettings = RealtimeSettings()


SMALL_TRAINING = TrainSettings(n_sessions=60, n_poses=600, n_steps=60)
"""A try of a few seconds, not a model."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What training made."""

    net: RealtimeNet
    prior: PopulationPrior
    curve: F32
    """(n_steps,): log evidence per MEP of each step's sessions, natural log."""


def train_realtime(
    head: HeadField,
    sessions: Sessions,
    settings: TrainSettings,
    *,
    seed: int,
    progress: Progress,
) -> Trained:
    """Return the network and prior; the same seed and machine give the same weights.

    One thread: the matrices are small, and a second thread only waits for the first.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = RealtimeNet(len(head.cortex.points_mm), settings.net)
    prior = PopulationPrior(settings.net)
    start_filters(net, _filter_sites(head), settings.net, rng)
    batches = _Batches(sessions, settings, rng)
    basis = torch.tensor(head.basis)
    optimizer, schedule = _optimizer(net, prior, settings)
    curve = np.zeros(settings.n_steps, np.float32)
    for step in range(settings.n_steps):
        relative, log10_uv = batches.draw()
        features = net.trunk(relative @ (basis.T @ net.filters))
        evidence = session_log_evidence(
            prior, features, log10_uv, torch.ones_like(log10_uv)
        ).mean()
        optimizer.zero_grad()
        (-evidence).backward()  # type: ignore[no-untyped-call]  # torch has none
        torch.nn.utils.clip_grad_norm_(
            [*net.parameters(), *prior.parameters()], settings.largest_gradient
        )
        optimizer.step()
        schedule.step()
        curve[step] = evidence.item()
        progress("training", step + 1, settings.n_steps)
    return Trained(net=net, prior=prior, curve=curve)


def session_features(net: RealtimeNet, head: HeadField, sessions: Sessions) -> F32:
    """Return features (n_sessions, n_pulses, n_features) of simulated sessions."""
    with torch.no_grad():
        filters = torch.tensor(head.basis).T @ net.filters
        features: F32 = net.trunk(torch.tensor(sessions.relative) @ filters).numpy()
    return features


class _Batches:
    """Random sessions with random pulses of theirs."""

    def __init__(
        self, sessions: Sessions, settings: TrainSettings, rng: np.random.Generator
    ) -> None:
        self._relative = torch.tensor(sessions.relative)
        self._log10_uv = torch.tensor(sessions.log10_uv)
        self._settings = settings
        self._rng = rng

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return relative coefficients and log10 MEPs of one step."""
        n_sessions, n_pulses = self._relative.shape[:2]
        sessions = self._rng.choice(
            n_sessions, min(self._settings.sessions_per_step, n_sessions), replace=False
        )
        pulses = self._rng.choice(
            n_pulses, min(self._settings.pulses_per_step, n_pulses), replace=False
        )
        chosen = np.ix_(sessions, pulses)
        return self._relative[chosen], self._log10_uv[chosen]


def _filter_sites(head: HeadField) -> FilterSites:
    planned = head.cortex.planned_unit_efield / np.float32(head.planned_peak_v_per_m)
    return FilterSites(points_mm=head.cortex.points_mm, planned_relative=planned)


def _optimizer(
    net: RealtimeNet, prior: PopulationPrior, settings: TrainSettings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return Adam, slower on the filters, and its one-cycle schedule."""
    others = [p for name, p in net.named_parameters() if name != "filters"]
    optimizer = torch.optim.Adam(
        [{"params": [net.filters]}, {"params": [*others, *prior.parameters()]}]
    )
    schedule = one_cycle(
        optimizer,
        (settings.filter_learning_rate, settings.learning_rate),
        n_steps=settings.n_steps,
        warm_up_share=settings.warm_up_share,
    )
    return optimizer, schedule
