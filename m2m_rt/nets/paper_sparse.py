"""The published autoencoder, computed only where its result differs from nothing.

Cortex fills one voxel in twenty of the box. Away from it the first layer gives one
constant, and behind the mask no reconstruction is looked at. Three identities save
most of the work and change no result but by the order of float32 sums:

- a convolution of `x` is that of `x − c`, zero away from cortex, and that of the
  constant `c`, which depends on nothing but which taps lie inside the box;
- a 3³ convolution of an array doubled in size is one of eight 2³ convolutions of the
  array itself, by the parity of the output's place;
- the largest of some values goes through ELU before or after.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from m2m_rt.nets.paper import Autoencoder
from m2m_rt.nets.taps import TapIndex, tap_conv, tap_spread, tap_sum
from m2m_rt.units import F32, I64

_TAPS = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
"""(27, 3), in the order of a 3³ kernel's weights."""

_CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))
"""(8, 3): parities of a place, and taps of a 2³ kernel."""


@dataclass(frozen=True, slots=True)
class _Sites:
    """Some places of a cubic grid, and which number each has."""

    places: I64
    """(n, 3)"""

    side: int

    def number_of(self, places: I64) -> I64:
        """Return numbers (…) of places (…, 3); −1 where there is no site."""
        table = np.full((self.side + 2,) * 3, -1)
        table[tuple(self.places.T + 1)] = np.arange(len(self.places))
        inside = np.clip(places, -1, self.side) + 1
        numbers: I64 = table[tuple(np.moveaxis(inside, -1, 0))]
        return numbers


@dataclass(frozen=True, slots=True)
class _Background:
    """Where the second layer sees nothing but the first one's constant, and edges."""

    taps_inside: Tensor
    """(n_classes, 27): 1 where the tap lies in the box."""

    site_class: Tensor
    """(8 · n_quarters, n_classes): one-hot, of the sites near cortex."""

    far_class: Tensor
    """(8, n_patterns): classes of the eight sites under a far quarter."""

    far_pattern: Tensor
    """(n_far, n_patterns): one-hot."""


class DenseAutoencoder:
    """The autoencoder as it is written: all voxels. On a GPU that is quicker."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        """Remember where the mask's voxels lie."""
        self.autoencoder = autoencoder
        self.side = autoencoder.mask.shape[-1]
        self._inside = torch.nonzero(autoencoder.mask.ravel())[:, 0]

    def code(self, values: Tensor) -> Tensor:
        """Return codes (n, 1, side/4, side/4, side/4)."""
        code: Tensor = self.autoencoder.encoder(self._volumes(values))
        return code

    def rebuild(self, values: Tensor) -> Tensor:
        """Return reconstructions (n, n_mask)."""
        rebuilt: Tensor = self.autoencoder(self._volumes(values))
        return rebuilt.reshape(len(values), -1)[:, self._inside]

    def _volumes(self, values: Tensor) -> Tensor:
        flat = values.new_zeros(len(values), self.side**3)
        flat = flat.index_copy(1, self._inside, values)
        return flat.reshape(-1, 1, self.side, self.side, self.side)


class SparseAutoencoder:
    """An autoencoder's own weights, applied to values at mask voxels (n, n_mask)."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        """Work out the sites of the autoencoder's mask."""
        self.autoencoder = autoencoder
        mask = autoencoder.mask[0, 0].numpy() > 0
        self.side = mask.shape[0]
        self._voxels = _Sites(np.argwhere(mask), self.side)
        self._near = _near_cells(self._voxels)
        self._first_columns = _first_columns(self._voxels, self._near)
        self._quarters, self._far = _quarter_cells(self._near)
        self._second = _second_index(self._near, self._quarters)
        self._background = _background(self._quarters, self._far, self.side // 2)
        cells = np.concatenate((self._quarters.places, self._far))
        self._code_in = _code_index(cells, self.side // 4)
        self._code_out = _transposed(self.side // 4)
        self._widen, self._n_by_parity = _widening_index(self._near, self.side // 4)
        self._last = _last_index(self._voxels, self._near)
        self._fold = torch.tensor(_folds())

    def code(self, values: Tensor) -> Tensor:
        """Return codes (n, 1, side/4, side/4, side/4)."""
        near = self._first(values)
        quarters = self._second_layer(near)
        layer = self._layer("encoder", 6)
        kernel = layer.weight.reshape(-1, 27)  # (64, 27)
        spread = (quarters @ kernel).reshape(len(values), -1, 1)
        code = nn.functional.elu(tap_sum(spread, self._code_in) + _bias(layer))
        side = self.side // 4
        return code.reshape(-1, 1, side, side, side)

    def rebuild(self, values: Tensor) -> Tensor:
        """Return reconstructions (n, n_mask)."""
        return self._decoded(self.code(values))

    def _layer(self, half: str, at: int) -> nn.Conv3d:
        layer = getattr(self.autoencoder, half)[at]
        if not isinstance(layer, nn.Conv3d):
            raise TypeError(f"layer {at} of the {half} is no convolution")
        return layer

    def _first(self, values: Tensor) -> Tensor:
        """Return the first layer (n, n_near, 32) without its far constant."""
        layer = self._layer("encoder", 0)
        n, n_near = len(values), len(self._near.places)
        padded = torch.cat((values, values.new_zeros(n, 1)), dim=1)
        columns = padded.index_select(1, self._first_columns).reshape(-1, 27)
        sums = columns @ layer.weight.reshape(-1, 27).T  # (n · 8 · n_near, 32)
        largest = sums.reshape(n, 8, n_near, -1).max(dim=1).values
        bias = _bias(layer)
        return nn.functional.elu(largest + bias) - nn.functional.elu(bias)

    def _second_layer(self, near: Tensor) -> Tensor:
        """Return the second layer (n, n_quarters + n_far, 64)."""
        layer = self._layer("encoder", 3)
        n, (n_out, n_in) = len(near), layer.weight.shape[:2]
        kernel = layer.weight.reshape(n_out, n_in, 27).permute(1, 2, 0)
        sums = tap_conv(near, kernel.reshape(n_in, -1), self._second)
        constant = nn.functional.elu(_bias(self._layer("encoder", 0)))
        by_tap = torch.einsum("i,iko->ko", constant, kernel)
        by_class = self._background.taps_inside @ by_tap + _bias(layer)
        sums = sums + self._background.site_class @ by_class
        largest = sums.reshape(n, 8, -1, n_out).max(dim=1).values
        far = (
            self._background.far_pattern
            @ by_class[self._background.far_class].max(dim=0).values
        )
        both = torch.cat((largest, far.expand(n, -1, -1)), dim=1)
        return nn.functional.elu(both)

    def _decoded(self, code: Tensor) -> Tensor:
        n = len(code)
        first, second, last = (self._layer("decoder", at) for at in (0, 3, 6))
        taps = tap_spread(code.reshape(n, -1, 1), self._code_out).reshape(n, -1, 27)
        wide = taps @ first.weight.reshape(-1, 27).T + _bias(first)
        wide = nn.functional.elu(wide)  # (n, side/4 cubed, 64)
        kernels = self._folded(second)  # (8, 8 · 64, 32)
        columns = tap_spread(wide, self._widen)
        columns = columns.reshape(n, -1, kernels.shape[1])
        parts = [
            of_parity @ kernel
            for of_parity, kernel in zip(
                torch.split(columns, self._n_by_parity, dim=1), kernels, strict=True
            )
        ]
        near = nn.functional.elu(torch.cat(parts, dim=1) + _bias(second))
        kernel = self._folded(last).reshape(8, 8, -1)  # (8, 8, 32)
        spread = near @ kernel.permute(2, 0, 1).reshape(-1, 64)  # (n, n_near, 64)
        rebuilt = tap_sum(spread.reshape(n, -1, 1), self._last)
        return rebuilt[..., 0] + _bias(last)

    def _folded(self, layer: nn.Conv3d) -> Tensor:
        """Return 2³ kernels (8 parities, 8 taps · n_in, n_out) of a 3³ kernel."""
        n_out, n_in = layer.weight.shape[:2]
        flat = layer.weight.permute(2, 3, 4, 1, 0).reshape(27, -1)
        return (self._fold @ flat).reshape(8, 8 * n_in, n_out)


def _bias(layer: nn.Conv3d) -> Tensor:
    if layer.bias is None:
        raise TypeError("a convolution without bias")
    return layer.bias


def _near_cells(voxels: _Sites) -> _Sites:
    """Return cells of 2³ voxels that a tap of a mask voxel reaches, by parity."""
    reached = (voxels.places[:, np.newaxis] + _TAPS).reshape(-1, 3)
    reached = reached[((reached >= 0) & (reached < voxels.side)).all(axis=1)]
    cells = np.unique(reached // 2, axis=0)
    parity = cells % 2 @ (4, 2, 1)
    return _Sites(cells[np.argsort(parity, kind="stable")], voxels.side // 2)


def _first_columns(voxels: _Sites, near: _Sites) -> Tensor:
    """Return voxel numbers (8 · n_near · 27,) around each voxel under a near cell."""
    under = 2 * near.places + _CORNERS[:, np.newaxis]  # (8, n_near, 3)
    around = voxels.number_of(under[:, :, np.newaxis] + _TAPS)
    return torch.tensor(np.where(around < 0, len(voxels.places), around).ravel())


def _quarter_cells(near: _Sites) -> tuple[_Sites, I64]:
    """Return cells of 2³ near-grid cells that a near cell reaches, and the others."""
    reached = (near.places[:, np.newaxis] + _TAPS).reshape(-1, 3)
    reached = reached[((reached >= 0) & (reached < near.side)).all(axis=1)]
    side = near.side // 2
    quarters = _Sites(np.unique(reached // 2, axis=0), side)
    every = np.argwhere(np.ones((side,) * 3, np.bool_))
    return quarters, every[quarters.number_of(every) < 0]


def _second_index(near: _Sites, quarters: _Sites) -> TapIndex:
    """Return where near cells' contributions (n_near · 27) go: (8 · n_quarters,)."""
    goes_to = near.places[:, np.newaxis] - _TAPS  # (n_near, 27, 3)
    inside = ((goes_to >= 0) & (goes_to < near.side)).all(axis=-1)
    quarter = quarters.number_of(goes_to // 2)
    corner = goes_to % 2 @ (4, 2, 1)
    n_quarters = len(quarters.places)
    output = np.where(inside, corner * n_quarters + quarter, -1)
    return TapIndex(output.ravel(), 8 * n_quarters)


def _background(quarters: _Sites, far: I64, side: int) -> _Background:
    under_near = 2 * quarters.places + _CORNERS[:, np.newaxis]  # (8, n_quarters, 3)
    under_far = 2 * far + _CORNERS[:, np.newaxis]
    sites = np.concatenate((under_near.reshape(-1, 3), under_far.reshape(-1, 3)))
    reached = sites[:, np.newaxis] + _TAPS
    inside = ((reached >= 0) & (reached < side)).all(axis=-1)
    classes, number = np.unique(inside, axis=0, return_inverse=True)
    n_near = 8 * len(quarters.places)
    far_number = number[n_near:].reshape(8, -1)
    patterns, pattern = np.unique(far_number, axis=1, return_inverse=True)
    return _Background(
        taps_inside=torch.tensor(classes.astype(np.float32)),
        site_class=_one_hot(number[:n_near], len(classes)),
        far_class=torch.tensor(patterns),
        far_pattern=_one_hot(pattern, patterns.shape[1]),
    )


def _one_hot(number: I64, n: int) -> Tensor:
    return torch.tensor(np.eye(n, dtype=np.float32)[number.ravel()])


def _code_index(cells: I64, side: int) -> TapIndex:
    """Return where cells' contributions (n_cells · 27) go in the code's raster."""
    goes_to = cells[:, np.newaxis] - _TAPS
    return TapIndex(_raster(goes_to, side).ravel(), side**3)


def _transposed(side: int) -> TapIndex:
    """Return which code number each tap of each place of the code's grid reads."""
    every = np.argwhere(np.ones((side,) * 3, np.bool_))
    return TapIndex(_raster(every[:, np.newaxis] + _TAPS, side).ravel(), side**3)


def _widening_index(near: _Sites, side: int) -> tuple[TapIndex, list[int]]:
    """Return which place each 2³ tap of a near cell reads, and each parity's cells."""
    parity = near.places % 2
    reads = (near.places // 2 + parity - 1)[:, np.newaxis] + _CORNERS
    counts = np.bincount(parity @ (4, 2, 1), minlength=8)
    return TapIndex(_raster(reads, side).ravel(), side**3), counts.tolist()


def _last_index(voxels: _Sites, near: _Sites) -> TapIndex:
    """Return where near cells' contributions (n_near · 8 parities · 8 taps) go."""
    parity, tap = _CORNERS[:, np.newaxis], _CORNERS[np.newaxis]
    cell = near.places[:, np.newaxis, np.newaxis] - (parity + tap - 1)
    inside = ((cell >= 0) & (cell < near.side)).all(axis=-1)
    output = np.where(inside, voxels.number_of(2 * cell + parity), -1)
    return TapIndex(output.ravel(), len(voxels.places))


def _raster(places: I64, side: int) -> I64:
    """Return row-major numbers of places (…, 3), −1 outside the cube."""
    inside = ((places >= 0) & (places < side)).all(axis=-1)
    return np.where(inside, places @ (side * side, side, 1), -1)


def _folds() -> F32:
    """Return which of 27 weights add up in each tap of each parity, (64, 27)."""
    along = np.zeros((2, 2, 3), np.float32)  # parity, tap, weight
    along[0, 0, 0] = along[0, 1, 1] = along[0, 1, 2] = 1.0
    along[1, 0, 0] = along[1, 0, 1] = along[1, 1, 2] = 1.0
    folds: F32 = np.einsum("ptw,qur,svx->pqstuvwrx", along, along, along)
    return folds.reshape(64, 27)
