"""Says when a stream has gone quiet: after a sender dies, LSL is silent for ever."""

from collections.abc import Iterable

from m2m_rt.messages import StreamGap
from m2m_rt.units import DurationNs, RigNs, to_ms


class Watchdog:
    """Watches one stream's stamp age and arrival gap; speaks once at each change."""

    def __init__(self, stream: str, limit_ns: DurationNs) -> None:
        """Call a stream stale when its newest stamp or arrival is older than this."""
        self._stream = stream
        self._limit_ns = limit_ns
        self._arrived_ns: RigNs | None = None
        self.is_stale = False

    def fed(self, now_ns: RigNs, stamp_ns: RigNs) -> Iterable[StreamGap]:
        """Take an arrival; backlog after a stall counts as stale by its stamps.

        So does a stamp as far ahead: a clock that jumped says nothing of an age.
        """
        self._arrived_ns = now_ns
        return self._judge(now_ns, now_ns - stamp_ns)

    def looked_at(self, now_ns: RigNs) -> Iterable[StreamGap]:
        """Look whether too long has passed since the last arrival or the first look."""
        if self._arrived_ns is None:
            self._arrived_ns = now_ns
        quiet_ns = now_ns - self._arrived_ns
        return self._judge(now_ns, quiet_ns) if quiet_ns > self._limit_ns else ()

    def _judge(self, now_ns: RigNs, age_ns: int) -> Iterable[StreamGap]:
        was_stale, self.is_stale = self.is_stale, abs(age_ns) > self._limit_ns
        if self.is_stale and not was_stale:
            side = "old" if age_ns > 0 else "ahead"
            return (self._gap(now_ns, f"stale: {to_ms(abs(age_ns)):.0f} ms {side}"),)
        if was_stale and not self.is_stale:
            return (self._gap(now_ns, "fresh again"),)
        return ()

    def _gap(self, now_ns: RigNs, reason: str) -> StreamGap:
        return StreamGap(t_ns=now_ns, stream=self._stream, n_lost=0, reason=reason)
