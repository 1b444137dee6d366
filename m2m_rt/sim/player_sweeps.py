"""Stored MEP sweeps as the continuous recording that a lab would have made."""

import json
from dataclasses import dataclass

import numpy as np

from m2m_rt.adapters.recording import (
    Description,
    RecordedStream,
    Recording,
    channel_description,
)
from m2m_rt.errors import ConfigError
from m2m_rt.units import F32, F64

TRIGGER_V = 5.0
TRIGGER_MS = 5.0
MARKER_DELAY_MS = 30.0
"""A software marker is late; labs see 10 to 60 ms."""

STATE_EVERY_S = 1.0
"""The stimulator repeats its intensity at least so often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepsToPlay:
    """Sweeps of one muscle, each with one pulse at the same place."""

    samples_uv: F64
    """(n_sweeps, n_samples), in the order in which they are played."""

    intensity_pct_mso: F64
    """(n_sweeps,)."""

    fs_hz: float
    muscle: str
    trigger_s: float
    """From a sweep's first sample to its pulse."""

    def __post_init__(self) -> None:
        """Refuse sweeps that do not hold together."""
        n_sweeps, n_samples = self.samples_uv.shape
        if self.intensity_pct_mso.shape != (n_sweeps,):
            found = f"{self.intensity_pct_mso.size} for {n_sweeps} sweeps"
            raise ConfigError("intensities", found, "one a sweep")
        length_s = n_samples / self.fs_hz
        if not 0.0 <= self.trigger_s <= length_s - TRIGGER_MS / 1000.0:
            expected = f"0 to {length_s - TRIGGER_MS / 1000.0:g} s"
            raise ConfigError("trigger-s", f"{self.trigger_s:g} s", expected)

    @property
    def sweep_s(self) -> float:
        """Length of one sweep."""
        return float(self.samples_uv.shape[1] / self.fs_hz)


def sweeps_recording(sweeps: SweepsToPlay) -> Recording:
    """Return EMG with a trigger channel, stimulator state and markers.

    The sweeps follow each other without a pause; what was stored is sent unchanged, as
    float32.
    """
    return Recording((_emg(sweeps), _stimulator(sweeps), _markers(sweeps)))


def continuous_emg(sweeps: SweepsToPlay) -> F32:
    """Return (n_rows, 2): the sweeps one after another, and the trigger in volts."""
    n_sweeps, n_samples = sweeps.samples_uv.shape
    first = round(sweeps.trigger_s * sweeps.fs_hz)
    high_rows = round(TRIGGER_MS / 1000.0 * sweeps.fs_hz)
    trigger = np.zeros(n_samples)
    trigger[first : first + high_rows] = TRIGGER_V
    rows = np.stack((sweeps.samples_uv.ravel(), np.tile(trigger, n_sweeps)), axis=1)
    return rows.astype(np.float32)


def _emg(sweeps: SweepsToPlay) -> RecordedStream:
    samples = continuous_emg(sweeps)
    return RecordedStream(
        name="m2m_play_emg",
        type="EMG",
        source_id="m2m_play_emg",
        fs_hz=sweeps.fs_hz,
        n_channels=2,
        channel_format="float32",
        stamps_s=np.arange(len(samples)) / sweeps.fs_hz,
        samples=samples,
        desc=channel_description(
            (sweeps.muscle, "microvolts", "EMG"), ("TRIG", "V", "TRIG")
        ),
    )


def _stimulator(sweeps: SweepsToPlay) -> RecordedStream:
    """Return the intensity: set at the start of its sweep, repeated every second."""
    starts_s = np.arange(len(sweeps.samples_uv)) * sweeps.sweep_s
    repeats_s = np.arange(0.0, sweeps.sweep_s, STATE_EVERY_S)
    stamps_s = (starts_s[:, np.newaxis] + repeats_s).ravel()
    states = np.repeat(sweeps.intensity_pct_mso, len(repeats_s))
    desc: Description = channel_description(
        ("intensity", "percent_mso", "Stimulator"),
    )
    return RecordedStream(
        name="m2m_play_stimulator",
        type="StimulatorState",
        source_id="m2m_play_stimulator",
        fs_hz=0.0,
        n_channels=1,
        channel_format="float32",
        stamps_s=stamps_s,
        samples=states[:, np.newaxis].astype(np.float32),
        desc=desc,
    )


def _markers(sweeps: SweepsToPlay) -> RecordedStream:
    pulses_s = np.arange(len(sweeps.samples_uv)) * sweeps.sweep_s + sweeps.trigger_s
    texts = [
        [json.dumps({"pulse": pulse, "intensity_pct_mso": float(intensity)})]
        for pulse, intensity in enumerate(sweeps.intensity_pct_mso)
    ]
    return RecordedStream(
        name="m2m_play_markers",
        type="Markers",
        source_id="m2m_play_markers",
        fs_hz=0.0,
        n_channels=1,
        channel_format="string",
        stamps_s=np.asarray(pulses_s + MARKER_DELAY_MS / 1000.0, dtype=np.float64),
        samples=texts,
    )
