"""Neural response profile: from field strength to how strongly neurons fire."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.efield.table import RegionOfInterest
from m2m_rt.units import F32


@dataclass(frozen=True, slots=True)
class NrpSettings:
    """The saturating curve, a logistic function that is zero without a field.

    The starting values are this project's own choice, neither measured nor published.
    """

    half_v_per_m: float = 65.0
    """Field of half response, before the shift that makes no field no response."""

    slope_v_per_m: float = 10.0
    """Width of the rise; larger is softer."""


def neural_response(efield_v_per_m: F32, settings: NrpSettings) -> F32:
    """Return the response 0…1 to field strengths of any shape; 0 V/m gives 0.

    (σ((E − E50)/s) − σ(−E50/s)) / (1 − σ(−E50/s)), written with tanh so that neither
    end overflows.

    >>> float(neural_response(np.float32([0.0])[:], NrpSettings())[0])
    0.0
    """
    at_rest = _sigmoid(np.float64(-settings.half_v_per_m / settings.slope_v_per_m))
    strength = np.asarray(efield_v_per_m, np.float64)
    firing = _sigmoid((strength - settings.half_v_per_m) / settings.slope_v_per_m)
    response: F32 = ((firing - at_rest) / (1.0 - at_rest)).astype(np.float32)
    return response


def roi_volume(values: F32, roi: RegionOfInterest) -> F32:
    """Return per-point values (…, n_roi) in the networks' box, zero elsewhere.

    The last three axes are `roi.box_shape`; points that lie in no voxel are left out.
    """
    inside = (roi.box_index >= 0).all(axis=1)  # (n_roi,)
    i, j, k = roi.box_index[inside].T
    volume = np.zeros((*values.shape[:-1], *roi.box_shape), np.float32)
    volume[..., i, j, k] = values[..., inside]
    return volume


def _sigmoid(x: np.ndarray | np.float64) -> np.ndarray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
