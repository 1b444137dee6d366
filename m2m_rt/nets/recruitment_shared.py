"""Recruitment curves fitted once more, by the whole distribution of every pulse.

Mean and variance say little of a muscle that jumps from its floor to its largest
response: what is measured there is either, seldom their mean. So the noise before the
profile, which adds to drive as in Goetz et al. (2019), is summed over node by node. A
part of both noises is common to all muscles, the pulse's excitability: a normal
distribution a training pulse and noise, learnt with everything else by the variational
bound, takes it out of what the curves have to explain. A new pulse's is not known.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
import torch
from msgspec import Meta
from scipy.special import ndtri
from torch import Tensor, nn

from m2m_rt.nets.one_cycle import one_cycle
from m2m_rt.nets.recruitment import (
    LEAST_LOG10_UV,
    SHARPNESS,
    Curves,
    Recruited,
    RecruitmentSettings,
    Spots,
)
from m2m_rt.nets.shape_features import ShapeSettings
from m2m_rt.units import F64

_LN10 = float(np.log(10.0))
_BEFORE_AT_FIRST, _AFTER_AT_FIRST = -0.5, -1.0
_USUAL_AFTER = -0.5
_PART_SPREAD = 1.5
"""Logits of the parts of both noises that all muscles share, and their prior."""

_LOG_SD_AT_FIRST = -0.7

SMOOTH = RecruitmentSettings(shape=ShapeSettings(length=6.0))
"""Of the curves that are fitted a second time: with excitability out of the way, and
beside curves of the usual smoothness, smoother ones predict new sites better."""

_TAIL_DOF = 5.0
"""Of Student's t at every node: some noise floors have heavy tails, and the nodes are
finitely many."""


class SharedSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How the second fit goes."""

    n_nodes: Annotated[int, Meta(gt=0)] = 16
    """Equally likely values of a muscle's own noise before the profile, in the fit."""

    n_expected_nodes: Annotated[int, Meta(gt=0)] = 24
    """Of all noise before the profile, in what is expected."""

    n_steps: Annotated[int, Meta(gt=0)] = 150
    learning_rate: Annotated[float, Meta(gt=0)] = 0.03
    excitability_rate: Annotated[float, Meta(gt=0)] = 0.1
    warm_up_share: Annotated[float, Meta(gt=0, lt=1)] = 0.1


class AdditiveCurves(Curves):
    """Curves whose noise before the profile adds to drive, and does not scale it."""

    def profile(self, log_drive: Tensor) -> Spots:
        """Return what drives (n, n_muscles) evoke, noise before the profile added."""
        before = torch.exp(self.log_before) * self.nodes
        return self.spots(self.evoked_log10_uv(torch.exp(log_drive) + before))

    def evoked_log10_uv(self, drive: Tensor) -> Tensor:
        """Return the size (…, n_muscles) evoked by noisy drive over half height's."""
        foot = torch.sigmoid(self.foot_logit - 0.4)
        reach = nn.functional.softplus((drive - foot) * SHARPNESS)
        log_reach = torch.log(reach / (SHARPNESS * (1.0 - foot)) + 1e-6)
        rise = torch.sigmoid(torch.exp(self.log_steepness) * log_reach)
        return LEAST_LOG10_UV + (self.top - LEAST_LOG10_UV) * rise

    def spots(self, evoked: Tensor) -> Spots:
        """Return what is measured where this is evoked, the floor in it."""
        powers = torch.logaddexp(2 * _LN10 * evoked, 2 * _LN10 * self.floor)
        return Spots(0.5 * powers / _LN10, evoked, self.weights)

    def take_nodes(self, count: int) -> None:
        """Stand for the noise before the profile by equally likely values."""
        values = ndtri((np.arange(count) + 0.5) / count)
        values = values / np.sqrt(np.mean(values**2))
        self.nodes = _tensor(values)[:, None, None]
        self.weights = torch.full((count, 1, 1), 1.0 / count)


class Excitability(nn.Module):
    """What all muscles share of the noise before and after the profile."""

    def __init__(self, n_pulses: int) -> None:
        """Start every training pulse's as wide as nothing is known of it."""
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(n_pulses, 2))
        self.log_sd = nn.Parameter(torch.full((n_pulses, 2), _LOG_SD_AT_FIRST))
        self.before = nn.Parameter(torch.tensor(_BEFORE_AT_FIRST))
        self.after = nn.Parameter(torch.tensor(_AFTER_AT_FIRST))

    def at(self, normal: Tensor) -> Tensor:
        """Return a draw (n, 2) made of standard normal numbers."""
        return self.mean + torch.exp(self.log_sd) * normal

    def divergence(self) -> Tensor:
        """Return how far the pulses' distributions are from the standard normal."""
        squares = self.mean**2 + torch.exp(2 * self.log_sd)
        return (0.5 * squares - self.log_sd).sum()

    def minus_log_prior(self) -> Tensor:
        """Return that of the shared parts."""
        squares = self.before**2 + (self.after - _USUAL_AFTER) ** 2
        return 0.5 * squares / _PART_SPREAD**2


@dataclass(frozen=True, slots=True)
class _Pulses:
    features: Tensor
    log_size: Tensor
    log10_uv: Tensor


def share_excitability(
    start: Recruited,
    rows: F64,
    log10_uv: F64,
    how: SharedSettings | None = None,
) -> Recruited:
    """Return the model fitted once more to its own training rows.

    Random numbers are drawn from a seed of their own: the same rows on the same machine
    give the same model.

    Parameters
    ----------
    start
        Fitted to the same rows; stays as it is.
    rows
        (n, n_inputs): fields, or coefficients of an orthonormal basis.
    log10_uv
        (n, n_muscles)
    how
        Nodes and training.
    """
    how = how or SharedSettings()
    curves = AdditiveCurves(log10_uv, start.features.count, RecruitmentSettings())
    curves.spread = start.curves.spread
    curves.load_state_dict(start.curves.state_dict())
    curves.take_nodes(how.n_nodes)
    features, log_size = start.features.of(rows)
    pulses = _Pulses(_tensor(features), _tensor(log_size), _tensor(log10_uv))
    _fit(curves, pulses, how)
    curves.take_nodes(how.n_expected_nodes)
    return Recruited(start.features, curves)


def _fit(curves: AdditiveCurves, pulses: _Pulses, how: SharedSettings) -> None:
    """Raise the variational bound, each draw followed by its mirror image."""
    shared = Excitability(len(pulses.log10_uv))
    rates = (how.learning_rate, how.excitability_rate)
    # one rate of the shared parts and the curves, another of the pulses' own numbers
    slow = [*curves.parameters(), shared.before, shared.after]
    fast = [shared.mean, shared.log_sd]
    optimizer = torch.optim.Adam([{"params": slow}, {"params": fast}], lr=rates[0])
    schedule = one_cycle(
        optimizer, rates, n_steps=how.n_steps, warm_up_share=how.warm_up_share
    )
    generator = torch.Generator().manual_seed(0)
    normal = torch.zeros_like(shared.mean)
    for step in range(how.n_steps):
        fresh = step % 2 == 0
        normal = torch.randn(normal.shape, generator=generator) if fresh else -normal
        loss = shared.divergence() - _log_likelihood(curves, shared, pulses, normal)
        loss = loss + curves.minus_log_prior() + shared.minus_log_prior()
        optimizer.zero_grad()
        mean_loss = loss / pulses.log10_uv.numel()
        mean_loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation
        optimizer.step()
        schedule.step()


def _log_likelihood(
    curves: AdditiveCurves, shared: Excitability, pulses: _Pulses, normal: Tensor
) -> Tensor:
    """Return that of all MEPs where excitability is one draw of what is believed."""
    excitability = shared.at(normal)
    before, after = torch.sigmoid(shared.before), torch.sigmoid(shared.after)
    drive = pulses.features @ curves.weights_of_drive
    drive = torch.exp(pulses.log_size + curves.offset + drive)
    noise = torch.sqrt(before) * excitability[:, :1]
    noise = noise + torch.sqrt(1.0 - before) * curves.nodes
    evoked = curves.evoked_log10_uv(drive + torch.exp(curves.log_before) * noise)
    sd_after = torch.exp(curves.log_after)
    evoked = evoked + sd_after * torch.sqrt(after) * excitability[:, 1:]
    spots = curves.spots(evoked)
    evoked_share = torch.exp(2 * _LN10 * (evoked - spots.log10_uv))
    variance = (1.0 - after) * (sd_after * evoked_share) ** 2
    variance = variance + torch.exp(2 * curves.log_floor_spread)
    squares = (pulses.log10_uv - spots.log10_uv) ** 2 / variance
    tail = (_TAIL_DOF + 1.0) * torch.log1p(squares / _TAIL_DOF)
    log_density = -0.5 * (tail + torch.log(variance))
    return torch.logsumexp(log_density, dim=0).sum()


def _tensor(values: F64) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)
