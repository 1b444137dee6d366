"""Simulated EMG at rest: noise, hum, baseline and one loose electrode, by blocks."""

import numpy as np

from m2m_rt.emg import CausalFilter, FilterSettings
from m2m_rt.sim.lab_settings import LabSettings, LabStream, Nastiness, lab_rng
from m2m_rt.units import F32, F64

BLOCK_ROWS = 1000

_LINE_HZ = 50.0


class Background:
    """What the amplifier shows at rest: noise, hum, baseline, one loose electrode."""

    def __init__(self, settings: LabSettings, floor_uv: F64) -> None:
        """Draw the channels' properties.

        Parameters
        ----------
        settings
            Seed, muscles, sampling rate and nastiness.
        floor_uv
            (n_muscles,): median peak to peak at rest in 39 ms after the default filter.
        """
        self._settings = settings
        nasty, n = settings.nastiness, len(settings.muscles)
        rng = lab_rng(settings.seed, LabStream.CHANNELS)
        self._hum_uv = nasty.hum_uv * rng.uniform(0.3, 1.0, n)
        self._noise_uv = noise_for_floor(floor_uv, self._hum_uv, fs_hz=settings.fs_hz)
        self._bad = _index_of(nasty, settings.muscles)
        if self._bad is not None:
            self._hum_uv[self._bad] = nasty.bad_hum_uv
        phase = rng.uniform(0.0, 2.0 * np.pi) + rng.normal(0.0, 0.5, n)
        self._hum = self._hum_uv * np.array((np.cos(phase), np.sin(phase)))  # (2, n)
        self._offset_uv = rng.uniform(-nasty.offset_uv, nasty.offset_uv, n)
        self._wander_uv = nasty.wander_uv * rng.standard_normal((4, n)) / 2.0

    def block(self, index: int) -> F32:
        """Return the `index`-th block of rows (BLOCK_ROWS, n_muscles)."""
        rng = lab_rng(self._settings.seed, LabStream.NOISE, index)
        t_s = (index * BLOCK_ROWS + np.arange(BLOCK_ROWS)) / self._settings.fs_hz
        # The mains' own frequency drifts by some hundredths of a hertz.
        mains = 2.0 * np.pi * _LINE_HZ * t_s + 1.5 * np.sin(2.0 * np.pi * 0.021 * t_s)
        emg_uv = np.column_stack((np.sin(mains), np.cos(mains))) @ self._hum
        slow = np.outer(t_s, 2.0 * np.pi * np.array((0.11, 0.29)))
        emg_uv += np.hstack((np.sin(slow), np.cos(slow))) @ self._wander_uv
        emg_uv += self._offset_uv
        emg_uv += self._noise_uv * rng.standard_normal(emg_uv.shape, dtype=np.float32)
        if self._bad is not None and rng.random() < 0.15:
            emg_uv[:, self._bad] += 150.0 * rng.standard_normal(BLOCK_ROWS)
        rows: F32 = emg_uv.astype(np.float32)
        return rows


def noise_for_floor(floor_uv: F64, hum_uv: F64, *, fs_hz: float) -> F64:
    """Return the sd (n_muscles,) of white noise that gives a floor, with hum, in µV.

    The floor is the median peak to peak in 39 ms after the default filter. Measured on
    ten seconds of noise at several levels and interpolated; where the hum alone is
    more than the floor, the least level.
    """
    levels = np.array((0.05, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0))
    rng = np.random.default_rng(0)
    n_window = round(0.039 * fs_hz)  # muscles have windows of 37 to 40 ms
    n_rows = round(10.0 * fs_hz) // n_window * n_window
    noise = rng.standard_normal(n_rows)
    hum = np.sin(2.0 * np.pi * _LINE_HZ * np.arange(n_rows) / fs_hz)
    causal = CausalFilter(FilterSettings(), fs_hz=fs_hz, n_muscles=2)
    held = np.zeros((causal.delay_rows, 2))
    pair = causal.push(np.vstack((np.column_stack((noise, hum)), held)), [])
    noise, hum = pair.filtered_uv[:n_rows].T.reshape(2, -1, n_window)
    found = np.empty(len(floor_uv))
    for muscle, (floor, one_hum_uv) in enumerate(zip(floor_uv, hum_uv, strict=True)):
        sizes = [
            np.median(np.ptp(level * noise + one_hum_uv * hum, axis=1))
            for level in levels
        ]
        found[muscle] = np.interp(floor, sizes, levels)
    return found


def _index_of(nasty: Nastiness, muscles: tuple[str, ...]) -> int | None:
    """Return the channel of the loose electrode, if it is one of these."""
    return None if nasty.bad_muscle not in muscles else muscles.index(nasty.bad_muscle)
