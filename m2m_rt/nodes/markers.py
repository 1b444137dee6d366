"""Which marker belongs to which pulse: edges say when, markers say which."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from m2m_rt.emg import PulseMeps
from m2m_rt.units import DurationNs, RigNs, duration_ns

EARLY_NS = duration_ns(ms=5.0)
"""A marker may be stamped this much before its edge: clocks are not perfect."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A pulse as the lab's software announced it."""

    t_ns: RigNs
    pulse: int
    intensity_pct_mso: float | None


@dataclass(frozen=True, slots=True)
class PairedMep:
    """A measured pulse with its marker, or without one if none came in time."""

    pulse_id: int
    t_ns: RigNs
    meps: PulseMeps
    marker: Marker | None


@dataclass(frozen=True, slots=True)
class _Pulse:
    pulse_id: int
    row: int
    t_ns: RigNs
    meps: PulseMeps | None = None
    marker: Marker | None = None


class MarkerPairing:
    """Holds pulses until they are measured and their marker is here or overdue."""

    def __init__(self, wait_ns: DurationNs) -> None:
        """Wait so long after an edge for its marker; 0: never."""
        self._wait_ns = wait_ns
        self._pulses: list[_Pulse] = []
        self._markers: list[Marker] = []
        self._announced_due_ns: int | None = None

    def pulse(self, pulse_id: int, *, row: int, t_ns: RigNs) -> None:
        """Take an edge."""
        self._pulses.append(_Pulse(pulse_id, row, t_ns))
        self._match()

    def measured(self, row: int, meps: PulseMeps) -> Sequence[PairedMep]:
        """Take the MEPs of the edge at a row; return what is complete."""
        self._pulses = [
            replace(pulse, meps=meps) if pulse.row == row else pulse
            for pulse in self._pulses
        ]
        return self._complete()

    def marker(self, marker: Marker) -> Sequence[PairedMep]:
        """Take a marker, which may come before its edge; return what is complete."""
        self._markers.append(marker)
        self._match()
        return self._complete()

    def expire(self, now_ns: RigNs) -> Sequence[PairedMep | Marker]:
        """Return pulses whose marker and markers whose edge did not come in time."""
        done = [p for p in self._pulses if p.meps and now_ns >= self._due_ns(p)]
        self._pulses = [pulse for pulse in self._pulses if pulse not in done]
        # Twice the wait: the edge of an early marker may still be in the amplifier.
        oldest_ns = now_ns - 2 * self._wait_ns
        lone = [marker for marker in self._markers if marker.t_ns <= oldest_ns]
        self._markers = [marker for marker in self._markers if marker not in lone]
        return (*(_paired(pulse) for pulse in done), *lone)

    def give_up(self) -> Sequence[PairedMep | Marker]:
        """Return all that still waits, at the end of the session."""
        ready = tuple(_paired(pulse) for pulse in self._pulses if pulse.meps)
        lone = tuple(self._markers)
        self._pulses, self._markers = [], []
        return (*ready, *lone)

    def newly_due_ns(self) -> int | None:
        """Return when to call `expire` next, if that has changed."""
        due = [self._due_ns(pulse) for pulse in self._pulses if pulse.meps]
        due += [marker.t_ns + 2 * self._wait_ns for marker in self._markers]
        due_ns = min(due, default=None)
        if due_ns == self._announced_due_ns:
            return None
        self._announced_due_ns = due_ns
        return due_ns

    def _due_ns(self, pulse: _Pulse) -> int:
        return pulse.t_ns + self._wait_ns

    def _match(self) -> None:
        """Give each marker to the newest edge before it that has none."""
        for marker in tuple(self._markers):
            fitting = [pulse for pulse in self._pulses if self._fits(pulse, marker)]
            if fitting:
                chosen = fitting[-1]
                at = self._pulses.index(chosen)
                self._pulses[at] = replace(chosen, marker=marker)
                self._markers.remove(marker)

    def _fits(self, pulse: _Pulse, marker: Marker) -> bool:
        delay_ns = marker.t_ns - pulse.t_ns
        return pulse.marker is None and -EARLY_NS <= delay_ns <= self._wait_ns

    def _complete(self) -> Sequence[PairedMep]:
        done = [
            pulse
            for pulse in self._pulses
            if pulse.meps and (pulse.marker or self._wait_ns == 0)
        ]
        self._pulses = [pulse for pulse in self._pulses if pulse not in done]
        return tuple(_paired(pulse) for pulse in done)


def _paired(pulse: _Pulse) -> PairedMep:
    if pulse.meps is None:
        msg = f"pulse {pulse.pulse_id} is not measured yet"
        raise ValueError(msg)
    return PairedMep(pulse.pulse_id, pulse.t_ns, pulse.meps, pulse.marker)
