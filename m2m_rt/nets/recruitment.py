"""A recruitment curve a muscle over a drive that is learnt from the field's shape.

The induced field grows in proportion to the coil's current, so a drive is the field's
size times a function of its shape, and intensity needs no learning: all intensities
teach the same function. It is smooth, a weighted sum of features of the shape; a
learnable neural response profile a muscle turns drive into log10 MEP. Noise before the
profile widens what is expected where it is steep, noise after it widens all responses
(as in Goetz et al. 2019): the likelihood takes mean and variance of both together.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
import torch
from msgspec import Meta
from torch import Tensor, nn

from m2m_rt.nets.one_cycle import one_cycle
from m2m_rt.nets.shape_features import ShapeFeatures, ShapeSettings
from m2m_rt.units import F64

_LN10 = math.log(10.0)
LEAST_LOG10_UV = -1.0
"""Amplitude without drive, 10⁻⁷ V in Goetz's model."""

SHARPNESS = 25.0
"""Of the bend at the profile's foot, over drive at half height."""

_USUAL_NOISE_SHARE = 0.15
"""Of a muscle's variance: what weighs squared errors against the prior."""

_N_NODES = 7
"""Of the quadrature over the noise before the profile."""


class RecruitmentSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """The drive's smoothness, what is learnt, and how."""

    shape: ShapeSettings = ShapeSettings()
    """What of the field's shape the drive is made of."""

    spread: Annotated[float, Meta(gt=0)] = 0.8
    """Prior standard deviation of ln drive from one far-off shape to another."""

    learns_profile: bool = True
    """Whether a muscle's foot and steepness move."""

    likelihood: bool = True
    """Log likelihood with both noises; else squared error of log10 MEPs."""

    shared: bool = False
    """Whether the likelihood has an excitability that all muscles share: it predicted
    no better, being told apart from the drive only by the pulses' own errors."""

    n_steps: Annotated[int, Meta(gt=0)] = 200
    learning_rate: Annotated[float, Meta(gt=0)] = 0.08
    warm_up_share: Annotated[float, Meta(gt=0, lt=1)] = 0.1


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a parameter of every muscle begins, and its prior's spread about there."""

    value: float
    spread: float


_STARTS = {
    "log_steepness": _Start(math.log(2.5), 0.7),
    "foot_logit": _Start(0.0, 1.5),
    "log_before": _Start(math.log(0.08), 0.6),
    "log_after": _Start(math.log(0.2), 0.4),
    "log_floor_spread": _Start(math.log(0.06), 0.5),
    "shared_logit": _Start(-1.0, 1.0),
}
_TOP_SPREAD, _FLOOR_SPREAD, _OFFSET_SPREAD = 0.4, 0.2, 0.5
_USUAL_FLOOR_LOG10_UV = 1.2
"""No noise floor starts above this, however strongly a muscle was stimulated."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of pulses, each (n, n_muscles)."""

    log10_uv: F64
    amplitude_uv: F64


@dataclass(frozen=True, slots=True)
class Recruited:
    """A fitted recruitment model."""

    features: ShapeFeatures
    curves: "Curves"

    @property
    def n_parameters(self) -> int:
        """All trained numbers."""
        return sum(p.numel() for p in self.curves.parameters() if p.requires_grad)

    @property
    def n_effective(self) -> int:
        """Trained numbers larger than 1e-3."""
        return sum(
            int((p.detach().abs() > 1e-3).sum())
            for p in self.curves.parameters()
            if p.requires_grad
        )

    def expected(self, rows: F64) -> Expected:
        """Return what is expected of inputs (n, n_inputs)."""
        with torch.no_grad():
            spots = self.curves(*_tensors(self.features.of(rows)))
            log10_uv = spots.mean().numpy().astype(np.float64)
            amplitude_uv = self.curves.amplitude_uv(spots).numpy().astype(np.float64)
        return Expected(log10_uv, amplitude_uv)


@dataclass(frozen=True, slots=True)
class Spots:
    """Log10 MEPs at the quadrature's nodes, (n_nodes, n, n_muscles)."""

    log10_uv: Tensor
    evoked_log10_uv: Tensor
    weights: Tensor

    def mean(self) -> Tensor:
        """Return the mean over nodes (n, n_muscles)."""
        return (self.weights * self.log10_uv).sum(0)


class Curves(nn.Module):
    """Drive and recruitment of every muscle."""

    nodes: Tensor
    weights: Tensor
    log_steepness: Tensor
    foot_logit: Tensor
    log_before: Tensor
    log_after: Tensor
    log_floor_spread: Tensor
    shared_logit: Tensor

    def __init__(
        self, log10_uv: F64, n_features: int, how: RecruitmentSettings
    ) -> None:
        """Start from training MEPs (n, n_muscles)."""
        super().__init__()
        n_muscles = log10_uv.shape[1]
        self.drive = nn.Parameter(torch.zeros(n_features, n_muscles))
        for name, start in _STARTS.items():
            parameter = nn.Parameter(torch.full((n_muscles,), start.value))
            self.register_parameter(name, parameter)
        low, middle, high = np.quantile(log10_uv, (0.03, 0.5, 0.95), axis=0)
        self.top = nn.Parameter(_tensor(high))
        self.floor = nn.Parameter(_tensor(np.minimum(low, _USUAL_FLOOR_LOG10_UV)))
        share = (middle - LEAST_LOG10_UV) / (high - LEAST_LOG10_UV)
        share = np.clip(share, 0.05, 0.95)
        self.offset = nn.Parameter(_tensor(np.log(share / (1.0 - share)) / 8.0))
        for name in ("log_steepness", "foot_logit"):
            self.get_parameter(name).requires_grad_(how.learns_profile)
        self.shared_logit.requires_grad_(how.shared)
        nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
        self.register_buffer("nodes", _tensor(nodes)[:, None, None])
        self.register_buffer("weights", _tensor(weights / weights.sum())[:, None, None])
        self.spread = how.spread
        self._start = {
            name: parameter.detach().clone()
            for name, parameter in self.named_parameters()
        }

    def forward(self, features: Tensor, log_size: Tensor) -> Spots:
        """Return what is evoked at each node of the noise before the profile."""
        return self.profile(log_size + self.offset + features @ self.weights_of_drive)

    @property
    def weights_of_drive(self) -> Tensor:
        """What features of the shape add to ln drive, (n_features, n_muscles)."""
        return self.spread * self.drive

    def profile(self, log_drive: Tensor) -> Spots:
        """Return what drives (n, n_muscles) evoke, noise before the profile added."""
        noisy = log_drive + torch.exp(self.log_before) * self.nodes
        foot = torch.sigmoid(self.foot_logit - 0.4)
        reach = nn.functional.softplus((torch.exp(noisy) - foot) * SHARPNESS)
        log_reach = torch.log(reach / (SHARPNESS * (1.0 - foot)) + 1e-6)
        rise = torch.sigmoid(torch.exp(self.log_steepness) * log_reach)
        evoked = LEAST_LOG10_UV + (self.top - LEAST_LOG10_UV) * rise
        powers = torch.logaddexp(2 * _LN10 * evoked, 2 * _LN10 * self.floor)
        return Spots(0.5 * powers / _LN10, evoked, self.weights)

    def variance(self, spots: Spots) -> Tensor:
        """Return the variance of log10 MEPs (n, n_muscles)."""
        evoked_share = torch.exp(2 * _LN10 * (spots.evoked_log10_uv - spots.log10_uv))
        own = torch.exp(2 * self.log_after) * evoked_share
        own = own + torch.exp(2 * self.log_floor_spread)
        square = (spots.weights * (spots.log10_uv**2 + own)).sum(0)
        return square - spots.mean() ** 2

    def amplitude_uv(self, spots: Spots) -> Tensor:
        """Return expected amplitudes (n, n_muscles): log-normal at every node."""
        evoked_share = torch.exp(2 * _LN10 * (spots.evoked_log10_uv - spots.log10_uv))
        half_variance = 0.5 * (_LN10 * torch.exp(self.log_after)) ** 2
        ln_uv = _LN10 * spots.log10_uv + half_variance * evoked_share
        return (spots.weights * torch.exp(ln_uv)).sum(0)

    def minus_log_prior(self) -> Tensor:
        """Return half the squared distance from the start, in prior spreads."""
        spreads = prior_spreads()
        parts = [
            (((parameter - self._start[name]) / spreads[name]) ** 2).sum()
            for name, parameter in self.named_parameters()
        ]
        return 0.5 * torch.stack(parts).sum()


def prior_spreads() -> dict[str, float]:
    """Return the prior standard deviation of every parameter about its start."""
    spreads = {name: start.spread for name, start in _STARTS.items()}
    others = {"top": _TOP_SPREAD, "floor": _FLOOR_SPREAD, "offset": _OFFSET_SPREAD}
    return spreads | others | {"drive": 1.0}


def fit_recruitment(
    rows: F64, log10_uv: F64, how: RecruitmentSettings | None = None
) -> Recruited:
    """Return the model of greatest posterior density of training rows.

    Nothing is drawn at random: the same rows on the same machine give the same model.

    Parameters
    ----------
    rows
        (n, n_inputs): fields, or coefficients of an orthonormal basis.
    log10_uv
        (n, n_muscles)
    how
        Smoothness and training.
    """
    how = how or RecruitmentSettings()
    features = ShapeFeatures(rows, how.shape)
    curves = Curves(log10_uv, features.count, how)
    inputs, measured = _tensors(features.of(rows)), _tensor(log10_uv)
    optimizer = torch.optim.Adam(curves.parameters(), lr=how.learning_rate)
    rates = (how.learning_rate,)
    schedule = one_cycle(
        optimizer, rates, n_steps=how.n_steps, warm_up_share=how.warm_up_share
    )
    for _ in range(how.n_steps):
        loss = _misfit(curves, inputs, measured, how) + curves.minus_log_prior()
        optimizer.zero_grad()
        mean_loss = loss / log10_uv.size
        mean_loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation
        optimizer.step()
        schedule.step()
    return Recruited(features, curves)


def _misfit(
    curves: Curves,
    inputs: tuple[Tensor, Tensor],
    measured: Tensor,
    how: RecruitmentSettings,
) -> Tensor:
    """Return minus the log likelihood, or what stands for it."""
    spots = curves(*inputs)
    error = measured - spots.mean()
    if not how.likelihood:
        squares: Tensor = error**2 / (_USUAL_NOISE_SHARE * measured.var(dim=0))
        return 0.5 * squares.sum()
    variance = curves.variance(spots)
    standard, log_variance = error / torch.sqrt(variance), torch.log(variance)
    if how.shared:
        rho = torch.sigmoid(curves.shared_logit)
        return _correlated(standard, rho) + 0.5 * log_variance.sum()
    own: Tensor = standard**2 + log_variance
    return 0.5 * own.sum()


def _correlated(standard: Tensor, rho: Tensor) -> Tensor:
    """Return minus the log density of errors that share a part (n_muscles,) of each.

    Their correlation is diagonal + √ρ √ρᵀ (Sherman-Morrison).
    """
    size = 1.0 + (rho / (1.0 - rho)).sum()
    along = (standard * torch.sqrt(rho) / (1.0 - rho)).sum(-1)
    fit = (standard**2 / (1.0 - rho)).sum(-1) - along**2 / size
    log_determinant = torch.log(1.0 - rho).sum() + torch.log(size)
    total: Tensor = fit + log_determinant
    return 0.5 * total.sum()


def _tensor(values: F64) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def _tensors(pair: tuple[F64, F64]) -> tuple[Tensor, Tensor]:
    return _tensor(pair[0]), _tensor(pair[1])
