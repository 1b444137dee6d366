"""The published networks' input box: which voxels hold cortex, and made of what."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import RegionOfInterest
from m2m_rt.errors import ConfigError
from m2m_rt.units import F32, F64, I64

_CORNERS = np.indices((2, 2, 2)).reshape(3, 8).T


@dataclass(frozen=True, slots=True)
class BoxGrid:
    """The voxels of a cubic box that hold cortex, in raster order."""

    side: int

    places: I64
    """(n_voxels,): flat number in the box."""

    points: I64
    """(n_voxels, n_corners): points of the region of interest it is made of."""

    weights: F32
    """(n_voxels, n_corners): of each, adding up to 1."""


def box_grid(roi: RegionOfInterest, side: int) -> BoxGrid:
    """Return the voxels of a table's box at its own spacing, or at half of it.

    Raises
    ------
    ConfigError
        If the box is no cube of that side or of half of it.
    """
    own = roi.box_shape[0]
    if roi.box_shape != (own,) * 3 or side not in {own, 2 * own}:
        expected = f"{own} or {2 * own}, a cube of the table's box {roi.box_shape}"
        raise ConfigError("side", str(side), expected)
    inside = np.flatnonzero((roi.box_index >= 0).all(axis=1))
    coarse = point_voxels(roi.box_index[inside], own)
    grid = BoxGrid(own, coarse.places, inside[coarse.points], coarse.weights)
    return grid if side == own else halved(grid)


def point_voxels(box_index: I64, side: int) -> BoxGrid:
    """Return the voxels of points (n, 3) that have one each."""
    flat = np.ravel_multi_index(tuple(box_index.T), (side,) * 3)
    places, points = np.unique(flat, return_index=True)
    return BoxGrid(side, places, points[:, None], np.ones((len(places), 1), np.float32))


def halved(coarse: BoxGrid) -> BoxGrid:
    """Return eight voxels for each, trilinear between those of the eight around.

    A voxel's centre lies a quarter of the coarse spacing from its own coarse centre.
    Where the mask ends, what is missing is left out and the rest weighs more.
    """
    own = np.array(np.unravel_index(coarse.places, (coarse.side,) * 3)).T
    number = np.full((coarse.side + 2,) * 3, -1)
    number[tuple(own.T + 1)] = np.arange(len(own))
    fine = (2 * own[:, np.newaxis] + _CORNERS).reshape(-1, 3)
    step = np.where(fine % 2 == 1, 1, -1)  # towards the nearer neighbour
    around = (fine // 2)[:, np.newaxis] + _CORNERS * step[:, np.newaxis]
    numbers = number[tuple(np.moveaxis(around + 1, -1, 0))]  # (n_fine, 8)
    weights: F64 = np.where(_CORNERS == 1, 0.25, 0.75).prod(axis=1) * (numbers >= 0)
    places = np.ravel_multi_index(tuple(fine.T), (2 * coarse.side,) * 3)
    order = np.argsort(places)
    scaled = weights / weights.sum(axis=1, keepdims=True)
    points = coarse.points[:, 0][np.maximum(numbers, 0)]
    return BoxGrid(
        2 * coarse.side, places[order], points[order], scaled[order].astype(np.float32)
    )
