"""M2M-Net as published (Akbar et al., PETRA 2020), re-implemented from its facts.

The reference for offline comparison: a convolutional autoencoder of the field's
volume, and a mapper from its code to 15 muscles with three kinds of head. Kept from
the paper: layers, sizes, penalties, losses, optimisers. Not repeated: scalers fitted
on test data (ours come from training pulses and are stored in the network), synergies
made from all pulses, and negative synergy activations.
"""

import enum
import itertools

import torch
from torch import Tensor, nn

from m2m_rt.nets.paper_box import BoxGrid
from m2m_rt.units import F32

N_SYNERGIES = 9


class PaperInput(enum.StrEnum):
    """What a voxel holds."""

    EFIELD = "efield"
    """|E|, relative."""

    NRP = "nrp"
    """The neural response profile of |E|."""


class PaperHead(enum.StrEnum):
    """How the mapper ends."""

    DIRECT = "direct"
    SYNERGY = "synergy"
    BOTH = "both"
    """The synergy net, and a second net trained on what it leaves over."""


class FieldVolume(nn.Module):
    """Relative fields (n, n_roi, 3) → volumes (n, 1, side, side, side).

    The paper's E50 = 65 V/m and s = 10 V/m belong to its head and subject; here the
    field is relative to the resting threshold, and so are they. Volumes are scaled by
    the largest voxel of the training pulses.
    """

    places: Tensor
    points: Tensor
    weights: Tensor
    largest: Tensor

    def __init__(self, grid: BoxGrid, kind: PaperInput) -> None:
        """Remember what each voxel is made of."""
        super().__init__()
        self.register_buffer("places", torch.tensor(grid.places))
        self.register_buffer("points", torch.tensor(grid.points))
        self.register_buffer("weights", torch.tensor(grid.weights))
        self.register_buffer("largest", torch.tensor(1.0))
        self.side = grid.side
        self.kind = kind
        self.half_response, self.slope = 0.65, 0.1

    @property
    def mask(self) -> Tensor:
        """(1, 1, side, side, side): 1 where there is cortex."""
        mask = torch.zeros(self.side**3)
        mask[self.places] = 1.0
        return mask.reshape(1, 1, self.side, self.side, self.side)

    def scale_by(self, values: Tensor) -> None:
        """Take the scale from training pulses' values, as made with no scale."""
        self.largest = values.max()

    def values(self, relative_efield: Tensor) -> Tensor:
        """Return the values (n, n_voxels) of the mask's voxels, in their order."""
        field = relative_efield[:, self.points[:, 0]]
        if self.points.shape[1] > 1:
            corners = relative_efield[:, self.points]  # (n, n_voxels, n_corners, 3)
            field = (corners * self.weights[..., None]).sum(dim=2)
        values = torch.linalg.vector_norm(field, dim=-1)
        if self.kind is PaperInput.NRP:
            rest = torch.sigmoid(torch.tensor(-self.half_response / self.slope))
            response = torch.sigmoid((values - self.half_response) / self.slope)
            values = (response - rest) / (1.0 - rest)
        scaled: Tensor = values / self.largest
        return scaled

    def forward(self, relative_efield: Tensor) -> Tensor:
        """Return the volumes."""
        values = self.values(relative_efield)
        flat = torch.zeros(values.shape[0], self.side**3)
        flat = flat.index_copy(1, self.places, values)
        return flat.reshape(-1, 1, self.side, self.side, self.side)


class Autoencoder(nn.Module):
    """Volume → code of a quarter of its side → volume; 115 970 parameters."""

    mask: Tensor
    code_low: Tensor
    code_high: Tensor

    def __init__(self, mask: Tensor) -> None:
        """Make it for one mask (1, 1, side, side, side)."""
        super().__init__()
        self.encoder = nn.Sequential(
            *(_conv(1, 32), nn.ELU(), nn.MaxPool3d(2)),
            *(_conv(32, 64), nn.ELU(), nn.MaxPool3d(2)),
            *(_conv(64, 1), nn.ELU()),
        )
        self.decoder = nn.Sequential(
            *(_conv(1, 64), nn.ELU(), nn.Upsample(scale_factor=2)),
            *(_conv(64, 32), nn.ELU(), nn.Upsample(scale_factor=2)),
            _conv(32, 1),
        )
        self.register_buffer("mask", mask)
        self.register_buffer("code_low", torch.tensor(0.0))
        self.register_buffer("code_high", torch.tensor(1.0))

    def forward(self, volume: Tensor) -> Tensor:
        """Return the reconstruction, zero outside the mask."""
        rebuilt: Tensor = self.decoder(self.encoder(volume)) * self.mask
        return rebuilt

    def scale_code_by(self, code: Tensor) -> None:
        """Take the code's range from training pulses."""
        self.code_low, self.code_high = code.min(), code.max()

    def scaled_code(self, volume: Tensor) -> Tensor:
        """Return the code in training's [0, 1]."""
        code: Tensor = self.encoder(volume)
        return self.scaled(code)

    def scaled(self, code: Tensor) -> Tensor:
        """Return a code in training's [0, 1]."""
        return (code - self.code_low) / (self.code_high - self.code_low + 1e-12)

    def penalty(self) -> Tensor:
        """Return the L1 norm of the 32- and 64-channel kernels."""
        kernels = [
            layer.weight
            for layer in itertools.chain(self.encoder, self.decoder)
            if isinstance(layer, nn.Conv3d) and layer.out_channels > 1
        ]
        return torch.stack([kernel.abs().sum() for kernel in kernels]).sum()


class Mapper(nn.Module):
    """Code → one number a muscle, or a synergy; about 140 000 parameters at 16³."""

    def __init__(self, code_side: int, n_out: int, *, linear: bool = False) -> None:
        """Make the body for a code (n, 1, side, side, side); `linear` has no ReLU."""
        super().__init__()
        bend: type[nn.Module] = nn.Identity if linear else nn.ReLU
        layers: list[nn.Module] = []
        for n_in, n_channels in ((1, 16), (16, 32), (32, 64)):
            layers += [_conv(n_in, n_channels), bend(), nn.BatchNorm3d(n_channels)]
            layers += [nn.MaxPool3d(2)]
        n_flat = 64 * (code_side // 8) ** 3
        layers += [nn.Flatten(), nn.Dropout(0.15), nn.Linear(n_flat, 128), bend()]
        layers += [nn.Dropout(0.15), nn.Linear(128, 32), bend(), nn.Linear(32, n_out)]
        self.body = nn.Sequential(*layers)

    def forward(self, code: Tensor) -> Tensor:
        """Return (n, n_out)."""
        out: Tensor = self.body(code)
        return out

    def penalty(self) -> Tensor:
        """Return the L1 norm of all kernels."""
        layers = [m for m in self.body if isinstance(m, nn.Conv3d | nn.Linear)]
        return torch.stack([layer.weight.abs().sum() for layer in layers]).sum()


class DirectNet(nn.Module):
    """Code → muscles through a sigmoid."""

    def __init__(self, code_side: int, n_muscles: int) -> None:
        """Make the mapper."""
        super().__init__()
        self.mapper = Mapper(code_side, n_muscles)

    def forward(self, code: Tensor) -> Tensor:
        """Return scaled MEPs (n, n_muscles), 0…1."""
        return torch.sigmoid(self.mapper(code))


class SynergyNet(nn.Module):
    """Code → non-negative activations of fixed synergies → muscles.

    Sums of non-negative synergies are scaled MEPs already, so no sigmoid follows (after
    one, no muscle could be below 0.5).
    """

    synergy_weights: Tensor

    def __init__(self, code_side: int, synergy_weights: F32) -> None:
        """Make the mapper for synergies (n_synergies, n_muscles)."""
        super().__init__()
        self.mapper = Mapper(code_side, synergy_weights.shape[0])
        self.register_buffer("synergy_weights", torch.tensor(synergy_weights))

    def forward(self, code: Tensor) -> Tensor:
        """Return scaled MEPs (n, n_muscles), 0 or more."""
        return nn.functional.softplus(self.mapper(code)) @ self.synergy_weights


class ResidualNet(nn.Module):
    """Code → what the synergy net leaves over, −1…1; a linear body under a tanh."""

    def __init__(self, code_side: int, n_muscles: int) -> None:
        """Make the mapper."""
        super().__init__()
        self.mapper = Mapper(code_side, n_muscles, linear=True)

    def forward(self, code: Tensor) -> Tensor:
        """Return scaled residuals (n, n_muscles)."""
        return torch.tanh(self.mapper(code))


class PaperNet(nn.Module):
    """The whole system: relative fields (n, n_roi, 3) → MEPs (n, n_muscles) in µV."""

    largest_uv: Tensor

    def __init__(
        self,
        volume: FieldVolume,
        autoencoder: Autoencoder,
        nets: tuple[nn.Module, ...],
        largest_uv: F32,
    ) -> None:
        """Join trained parts; `largest_uv` (n_muscles,) is the training maximum."""
        super().__init__()
        self.volume = volume
        self.autoencoder = autoencoder
        self.nets = nn.ModuleList(nets)
        self.register_buffer("largest_uv", torch.tensor(largest_uv))

    def forward(self, relative_efield: Tensor) -> Tensor:
        """Return amplitudes in µV."""
        code = self.autoencoder.scaled_code(self.volume(relative_efield))
        scaled = torch.stack([net(code) for net in self.nets]).sum(0)
        return torch.clamp(scaled, min=0.0) * self.largest_uv


def n_parameters(module: nn.Module) -> int:
    """Return the number of trained numbers."""
    return sum(parameter.numel() for parameter in module.parameters())


def _conv(n_in: int, n_out: int) -> nn.Conv3d:
    """Return a 3³ convolution of the same size, Glorot weights, zero biases."""
    layer = nn.Conv3d(n_in, n_out, 3, padding=1)
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
