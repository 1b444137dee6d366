"""From a table's answer to a model's input, and a model's output to its golden one."""

import numpy as np

from m2m_rt.units import F32

GOLDEN_TOLERANCE = 1e-4
"""Of features, which are of order one: float32 sums in another order, no more."""


def relative_efield(
    unit_efield_v_per_m: F32, *, planned_peak_v_per_m: float, intensity_pct_rmt: float
) -> F32:
    """Return the model's input for planned stimuli.

    Parameters
    ----------
    unit_efield_v_per_m
        (n_roi, 3) or (n, n_roi, 3): V/m per A/µs, head frame.
    planned_peak_v_per_m
        Largest |E| over the ROI at the planned pose, V/m per A/µs.
    intensity_pct_rmt
        100 means the resting motor threshold.

    Returns
    -------
        (n, n_roi, 3) float32; 1.0 is the planned pose's peak at threshold.
    """
    factor = np.float32(intensity_pct_rmt / 100.0 / planned_peak_v_per_m)
    n_roi = unit_efield_v_per_m.shape[-2]
    return (unit_efield_v_per_m * factor).astype(np.float32).reshape(-1, n_roi, 3)


def golden_fault(features: F32, golden_features: F32) -> str | None:
    """Return how features differ from the golden ones, or None if they agree.

    >>> golden_fault(np.ones((1, 2), np.float32), np.ones((1, 2), np.float32)) is None
    True
    """
    if features.shape != golden_features.shape:
        return f"shape {features.shape}, golden {golden_features.shape}"
    worst = float(np.max(np.abs(features - golden_features), initial=0.0))
    if worst <= GOLDEN_TOLERANCE:  # false for NaN too
        return None
    return f"features differ from the golden ones by {worst:.3g}"
