"""The live inbox: waits on sources and timers, stamps each input once, in order."""

from collections import deque
from collections.abc import Callable, Sequence

from m2m_rt.messages import Message
from m2m_rt.ports import Arrival, Clock, Received, Source
from m2m_rt.runtime import Timers
from m2m_rt.units import NS_PER_S

IDLE_WAIT_S = 0.05
"""Longest wait: so often the heartbeat and the end of the session are looked at."""

SHARED_WAIT_S = 0.002
"""Longest wait on the first source when others have to be looked at in between."""


class LiveInbox:
    """Inputs of one daemon in the order in which it took them in.

    liblsl gives no file descriptor to wait on, so where there is more than one source
    the first, the one that must not wait, is waited on and the others are polled.
    """

    def __init__(
        self,
        clock: Clock,
        sources: Sequence[Source],
        timers: Timers,
        keep: Callable[[Message | Received], bool],
        each_round: Callable[[], bool],
    ) -> None:
        """Listen to sources.

        Parameters
        ----------
        clock
            Stamps each input.
        sources
            The first one is waited on.
        timers
            Whose ticks are inputs too.
        keep
            Whether an input is for the node; what it refuses is not handed on.
        each_round
            Called at least every 50 ms; False ends the inbox.
        """
        self._clock = clock
        self._sources = tuple(sources)
        self._timers = timers
        self._keep = keep
        self._each_round = each_round
        self._waiting: deque[Message | Received] = deque()

    def inject(self, message: Message) -> None:
        """Add an input that this process made itself."""
        self._waiting.append(message)

    def receive(self) -> Arrival | None:
        """Wait for the next input; None when the session is over."""
        while True:
            tick = self._timers.pop_due(self._clock.now_ns())
            if tick is not None:
                return Arrival(self._clock.now_ns(), tick)
            if self._waiting:
                return self._stamp(self._waiting.popleft())
            if not self._each_round():
                return None
            self._take_in()

    def _take_in(self) -> None:
        wait_s = self._wait_s()
        for source in self._sources:
            got = source.poll(wait_s)
            self._waiting.extend(one for one in got if self._keep(one))
            wait_s = 0.0

    def _wait_s(self) -> float:
        longest_s = IDLE_WAIT_S if len(self._sources) == 1 else SHARED_WAIT_S
        due_ns = self._timers.next_due_ns()
        if due_ns is None:
            return longest_s
        return min(longest_s, max(0.0, (due_ns - self._clock.now_ns()) / NS_PER_S))

    def _stamp(self, got: Message | Received) -> Arrival:
        now_ns = self._clock.now_ns()
        if isinstance(got, Received):
            return Arrival(now_ns, got.message, got.frame, got.origin)
        return Arrival(now_ns, got)
