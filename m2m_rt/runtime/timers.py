"""Timers: a node asks with `SetTimer` and later gets a `Tick`."""

import heapq

from m2m_rt.messages import SetTimer, Tick
from m2m_rt.units import RigNs


class Timers:
    """Pending timers in the order in which they come due; one for each name."""

    def __init__(self) -> None:
        """Start with none."""
        self._due_ns: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def set(self, timer: SetTimer) -> None:
        """Add a timer, replacing the one of the same name."""
        self._due_ns[timer.name] = timer.due_ns
        heapq.heappush(self._heap, (timer.due_ns, timer.name))

    def next_due_ns(self) -> int | None:
        """Return when the next timer comes due."""
        self._drop_replaced()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_ns: RigNs) -> Tick | None:
        """Return the next tick that is due by now, once."""
        due_ns = self.next_due_ns()
        if due_ns is None or due_ns > now_ns:
            return None
        _, name = heapq.heappop(self._heap)
        del self._due_ns[name]
        return Tick(t_ns=RigNs(due_ns), name=name)

    def _drop_replaced(self) -> None:
        while self._heap and self._due_ns.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
