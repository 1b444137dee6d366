"""The EMG before the pulse, split into mains hum and the rest."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.units import F64

_LEAST_PERIODS = 4.0
"""A shorter background cannot tell hum from slow movement of the baseline."""


@dataclass(frozen=True, slots=True)
class Background:
    """What the EMG of each muscle was before the pulse; all shape (n_muscles,)."""

    rms_uv: F64
    """About the mean, hum included: what is usually reported."""

    hum_rms_uv: F64
    """Of the mains frequency, where most of the power is there; else 0.

    A contraction has power at 50 Hz too, but never most of it.
    """

    noise_rms_uv: F64
    """Of what is left: the muscle's activity and the amplifier's noise."""


class HumModel:
    """Fits offset and mains hum to the background and continues them after it.

    Least squares on 1, cos, sin of the mains frequency. Mains keep 0.1 Hz, so over the
    60 ms to the window's end the continued hum is right to 4 %. Hum is taken out only
    where it is most of the background: continuing what a fit makes of noise would add
    more than it takes away.
    """

    def __init__(self, *, first: int, stop: int, n_rows: int, cycles: float) -> None:
        """Fit to rows ``first`` to ``stop`` of epochs of ``n_rows`` rows.

        ``cycles`` is the mains' number of periods a row.
        """
        self._span = slice(first, stop)
        phase = 2 * np.pi * cycles * np.arange(n_rows)
        waves = [np.ones(n_rows)]
        if (stop - first) * cycles >= _LEAST_PERIODS:
            waves += [np.cos(phase), np.sin(phase)]
        self._waves = np.stack(waves)  # (n_waves, n_rows)
        self._fit = np.linalg.pinv(self._waves[:, self._span]).T  # (n_waves, n_bg)

    def split(self, epoch_uv: F64) -> tuple[F64, Background]:
        """Return the epoch without offset and hum, and what the background was.

        Parameters
        ----------
        epoch_uv
            Shape (n_rows, n_muscles).
        """
        before_uv = epoch_uv[self._span]
        # einsum, not BLAS: the same sums in the same order on every call.
        size_uv = np.einsum("wr,rm->wm", self._fit, before_uv)
        hum_rms_uv = np.sqrt((size_uv[1:] ** 2).sum(axis=0) / 2)
        rms_uv = before_uv.std(axis=0)
        is_hum = hum_rms_uv**2 > rms_uv**2 / 2
        size_uv[1:, ~is_hum] = 0.0
        size_uv[0, ~is_hum] = before_uv.mean(axis=0)[~is_hum]
        clean_uv = epoch_uv - np.einsum("wr,wm->rm", self._waves, size_uv)
        background = Background(
            rms_uv=rms_uv,
            hum_rms_uv=np.where(is_hum, hum_rms_uv, 0.0),
            noise_rms_uv=np.sqrt((clean_uv[self._span] ** 2).mean(axis=0)),
        )
        return clean_uv, background
