"""Networks fitted to one subject from scratch: filters, neural response, small trunk.

What the network sees is a row of coefficients, so that a filter is a short column. One
change at a time in its settings tells what each idea is worth. Members of an ensemble
are trained side by side, in one batch of matrices.
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
from m2m_rt.units import F64

_LOG_SD_RANGE = (-3.5, 1.0)
"""Of a standardised log10 MEP."""


class SubjectNetSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Sizes, likelihood and training."""

    n_members: Annotated[int, Meta(gt=0)] = 3
    n_hidden: Annotated[int, Meta(gt=0)] = 48
    learns_response: bool = True
    """Whether each filter's half response and slope move."""

    likelihood: bool = True
    """Log likelihood with a spread of its own for every pulse; else squared error."""

    shared: bool = True
    """Whether the likelihood has an excitability that all muscles share."""

    n_steps: Annotated[int, Meta(gt=0)] = 400
    learning_rate: Annotated[float, Meta(gt=0)] = 5e-3
    filter_learning_rate: Annotated[float, Meta(gt=0)] = 2e-3
    penalty: Annotated[float, Meta(ge=0)] = 1e-4
    """On squared weights of the trunk."""

    warm_up_share: Annotated[float, Meta(gt=0, lt=1)] = 0.1


@dataclass(frozen=True, slots=True)
class SubjectNet:
    """A fitted ensemble."""

    members: "Members"
    mean: F64
    spread: F64
    """(n_muscles,): of training's log10 MEPs."""

    @property
    def n_parameters(self) -> int:
        """All trained numbers."""
        return sum(p.numel() for p in self.members.parameters() if p.requires_grad)

    @property
    def n_effective(self) -> int:
        """Trained numbers larger than 1e-3."""
        return sum(
            int((p.detach().abs() > 1e-3).sum())
            for p in self.members.parameters()
            if p.requires_grad
        )

    def log10_uv(self, inputs: F64) -> F64:
        """Return expected log10 MEPs (n, n_muscles): the mean over members."""
        with torch.no_grad():
            mean, _ = self.members(torch.tensor(inputs, dtype=torch.float32))
        found: F64 = mean.numpy().astype(np.float64).mean(axis=0)
        return self.mean + self.spread * found


class Members(nn.Module):
    """Networks side by side: every array starts with the member's axis."""

    def __init__(self, filters: F64, n_muscles: int, how: SubjectNetSettings) -> None:
        """Start from filters (n_members, n_inputs, n_filters)."""
        super().__init__()
        n, _, n_filters = filters.shape
        hidden = how.n_hidden
        self.filters = nn.Parameter(torch.tensor(filters, dtype=torch.float32))
        self.half_response = nn.Parameter(0.9 + 0.2 * torch.randn(n, 1, n_filters))
        self.log_slope = nn.Parameter(torch.full((n, 1, n_filters), math.log(0.2)))
        self.half_response.requires_grad_(how.learns_response)
        self.log_slope.requires_grad_(how.learns_response)
        scale_in, scale = (2 * n_filters) ** -0.5, hidden**-0.5
        self.inner = nn.Parameter(scale_in * torch.randn(n, 2 * n_filters, hidden))
        self.inner_bias = nn.Parameter(torch.zeros(n, 1, hidden))
        self.mean = nn.Parameter(0.3 * scale * torch.randn(n, hidden, n_muscles))
        self.mean_bias = nn.Parameter(torch.zeros(n, 1, n_muscles))
        self.spread = nn.Parameter(0.1 * scale * torch.randn(n, hidden, n_muscles))
        self.spread_bias = nn.Parameter(torch.full((n, 1, n_muscles), math.log(0.5)))
        self.common = nn.Parameter(torch.full((n, 1, n_muscles), 0.5))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log spreads (n_members, n, n_muscles), standardised."""
        drive = inputs @ self.filters
        slope = torch.exp(self.log_slope)
        rest = torch.sigmoid(-self.half_response / slope)
        response = torch.sigmoid((drive - self.half_response) / slope)
        profile = (response - rest) / (1.0 - rest)
        hidden = torch.tanh(
            torch.cat((drive, profile), dim=-1) @ self.inner + self.inner_bias
        )
        log_spread = hidden @ self.spread + self.spread_bias
        return hidden @ self.mean + self.mean_bias, log_spread.clamp(*_LOG_SD_RANGE)

    def penalty(self) -> Tensor:
        """Return the sum of the trunk's squared weights."""
        return sum(
            ((w**2).sum() for w in (self.inner, self.mean, self.spread)),
            start=torch.zeros(()),
        )


def fit_subject_net(
    inputs: F64, log10_uv: F64, filters: F64, how: SubjectNetSettings, *, seed: int
) -> SubjectNet:
    """Return an ensemble fitted to one subject's training rows.

    Parameters
    ----------
    inputs
        (n, n_inputs)
    log10_uv
        (n, n_muscles)
    filters
        (n_members, n_inputs, n_filters): where they start; their size is such that a
        relative field of 1 gives about 1.
    how
        Sizes, likelihood and training.
    seed
        Of the trunk's weights.
    """
    torch.manual_seed(seed)
    mean, spread = log10_uv.mean(axis=0), log10_uv.std(axis=0) + 1e-9
    members = Members(filters, log10_uv.shape[1], how)
    standard = torch.tensor((log10_uv - mean) / spread, dtype=torch.float32)
    rows = torch.tensor(inputs, dtype=torch.float32)
    optimizer, schedule = _optimizer(members, how)
    for _ in range(how.n_steps):
        loss = _loss(members, rows, standard, how) + how.penalty * members.penalty()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation
        torch.nn.utils.clip_grad_norm_(members.parameters(), float(len(filters)))
        optimizer.step()
        schedule.step()
    return SubjectNet(members, mean, spread)


def _loss(
    members: Members, rows: Tensor, standard: Tensor, how: SubjectNetSettings
) -> Tensor:
    """Return the mean loss per MEP, summed over members."""
    mean, log_spread = members(rows)
    each: Tensor
    if not how.likelihood:
        each = 2.0 * (standard - mean) ** 2
        return each.mean((1, 2)).sum()
    error = (standard - mean) * torch.exp(-log_spread)
    if not how.shared:
        each = 0.5 * error**2 + log_spread
        return each.mean((1, 2)).sum()
    # Covariance of a pulse's standardised errors: 1 + c cᵀ (Sherman-Morrison).
    size = (members.common**2).sum(-1)
    along = (error * members.common).sum(-1)
    fit = (error**2).sum(-1) - along**2 / (1.0 + size)
    each = 0.5 * (fit + torch.log1p(size)) + log_spread.sum(-1)
    return each.mean(1).sum() / standard.shape[1]


def _optimizer(
    members: Members, how: SubjectNetSettings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return Adam, slower on the filters, and its one-cycle schedule."""
    others = [
        p
        for name, p in members.named_parameters()
        if name != "filters" and p.requires_grad
    ]
    optimizer = torch.optim.Adam([{"params": [members.filters]}, {"params": others}])
    schedule = one_cycle(
        optimizer,
        (how.filter_learning_rate, how.learning_rate),
        n_steps=how.n_steps,
        warm_up_share=how.warm_up_share,
    )
    return optimizer, schedule
