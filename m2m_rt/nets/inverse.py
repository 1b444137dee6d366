"""From MEPs to the field's strength: a small network with its own uncertainty.

After M2M-InvNet (Akbar et al., IEEE TNSRE 32:1455, 2024), which reconstructs the whole
image: here the field is written in the principal components of the training fields,
and the network gives each coefficient's mean and spread.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
import torch
from msgspec import Meta
from torch import Tensor, nn

from m2m_rt.learning import FieldMap
from m2m_rt.units import F32, F64

_LOG_SD_RANGE = (-5.0, 2.0)
"""Natural log, of a coefficient of unit variance."""


class InverseSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Size and training of the network."""

    n_hidden: Annotated[int, Meta(gt=0)] = 96
    n_steps: Annotated[int, Meta(gt=0)] = 1200
    batch: Annotated[int, Meta(gt=0)] = 128
    learning_rate: Annotated[float, Meta(gt=0)] = 3e-3
    weight_decay: Annotated[float, Meta(ge=0)] = 3e-3
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.15
    held_out: Annotated[float, Meta(gt=0, lt=1)] = 0.15
    """Part of the pulses that the spread is scaled on."""


@dataclass(frozen=True, slots=True)
class FieldBasis:
    """Principal components of fields' strengths."""

    mean: F64
    """(n_points,)"""

    components: F64
    """(n_components, n_points), orthonormal."""

    scale: F64
    """(n_components,): standard deviation of each coefficient."""

    left_sd: F64
    """(n_points,): of what the components leave out."""

    def coefficients(self, strength: F32) -> F64:
        """Return coefficients (n, n_components) of unit variance."""
        found: F64 = (strength - self.mean) @ self.components.T / self.scale
        return found


def field_basis(strength: F32, n_components: int) -> FieldBasis:
    """Return the leading components of strengths (n, n_points)."""
    mean = strength.mean(axis=0, dtype=np.float64)
    away = strength - mean
    _, values, rows = np.linalg.svd(away, full_matrices=False)
    kept = rows[:n_components]
    left = away - (away @ kept.T) @ kept
    return FieldBasis(
        mean=mean,
        components=kept,
        scale=values[:n_components] / np.sqrt(len(strength)),
        left_sd=left.std(axis=0),
    )


@dataclass(frozen=True, slots=True)
class TrainedInverse:
    """A network and what it needs to give maps."""

    net: nn.Module
    basis: FieldBasis
    mep_mean: F64
    mep_sd: F64
    stretch: F64
    """(n_components,): factor of the network's spread, from pulses it has not seen."""

    def field_map(self, log10_uv: F64) -> FieldMap:
        """Return the maps of pulses' answers (n, n_muscles)."""
        given = torch.tensor((log10_uv - self.mep_mean) / self.mep_sd)
        with torch.no_grad():
            mean, log_sd = (part.double() for part in _said(self.net, given.float()))
        scaled = self.basis.scale * self.basis.components.T  # (n_points, n_components)
        variance = (self.stretch * torch.exp(log_sd).numpy()) ** 2 @ (scaled**2).T
        return FieldMap(
            mean=self.basis.mean + mean.numpy() @ scaled.T,
            sd=np.sqrt(variance + self.basis.left_sd**2),
        )


def train_inverse(
    log10_uv: F64,
    coefficients: F64,
    basis: FieldBasis,
    *,
    settings: InverseSettings,
    seed: int,
) -> TrainedInverse:
    """Return a network trained by the Gaussian likelihood of fields' coefficients.

    The same seed and machine give the same weights.

    Parameters
    ----------
    log10_uv
        (n, n_muscles): pulses' answers.
    coefficients
        (n, n_components): of their fields, of unit variance.
    basis
        What they are coefficients of.
    settings
        Size and training.
    seed
        Of the weights, the batches, and the pulses that the spread is scaled on.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    mep_mean, mep_sd = log10_uv.mean(axis=0), log10_uv.std(axis=0) + 1e-6
    given = torch.tensor((log10_uv - mep_mean) / mep_sd, dtype=torch.float32)
    wanted = torch.tensor(coefficients, dtype=torch.float32)
    net = _layers(given.shape[1], wanted.shape[1], settings)
    rng = np.random.default_rng(seed)
    is_held = torch.tensor(rng.random(len(given)) < settings.held_out)
    if not is_held.any():  # as of few pulses; the spread would have no scale
        is_held[0] = True
    _fit(net, (given[~is_held], wanted[~is_held]), settings, rng)
    with torch.no_grad():
        mean, log_sd = _said(net.eval(), given[is_held])
        error = (wanted[is_held] - mean) * torch.exp(-log_sd)
    stretch = torch.sqrt(torch.mean(error**2, dim=0)).double().numpy()
    return TrainedInverse(net, basis, mep_mean, mep_sd, stretch)


def _said(net: nn.Module, given: Tensor) -> tuple[Tensor, Tensor]:
    """Return the coefficients' means and log standard deviations, bounded."""
    mean, log_sd = net(given).chunk(2, dim=-1)
    return mean, log_sd.clamp(*_LOG_SD_RANGE)


def _layers(n_in: int, n_out: int, settings: InverseSettings) -> nn.Sequential:
    n_hidden = settings.n_hidden
    return nn.Sequential(
        nn.Linear(n_in, n_hidden),
        nn.SiLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(n_hidden, n_hidden),
        nn.SiLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(n_hidden, 2 * n_out),
    )


def _fit(
    net: nn.Module,
    pulses: tuple[Tensor, Tensor],
    settings: InverseSettings,
    rng: np.random.Generator,
) -> None:
    given, wanted = pulses
    optimizer = torch.optim.AdamW(
        net.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.n_steps)
    for _ in range(settings.n_steps):
        rows = torch.tensor(rng.integers(len(given), size=settings.batch))
        mean, log_sd = _said(net, given[rows])
        error = (wanted[rows] - mean) * torch.exp(-log_sd)
        loss = torch.mean(0.5 * error**2 + log_sd)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has none
        optimizer.step()
        schedule.step()
