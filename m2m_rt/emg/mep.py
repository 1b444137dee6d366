"""The MEP of every muscle in one epoch: amplitude, latency, background, validity."""

import math
from dataclasses import dataclass

import numpy as np

from m2m_rt.emg.background import Background, HumModel
from m2m_rt.emg.epochs import Epoch
from m2m_rt.emg.onset import ONSET_OF
from m2m_rt.emg.quality import QualityReason, WindowExtremes, find_reasons
from m2m_rt.emg.settings import EmgSettings
from m2m_rt.emg.windows import EpochRows, lay_out
from m2m_rt.units import F64, Bools


@dataclass(frozen=True, slots=True)
class PulseMeps:
    """What every muscle answered to one pulse, in the settings' order of muscles."""

    edge_row: int
    """Row of the trigger edge since the stream's start."""

    amplitude_uv: tuple[float | None, ...]
    """Peak to peak in the window of the filtered EMG; None if it is not finite."""

    latency_ms: tuple[float | None, ...]
    """From the edge's row to the onset; None where there is no MEP."""

    background_rms_uv: tuple[float | None, ...]
    """Before the pulse, about the mean, hum included; None if it is not finite."""

    hum_rms_uv: tuple[float | None, ...]
    """The part of the background at the mains frequency."""

    is_present: tuple[bool, ...]
    """Whether there is an MEP."""

    valid: tuple[bool, ...]
    """Whether the amplitude may be learnt from."""

    reasons: tuple[QualityReason | None, ...]
    """Why not; None where valid."""


class MepMeter:
    """Measures epochs of one recording; costs well under a millisecond each."""

    def __init__(self, settings: EmgSettings, fs_hz: float) -> None:
        """Lay out the epochs of a recording at ``fs_hz``."""
        self._mep = settings.mep
        self.rows: EpochRows = lay_out(settings, fs_hz)
        self._hum = HumModel(
            first=self.rows.background.start,
            stop=self.rows.background.stop,
            n_rows=self.rows.n_rows,
            cycles=settings.mep.line_hz / fs_hz,
        )
        self._first_in_window = self.rows.windows.argmax(axis=0)

    def measure(self, epoch: Epoch) -> PulseMeps:
        """Return what the muscles answered; the epoch is laid out as ``rows`` says."""
        # Errors stay in their own column and come out as None, never as a number.
        with np.errstate(invalid="ignore"):
            return self._measure(epoch)

    def _measure(self, epoch: Epoch) -> PulseMeps:
        clean_uv, background = self._hum.split(epoch.filtered_uv)
        extremes = self._extremes(clean_uv)
        is_present = self._is_present(extremes.p2p_uv, background)
        reasons = find_reasons(
            self._mep,
            epoch,
            rows=self.rows,
            background=background,
            extremes=extremes,
        )
        return PulseMeps(
            edge_row=epoch.edge_row,
            amplitude_uv=_numbers(self.rows.peak_to_peak(epoch.filtered_uv)),
            latency_ms=self._latencies_ms(clean_uv, background, is_present),
            background_rms_uv=_numbers(background.rms_uv),
            hum_rms_uv=_numbers(background.hum_rms_uv),
            is_present=tuple(is_present.tolist()),
            valid=tuple(reason is None for reason in reasons),
            reasons=reasons,
        )

    def _extremes(self, clean_uv: F64) -> WindowExtremes:
        top_uv, bottom_uv = self.rows.largest(clean_uv), -self.rows.largest(-clean_uv)
        columns = np.arange(clean_uv.shape[1])
        first_uv = clean_uv[self._first_in_window, columns]
        is_first = (first_uv == top_uv) | (first_uv == bottom_uv)
        return WindowExtremes(top_uv - bottom_uv, is_first)

    def _is_present(self, p2p_uv: F64, background: Background) -> Bools:
        noise_uv = np.maximum(background.noise_rms_uv, self._mep.least_noise_uv)
        is_large = p2p_uv >= self._mep.present_uv
        is_above: Bools = p2p_uv >= self._mep.present_noise_factor * noise_uv
        return is_large & is_above

    def _latencies_ms(
        self, clean_uv: F64, background: Background, is_present: Bools
    ) -> tuple[float | None, ...]:
        noise_uv = np.maximum(background.noise_rms_uv, self._mep.least_noise_uv)
        band_uv = self._mep.onset_noise_factor * noise_uv
        return tuple(
            self._latency_ms(clean_uv[:, muscle], muscle, float(band_uv[muscle]))
            if present
            else None
            for muscle, present in enumerate(is_present)
        )

    def _latency_ms(self, wave_uv: F64, muscle: int, band_uv: float) -> float | None:
        window_uv = wave_uv[self.rows.windows[:, muscle]]
        hold_rows = self.rows.rows_in(self._mep.onset_hold_ms)
        onset = ONSET_OF[self._mep.onset]
        at = onset(window_uv, band_uv=band_uv, hold_rows=hold_rows)
        if at is None or not math.isfinite(at):  # an infinite sample: no crossing
            return None
        rows = self._first_in_window[muscle] - self.rows.before_rows + at
        return float(rows * 1000 / self.rows.fs_hz)


def _numbers(values: F64) -> tuple[float | None, ...]:
    return tuple(value if math.isfinite(value) else None for value in values.tolist())
