"""How far senders' clocks are from the rig's, and whether that has stepped."""

from collections.abc import Iterable
from enum import Enum

from m2m_rt.messages import ClockOffset, Link, LinkChanged
from m2m_rt.units import LARGEST_STAMP_S


class OffsetChange(Enum):
    """What a measured offset means."""

    NOT_APPLIED = "of another stream, or no offset that can be"
    NEW_CLOCK = "the first one of a link"
    TRACKED = "the first, or within the jitter and drift between measurements"
    STEP = "more than that: a clock was set"


class ClockOffsets:
    """The offsets in use: rig time = a sender's stamp + its stream's offset."""

    def __init__(self, streams: Iterable[str], *, max_step_ms: float) -> None:
        """Start without any; a larger change than `max_step_ms` is a step."""
        self._max_step_s = max_step_ms / 1000
        self._offset_s = dict.fromkeys(streams, 0.0)
        self._measured: set[str] = set()
        self._opened: set[str] = set()  # and not yet measured

    def of(self, stream: str) -> float:
        """Return a stream's offset in seconds; 0 before it is known."""
        return self._offset_s[stream]

    def link(self, change: LinkChanged) -> None:
        """Take what became of a link: a new sender has a clock of its own."""
        if change.link is Link.OPENED:
            self._opened.add(change.stream)

    def take(self, offset: ClockOffset) -> OffsetChange:
        """Use a measured offset from now on; say what kind of change it is."""
        stream, new_s = offset.stream, offset.offset_s
        if stream not in self._offset_s or not abs(new_s) <= LARGEST_STAMP_S:
            return OffsetChange.NOT_APPLIED
        change = self._judge(stream, new_s)
        self._opened.discard(stream)
        self._measured.add(stream)
        self._offset_s[stream] = new_s
        return change

    def _judge(self, stream: str, new_s: float) -> OffsetChange:
        if stream in self._opened:
            return OffsetChange.NEW_CLOCK
        step_s = abs(new_s - self._offset_s[stream])
        is_step = stream in self._measured and step_s > self._max_step_s
        return OffsetChange.STEP if is_step else OffsetChange.TRACKED
