"""The shapes in simulated EMG: motor evoked potentials and the stimulation artefact."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.emg import CausalFilter, FilterSettings
from m2m_rt.units import F64

_ONSET_AND_LENGTH_MS = {
    "hand": (21.5, 20.0),
    "forearm": (16.5, 18.0),
    "upper arm": (12.0, 17.0),
}
"""Adult onsets: hand 18…28 ms, forearm and biceps 13…22 ms."""

_GROUP_OF_MUSCLE = {
    "FDI": "hand",
    "APB": "hand",
    "ADM": "hand",
    "BIC": "upper arm",
    "TRI": "upper arm",
    "DEL": "upper arm",
}


@dataclass(frozen=True, slots=True)
class MepShape:
    """The response of one muscle: two or three phases under one smooth hump."""

    onset_ms: float
    """From the pulse."""

    length_ms: float
    """From onset to the end, after which it is zero."""

    n_cycles: float
    """Number of periods in the hump: 1 is biphasic, 1.5 triphasic."""

    phase: float
    """Phase of the first period at the onset, radians."""

    gain: float = 1.0
    """Scale at which the shape spans 1 from peak to peak after the default filter."""

    def at(self, after_pulse_ms: F64) -> F64:
        """Return the shape at these times after the pulse."""
        u = np.clip((after_pulse_ms - self.onset_ms) / self.length_ms, 0.0, 1.0)
        return self.gain * self._hump(u) * (self._wave(u) - self._mean_wave())

    def _hump(self, u: F64) -> F64:
        # The first phase is the shortest: motor units desynchronise.
        hump: F64 = np.sin(np.pi * u**0.8) ** 2
        return hump

    def _wave(self, u: F64) -> F64:
        wave: F64 = np.sin(2.0 * np.pi * self.n_cycles * u**0.9 + self.phase)
        return wave

    def _mean_wave(self) -> float:
        """Return what to take off the wave so that the shape has no area.

        A high-pass filter then takes little from it, as from the bipolar recording of
        a travelling action potential.
        """
        u = np.linspace(0.0, 1.0, 501)
        return float((self._hump(u) * self._wave(u)).sum() / self._hump(u).sum())


def make_mep_shape(muscle: str, *, fs_hz: float, rng: np.random.Generator) -> MepShape:
    """Draw the shape of a muscle (short name), of size 1 after the default filter.

    A muscle without an entry of its own answers as one of the forearm.
    """
    onset_ms, length_ms = _ONSET_AND_LENGTH_MS[_GROUP_OF_MUSCLE.get(muscle, "forearm")]
    drawn = MepShape(
        onset_ms=onset_ms + rng.uniform(-0.7, 0.7),
        length_ms=length_ms * rng.uniform(0.92, 1.08),
        n_cycles=rng.uniform(1.3, 1.6),
        phase=rng.uniform(-0.3, 0.3),
    )
    return MepShape(
        drawn.onset_ms,
        drawn.length_ms,
        drawn.n_cycles,
        drawn.phase,
        gain=1.0 / filtered_peak_to_peak(drawn, fs_hz=fs_hz),
    )


def filtered_peak_to_peak(shape: MepShape, *, fs_hz: float) -> float:
    """Return the size of a shape after the default causal filter."""
    after_pulse_ms = np.arange(0.0, 150.0, 1000.0 / fs_hz)
    rows = shape.at(after_pulse_ms)[:, np.newaxis]  # (n_rows, 1)
    causal = CausalFilter(FilterSettings(), fs_hz=fs_hz, n_muscles=1)
    behind = np.zeros((causal.delay_rows, 1))  # the filter holds back the last rows
    filtered = causal.push(np.vstack([rows, behind]), []).filtered_uv
    return float(np.ptp(filtered))


@dataclass(frozen=True, slots=True)
class ArtefactShape:
    """What the pulse itself leaves in one channel: millivolts that die away in 5 ms."""

    fast_uv: float
    """Size of the part that follows the pulse's own ringing."""

    slow_uv: float
    """Size of the electrode's recharging after it."""

    decay_ms: float
    """Time constant of the slow part."""

    def at(self, after_pulse_ms: F64) -> F64:
        """Return the artefact in µV at these times after the pulse."""
        t_ms = np.maximum(after_pulse_ms, 0.0)
        ringing = np.cos(2.0 * np.pi * t_ms / 0.9) * np.exp(-t_ms / 0.4)
        recharging = np.exp(-t_ms / self.decay_ms)
        shape_uv = self.fast_uv * ringing + self.slow_uv * recharging
        return np.where(after_pulse_ms >= 0.0, shape_uv, 0.0)


def make_artefact(largest_uv: float, rng: np.random.Generator) -> ArtefactShape:
    """Draw the artefact of one channel at full output, at most `largest_uv` high."""
    sign = rng.choice((-1.0, 1.0))
    size_uv = largest_uv * rng.uniform(0.4, 1.0)
    slow_part = rng.uniform(0.1, 0.35)
    return ArtefactShape(
        fast_uv=sign * size_uv * (1.0 - slow_part),
        slow_uv=sign * size_uv * slow_part,
        decay_ms=rng.uniform(0.5, 0.75),
    )
