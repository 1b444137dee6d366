"""The real-time network: spatial filters, learnable neural response, small trunk.

A filter weighs the field's three components at every cortical point, so it has a
place, an extent and an orientation; its output goes through a learnable neural
response profile. Twenty to fifty of them say all that matters here: the fields of one
coil over one head live on a manifold of few dimensions.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
import torch
from msgspec import Meta
from torch import Tensor, nn

from m2m_rt.learning import LastLayerPrior
from m2m_rt.model import MUSCLES
from m2m_rt.units import F32, F64


class RealtimeSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Sizes of the real-time network and of its last layer."""

    n_filters: Annotated[int, Meta(gt=0)] = 32
    n_hidden: Annotated[int, Meta(gt=0)] = 96
    n_features: Annotated[int, Meta(gt=1)] = 48
    """Of them one is the constant 1."""

    n_latent: Annotated[int, Meta(gt=0)] = 40
    """Ways in which a muscle may differ between subjects."""

    filter_radius_mm: Annotated[float, Meta(gt=0)] = 5.0
    """Standard deviation of a filter's bell at the start."""


@dataclass(frozen=True, slots=True)
class FilterSites:
    """Where the filters start."""

    points_mm: F64
    """(n_roi, 3)"""

    planned_relative: F32
    """(n_roi, 3): relative field of the planned pose at threshold."""


class RealtimeNet(nn.Module):
    """Relative fields (n, n_roi, 3) → features (n, n_features), the first one 1."""

    def __init__(self, n_roi: int, settings: RealtimeSettings) -> None:
        """Make the layers; `start_filters` gives the filters their places."""
        super().__init__()
        n_filters, n_hidden = settings.n_filters, settings.n_hidden
        self.filters = nn.Parameter(torch.zeros(3 * n_roi, n_filters))
        self.half_response = nn.Parameter(torch.full((n_filters,), 0.9))
        self.log_slope = nn.Parameter(torch.full((n_filters,), float(np.log(0.2))))
        self.hidden_in = _Dense(2 * n_filters, n_hidden)
        self.hidden_out = _Dense(n_hidden, n_hidden)
        self.readout = _Dense(n_hidden, settings.n_features - 1)

    def forward(self, relative_efield: Tensor) -> Tensor:
        """Return features (n, n_features) of fields (n, n_roi, 3)."""
        return self.trunk(relative_efield.flatten(1) @ self.filters)

    def trunk(self, drive: Tensor) -> Tensor:
        """Return features (…, n_features) of filter outputs (…, n_filters)."""
        slope = torch.exp(self.log_slope)
        rest = torch.sigmoid(-self.half_response / slope)
        response = torch.sigmoid((drive - self.half_response) / slope)
        profile = (response - rest) / (1.0 - rest)
        hidden = torch.tanh(self.hidden_in(torch.cat((drive, profile), dim=-1)))
        hidden = hidden + torch.tanh(self.hidden_out(hidden))
        features = self.readout(hidden)
        return nn.functional.pad(features, (1, 0), value=1.0)


class PopulationPrior(nn.Module):
    """The learnable prior of the last layer, as `LastLayerPrior` means it."""

    def __init__(self, settings: RealtimeSettings) -> None:
        """Start near a wide prior about a typical MEP size."""
        super().__init__()
        n, n_features, n_latent = len(MUSCLES), settings.n_features, settings.n_latent
        self.mean = nn.Parameter(torch.zeros(n, n_features))
        spread = 0.5 / np.sqrt(n_latent)
        self.factor = nn.Parameter(spread * torch.randn(n, n_features, n_latent))
        self.log_noise = nn.Parameter(torch.zeros(n, n_features))
        with torch.no_grad():
            self.mean[:, 0] = 1.5
            self.log_noise[:, 0] = float(np.log(0.25))

    def as_arrays(self, scale_dof: float) -> LastLayerPrior:
        """Return the prior for the last layer in numpy."""

        def array(values: Tensor) -> F64:
            return values.detach().numpy().astype(np.float64)

        return LastLayerPrior(
            mean=array(self.mean),
            factor=array(self.factor),
            log_noise=array(self.log_noise),
            scale_dof=scale_dof,
        )


def start_filters(
    net: RealtimeNet,
    sites: FilterSites,
    settings: RealtimeSettings,
    rng: np.random.Generator,
) -> None:
    """Give each filter a bell at a random ROI point and an orientation there.

    The orientation is the planned field's, turned at random; the weights are scaled
    so that a field of relative size 1 along it gives 1.
    """
    n_roi = sites.points_mm.shape[0]
    columns = []
    for centre in rng.choice(n_roi, settings.n_filters, replace=False):
        apart_mm = np.linalg.norm(sites.points_mm - sites.points_mm[centre], axis=1)
        bell = np.exp(-0.5 * (apart_mm / settings.filter_radius_mm) ** 2)
        along = sites.planned_relative[centre]
        turned = along / np.linalg.norm(along) + 0.4 * rng.standard_normal(3)
        orientation = turned / np.linalg.norm(turned)
        columns.append(np.outer(bell / bell.sum(), orientation).ravel())
    with torch.no_grad():
        net.filters.copy_(torch.tensor(np.array(columns).T, dtype=torch.float32))


class _Dense(nn.Module):
    """x @ weight + bias: kept as it is by the exporter, so weights can be read back."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_in, n_out) / np.sqrt(n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, values: Tensor) -> Tensor:
        return values @ self.weight + self.bias
