"""Which marker belongs to which pulse: edges say when, markers say which."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from m2m_rt.emg import PulseMeps
from m2m_rt.units import DurationNs, RigNs, duration_ns

EARLY_NS = duration_ns(ms=5.0)
"""A marker may be stamped this much before its edge: clocks are not perfect."""

MAX_WAITING = 64
"""Markers that may wait for the EMG to come as far as they are."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A pulse as the lab's software announced it."""

    t_ns: RigNs
    pulse: int
    intensity_pct_mso: float | None


@dataclass(frozen=True, slots=True)
class PairedMep:
    """A pulse with its MEPs and its marker."""

    pulse_id: int
    t_ns: RigNs
    meps: PulseMeps | None
    """None when the EMG ended before they could be measured."""

    marker: Marker | None
    """None when none came in time."""


@dataclass(slots=True)
class _Pulse:
    pulse_id: int
    row: int
    t_ns: RigNs
    due_ns: int
    meps: PulseMeps | None = None
    marker: Marker | None = None


class MarkerPairing:
    """Holds pulses until they are measured and their marker is here or overdue.

    Each marker is judged once, when every edge that could be its own is known, and
    goes to the newest of them that has none: so it does not matter how the EMG was
    cut. Pulses leave in the order in which they were given.
    """

    def __init__(self, wait_ns: DurationNs) -> None:
        """Wait so long after an edge for its marker; 0: never."""
        self._wait_ns = wait_ns
        self._pulses: list[_Pulse] = []
        self._markers: list[Marker] = []
        self._known_ns: int | None = None
        self._announced_due_ns: int | None = None

    def pulse(self, pulse_id: int, *, row: int, t_ns: RigNs, seen_ns: RigNs) -> None:
        """Take an edge, and when it was seen: its marker may be as late as the EMG."""
        due_ns = max(t_ns, seen_ns) + self._wait_ns
        self._pulses.append(_Pulse(pulse_id, row, t_ns, due_ns))

    def measured(self, row: int, meps: PulseMeps) -> None:
        """Take the MEPs of the edge at a row."""
        for pulse in self._pulses:
            if pulse.row == row:
                pulse.meps = meps

    def edges_known_until(self, t_ns: int) -> None:
        """Take the news that every edge up to an instant has been given."""
        self._known_ns = t_ns

    def marker(self, marker: Marker) -> None:
        """Take a marker, which may come before its edge."""
        self._markers.append(marker)

    def take_ready(self, now_ns: RigNs) -> Sequence[PairedMep | Marker]:
        """Return the pulses that are complete or overdue, and markers without edge."""
        known = [one for one in self._markers if self._is_due(one)]
        self._markers = [one for one in self._markers if not self._is_due(one)]
        lone = [one for one in known if not self._give(one)]
        n_over = max(0, len(self._markers) - MAX_WAITING)
        lone += self._markers[:n_over]
        self._markers = self._markers[n_over:]
        ready = [*takewhile(lambda one: self._is_ready(one, now_ns), self._pulses)]
        self._pulses = self._pulses[len(ready) :]
        return (*map(_paired, ready), *lone)

    def give_up(self) -> Sequence[PairedMep | Marker]:
        """Return all that still waits, at the end of the session."""
        lone = [one for one in self._markers if not self._give(one)]
        left, self._pulses, self._markers = self._pulses, [], []
        return (*map(_paired, left), *lone)

    def newly_due_ns(self) -> int | None:
        """Return when to call `take_ready` at the latest, if that has changed."""
        waiting = [one for one in self._pulses if one.meps and one.marker is None]
        due_ns = min((one.due_ns for one in waiting), default=None)
        if due_ns == self._announced_due_ns:
            return None
        self._announced_due_ns = due_ns
        return due_ns

    def _is_ready(self, pulse: _Pulse, now_ns: RigNs) -> bool:
        if pulse.meps is None or pulse.marker is not None:
            return pulse.meps is not None
        is_wanted = any(self._fits(pulse, marker) for marker in self._markers)
        return now_ns >= pulse.due_ns and not is_wanted

    def _is_due(self, marker: Marker) -> bool:
        return self._known_ns is not None and marker.t_ns + EARLY_NS <= self._known_ns

    def _give(self, marker: Marker) -> bool:
        """Give a marker to its pulse; return whether there is one."""
        for pulse in reversed(self._pulses):
            if self._fits(pulse, marker):
                pulse.marker = marker
                return True
        return False

    def _fits(self, pulse: _Pulse, marker: Marker) -> bool:
        delay_ns = marker.t_ns - pulse.t_ns
        return pulse.marker is None and -EARLY_NS <= delay_ns <= self._wait_ns


def _paired(pulse: _Pulse) -> PairedMep:
    return PairedMep(pulse.pulse_id, pulse.t_ns, pulse.meps, pulse.marker)
