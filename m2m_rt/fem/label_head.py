"""Nested tissue occupancies from a volume of labels: what the demo head's mesher takes.

The labels are resampled on a grid of 1 mm along the head's axes; each tissue is taken
with all that lies inside it, cavities filled, and every layer is made at least about a
voxel thick, because the mesher needs surfaces that do not touch.
"""

import numpy as np
from scipy import ndimage

from m2m_rt.adapters.label_volume import LabelVolume
from m2m_rt.errors import DataError
from m2m_rt.fem.head_file import TISSUE_OF_TAG
from m2m_rt.fem.tissues import (
    SMALLEST_PART_MM3,
    VOXEL_MM,
    Occupancies,
    Tissue,
    VoxelGrid,
)
from m2m_rt.geometry import transform_points
from m2m_rt.units import F32, F64

MARGIN_MM = 6.0
SMOOTHING_MM = 0.7
LARGEST_HEAD_MM = 500.0


def occupancies_of_labels(
    volume: LabelVolume, tissue_of_label: dict[int, Tissue] | None = None
) -> Occupancies:
    """Return nested occupancies; SimNIBS' numbers if no labels are named.

    Raises
    ------
    DataError
        If a label has no tissue, a tissue is missing, or the volume is no head's.
    """
    tissues = _tissues(volume, tissue_of_label or TISSUE_OF_TAG)
    grid = _grid(volume, tissues)
    inside = {
        t: _resampled(volume, (tissues > 0) & (tissues <= t), grid) for t in Tissue
    }
    inside[Tissue.WM] = np.minimum(inside[Tissue.WM], _eroded(inside[Tissue.GM]))
    thickness = {Tissue.CSF: 1, Tissue.SKULL: 2, Tissue.SCALP: 2}
    for tissue, voxels in thickness.items():
        within = inside[Tissue(tissue - 1)]
        inside[tissue] = np.maximum(inside[tissue], _dilated(within, voxels))
    smooth = {t: ndimage.gaussian_filter(f, SMOOTHING_MM) for t, f in inside.items()}
    return Occupancies(grid, smooth)


def _tissues(volume: LabelVolume, tissue_of_label: dict[int, Tissue]) -> np.ndarray:
    """Return tissue numbers (nx, ny, nz), 0 for air."""
    labels, places = np.unique(volume.labels, return_inverse=True)
    unknown = [k for k in labels.tolist() if k and k not in tissue_of_label]
    if unknown:
        raise DataError(f"labels {unknown[:10]}: no tissue is given for them")
    numbers = np.array([tissue_of_label.get(k, 0) for k in labels.tolist()])
    missing = [t.name.lower() for t in Tissue if t not in numbers]
    if missing:
        raise DataError(f"labels: found no {', '.join(missing)}")
    return numbers[places].reshape(volume.labels.shape)


def _grid(volume: LabelVolume, tissues: np.ndarray) -> VoxelGrid:
    """Return a grid along the head's axes around all tissue."""
    boxes = ndimage.find_objects((tissues > 0).astype(np.int8))[0]
    ends = np.array([(part.start, part.stop - 1) for part in boxes])
    corners = np.array(np.meshgrid(*ends)).reshape(3, -1).T.astype(np.float64)
    corners_mm = transform_points(volume.head_from_voxel, corners)
    low: F64 = corners_mm.min(axis=0) - MARGIN_MM
    size = corners_mm.max(axis=0) + MARGIN_MM - low
    if size.max() > LARGEST_HEAD_MM:
        raise DataError(f"labels: a head of {size.max():.0f} mm (a wrong affine?)")
    nx, ny, nz = (int(n) for n in np.ceil(size / VOXEL_MM) + 1)
    return VoxelGrid(low, VOXEL_MM, (nx, ny, nz))


def _resampled(volume: LabelVolume, mask: np.ndarray, grid: VoxelGrid) -> F32:
    """Return a mask's occupancy on the grid, without crumbs and with holes filled."""
    parts, n_parts = ndimage.label(mask)
    if n_parts > 1:
        # Hemispheres that do not touch, a cerebellum's core: large parts stay.
        voxel_mm3 = abs(float(np.linalg.det(volume.head_from_voxel[:3, :3])))
        is_large = np.bincount(parts.ravel()) * voxel_mm3 >= SMALLEST_PART_MM3
        is_large[0] = False
        mask = is_large[parts]
    filled = ndimage.binary_fill_holes(mask).astype(np.float32)
    voxel_from_head: F64 = np.linalg.inv(volume.head_from_voxel).astype(np.float64)
    step = voxel_from_head[:3, :3] * grid.spacing_mm
    start = transform_points(voxel_from_head, grid.origin_mm[np.newaxis])[0]
    occupancy: F32 = ndimage.affine_transform(
        filled, step, offset=start, output_shape=grid.shape, order=1
    )
    return occupancy


def _eroded(field: F32) -> F32:
    eroded: F32 = ndimage.grey_erosion(field, size=3)
    return eroded


def _dilated(field: F32, voxels: int) -> F32:
    dilated: F32 = ndimage.grey_dilation(field, size=2 * voxels + 1)
    return dilated
