"""Spaces of one image: voxels, scanner, FreeSurfer's surfaces, LPS, InVesalius.

A NIfTI affine or FreeSurfer's `vox2ras` is `scanner_from_voxel`. All are RAS and mm
unless the name says otherwise; a_from_b @ p_b = p_a.
"""

from dataclasses import dataclass

import numpy as np

from m2m_rt.units import F64

RAS_FROM_LPS: F64 = np.diag((-1.0, -1.0, 1.0, 1.0))
"""Two signs change, so it is a rotation, and its own inverse."""


def surface_from_voxel(shape: tuple[int, int, int], zooms_mm: F64) -> F64:
    """Return FreeSurfer's `vox2ras-tkr` (4, 4) of an image.

    Its axes are those of a coronal slice stack whatever the image's true orientation;
    its origin is the middle of the volume, at voxel n/2.

    Parameters
    ----------
    shape
        Voxels along the stored axes.
    zooms_mm
        (3,): voxel sizes.
    """
    i, j, k = zooms_mm
    half_i, half_j, half_k = np.array(shape) * zooms_mm / 2.0
    return np.array(
        (
            (-i, 0.0, 0.0, half_i),
            (0.0, 0.0, k, -half_k),
            (0.0, -j, 0.0, half_j),
            (0.0, 0.0, 0.0, 1.0),
        )
    )


def scanner_from_surface(*, scanner_from_voxel: F64, surface_from_voxel: F64) -> F64:
    """Return what moves surface RAS (tkrRAS) to scanner RAS.

    It is rigid when both matrices are of the same image: ask `rigid_fault`.
    """
    moved: F64 = scanner_from_voxel @ np.linalg.inv(surface_from_voxel)
    return moved


@dataclass(frozen=True, slots=True)
class InvesaliusImage:
    """What InVesalius knows of its image and does not send with a pose."""

    n_voxels_y: int
    spacing_y_mm: float
    voxel_mm_from_scanner: F64
    """Its `Slice.affine`: from scanner RAS to millimetres along the voxel axes."""


def scanner_from_invesalius(image: InvesaliusImage, pose: F64) -> F64:
    """Return a pose (4, 4) of InVesalius' space in scanner RAS.

    InVesalius counts y from the other side of the volume than the voxels do, for
    positions; orientations it already gives along the voxel axes.
    """
    unflipped = pose.copy()
    unflipped[1, 3] = image.spacing_y_mm * (image.n_voxels_y - 1) - pose[1, 3]
    moved: F64 = np.linalg.inv(image.voxel_mm_from_scanner) @ unflipped
    return moved
