"""Where an MEP begins, under a named definition."""

import numpy as np

from m2m_rt.emg.settings import OnsetDefinition
from m2m_rt.units import F64, Bools


def leave_noise(wave_uv: F64, *, band_uv: float, hold_rows: int) -> float | None:
    """Return where the wave leaves the noise band for good, in rows.

    Between the last row inside the band and the first of ``hold_rows`` rows outside it
    the crossing is interpolated. None if the wave never stays outside that long.

    Parameters
    ----------
    wave_uv
        Shape (n_rows,): one muscle's window, without offset and hum.

    Examples
    --------
    >>> leave_noise(np.array([0.0, 0, 10, 20, 20]), band_uv=5, hold_rows=2)
    1.5
    """
    size_uv = np.abs(wave_uv)
    outside = _stays(size_uv > band_uv, hold_rows)
    if not outside.any():
        return None
    at = int(np.argmax(outside))
    if at == 0:
        return 0.0
    rise_uv = size_uv[at] - size_uv[at - 1]
    return float(at - (size_uv[at] - band_uv) / rise_uv)


def slope_tangent(wave_uv: F64, *, band_uv: float, hold_rows: int) -> float | None:
    """Return where the tangent of the first wave's steepest flank meets zero, in rows.

    The first wave is that in which ``leave_noise`` finds the onset, up to its peak.
    """
    left = leave_noise(wave_uv, band_uv=band_uv, hold_rows=hold_rows)
    if left is None:
        return None
    first = int(np.ceil(left))
    upright_uv = wave_uv * np.sign(wave_uv[first])
    flank_uv = np.diff(upright_uv[max(0, first - 1) :])
    falls = flank_uv[1:] <= 0
    end = int(np.argmax(falls)) + 1 if falls.any() else len(flank_uv)
    steepest = int(np.argmax(flank_uv[:end]))
    at = max(0, first - 1) + steepest
    slope_uv = flank_uv[steepest]
    if slope_uv <= 0:
        return left
    middle_uv = (upright_uv[at] + upright_uv[at + 1]) / 2
    return float(max(0.0, at + 0.5 - middle_uv / slope_uv))


ONSET_OF = {
    OnsetDefinition.NOISE_THRESHOLD: leave_noise,
    OnsetDefinition.SLOPE_TANGENT: slope_tangent,
}


def _stays(outside: Bools, hold_rows: int) -> Bools:
    """Return, for each row, whether it and the next ``hold_rows - 1`` are outside."""
    n_starts = len(outside) - hold_rows + 1
    if n_starts <= 0:
        return np.zeros(0, dtype=bool)
    counts = np.concatenate([[0], np.cumsum(outside)])
    held: Bools = counts[hold_rows:] - counts[:n_starts] == hold_rows
    return held
