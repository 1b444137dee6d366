"""Reads a NIfTI volume of tissue labels, such as SimNIBS' `final_tissues.nii.gz`."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_rt.errors import ConfigError, DataError
from m2m_rt.units import F64, I64

MAX_VOXELS = 1024**3 // 2


@dataclass(frozen=True, slots=True)
class LabelVolume:
    """One label a voxel."""

    labels: I64
    """(nx, ny, nz): 0 is air."""

    head_from_voxel: F64
    """(4, 4): RAS position, mm, of a voxel's index."""


def read_labels(path: Path) -> LabelVolume:
    """Return the labels of a `.nii` or `.nii.gz` file.

    Raises
    ------
    ConfigError
        If there is no such file.
    DataError
        If it is damaged, not three-dimensional, or its values are no labels.
    """
    if not path.is_file():
        raise ConfigError(str(path), "no file", "a NIfTI volume of labels")
    values, affine = _loaded(path)
    if values.ndim != 3 or min(values.shape) < 2:
        raise DataError(f"{path}: found shape {values.shape}, expected three axes")
    if values.dtype.kind not in "fiu":
        raise DataError(f"{path}: found values of {values.dtype}: no labels")
    if not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise DataError(f"{path}: found values that are not whole: no labels")
    if values.min() < 0 or values.max() > 10_000:
        raise DataError(f"{path}: found labels {values.min()} … {values.max()}")
    if not 1e-4 < abs(np.linalg.det(affine[:3, :3])) < 1e4:
        raise DataError(f"{path}: found no usable affine")
    return LabelVolume(values.astype(np.int64), affine)


def _loaded(path: Path) -> tuple[npt.NDArray[Any], F64]:
    """Return the values and where they lie."""
    import nibabel
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        image = nibabel.Nifti1Image.from_filename(path)
        shape = image.shape
        if int(np.prod(shape, dtype=np.float64)) > MAX_VOXELS:
            raise DataError(f"{path}: found shape {shape}, too many voxels")
        is_placed = bool(image.header["sform_code"] or image.header["qform_code"])
        values = np.squeeze(np.asanyarray(image.dataobj))
        affine = np.asarray(image.affine, dtype=np.float64)
    # What nibabel raises on a damaged file depends on where it is damaged.
    except (
        OSError,
        ValueError,
        EOFError,
        OverflowError,
        zlib.error,
        HeaderDataError,
        WrapStructError,
        nibabel.filebasedimages.ImageFileError,
    ) as err:
        raise DataError(f"{path}: cannot be read as NIfTI ({err})") from err
    if not is_placed:
        # Readers then guess, and not all guess the same side for left.
        raise DataError(
            f"{path}: found sform_code 0 and qform_code 0, expected one that says "
            "where the voxels lie: left and right are not known"
        )
    return values, affine
