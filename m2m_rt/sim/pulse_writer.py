"""What a pulse leaves in simulated EMG: trigger, artefact, MEPs, an active muscle."""

import numpy as np
from scipy.signal import butter, sosfilt

from m2m_rt.sim.emg_signal import SignalPatch
from m2m_rt.sim.lab_settings import LabSettings, LabStream, lab_rng
from m2m_rt.sim.waveform import make_artefact, make_mep_shape
from m2m_rt.units import F64

TRIGGER_V = 5.0
TRIGGER_MS = 5.0
EVENT_MS = 100.0
"""From the pulse on: artefact and MEP lie in this."""

BEFORE_MS = 900.0
"""Earliest row before a pulse that the pulse's own rows may touch."""

_LATENCY_JITTER_MS = 0.3


class PulseWriter:
    """Makes what a pulse leaves in the channels: trigger, artefact, MEPs."""

    def __init__(self, settings: LabSettings) -> None:
        """Draw the waveforms of every muscle and channel."""
        self._settings = settings
        rng = lab_rng(settings.seed, LabStream.EVENTS)
        self._meps = [
            make_mep_shape(muscle, fs_hz=settings.fs_hz, rng=rng)
            for muscle in settings.muscles
        ]
        self._artefacts = [
            make_artefact(settings.nastiness.artefact_uv, rng) for _ in settings.muscles
        ]

    def pulse(
        self, number: int, *, edge_row: int, intensity_pct_mso: float, evoked_uv: F64
    ) -> SignalPatch:
        """Return the rows of one pulse from its edge on.

        Parameters
        ----------
        number
            Of the pulse; seeds its latencies.
        edge_row
            Row of the trigger's rising edge: the pulse itself.
        intensity_pct_mso
            The artefact's size follows it.
        evoked_uv
            (n_muscles,): size of the MEPs, peak to peak after the default filter.
        """
        fs_hz = self._settings.fs_hz
        rng = lab_rng(self._settings.seed, LabStream.EVENTS, 2 * number)
        after_ms = np.arange(0.0, EVENT_MS, 1000.0 / fs_hz)
        early_ms = _LATENCY_JITTER_MS * rng.standard_normal(len(self._meps))
        rows = np.zeros((len(after_ms), len(self._meps) + 1))
        for channel, artefact in enumerate(self._artefacts):
            rows[:, channel] = intensity_pct_mso / 100.0 * artefact.at(after_ms)
            mep = self._meps[channel].at(after_ms + early_ms[channel])
            rows[:, channel] += evoked_uv[channel] * mep
        rows[:, -1] = TRIGGER_V * (after_ms < TRIGGER_MS)
        return SignalPatch(edge_row, rows.astype(np.float32))

    def preactivation(
        self, number: int, *, edge_row: int
    ) -> tuple[tuple[str, ...], SignalPatch | None]:
        """Return which muscles are active around a pulse, and their EMG, if any."""
        nasty, muscles = self._settings.nastiness, self._settings.muscles
        rng = lab_rng(self._settings.seed, LabStream.EVENTS, 2 * number + 1)
        if rng.random() >= nasty.preactivation_rate:
            return (), None
        first = rng.integers(len(muscles))
        active = (first + np.arange(rng.integers(1, 4))) % len(muscles)
        before_ms, after_ms = rng.uniform(400.0, BEFORE_MS), rng.uniform(200.0, 500.0)
        fs_hz = self._settings.fs_hz
        before_rows = int(before_ms * fs_hz / 1000.0)
        n_rows = before_rows + int(after_ms * fs_hz / 1000.0)
        ramp = np.clip(np.arange(n_rows) / (0.1 * fs_hz), 0.0, 1.0)  # 100 ms
        rows = np.zeros((n_rows, len(muscles) + 1), np.float32)
        for muscle in np.unique(active):
            rms_uv = nasty.preactivation_uv * 10.0 ** rng.normal(0.0, 0.15)
            noise = _interference(n_rows, fs_hz=fs_hz, rng=rng)
            rows[:, muscle] = rms_uv * noise * np.minimum(ramp, ramp[::-1])
        names = tuple(muscles[muscle] for muscle in sorted(set(active.tolist())))
        return names, SignalPatch(edge_row - before_rows, rows)


def _interference(n_rows: int, *, fs_hz: float, rng: np.random.Generator) -> F64:
    """Return the EMG of a voluntary contraction, RMS about 1: 30…300 Hz noise."""
    sos = butter(2, (30.0, 300.0), "bandpass", fs=fs_hz, output="sos")
    noise = sosfilt(sos, rng.standard_normal(n_rows))
    scaled: F64 = noise / np.sqrt(np.mean(noise**2))
    return scaled
