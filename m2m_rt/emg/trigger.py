"""Where the trigger channel rises: the row of every pulse, however it is cut."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from m2m_rt.emg.settings import TriggerSettings
from m2m_rt.units import F64, Bools

_SEARCH_ROWS = 4096
"""Rows searched at once, so that a whole file as one chunk is not searched per edge."""


class TriggerDetector:
    """Finds rising edges; a row is judged once the rows that decide it are there.

    Non-finite samples count as the last finite one. A channel that is high at the
    start gives no edge.
    """

    def __init__(self, settings: TriggerSettings, fs_hz: float) -> None:
        """Make a detector for a channel of ``fs_hz`` rows a second."""
        self._settings = settings
        rise_rows = max(1, round(settings.rise_ms * fs_hz / 1000))
        self._rise_rows = rise_rows if settings.level is None else 1
        self._refractory_rows = max(1, round(settings.refractory_ms * fs_hz / 1000))
        # Rows that are context or not judged yet. Before the stream's start lies no
        # value that a first row could rise from.
        self._pending = np.full(self._rise_rows, np.inf)
        self._pending_row = -self._rise_rows
        self._next_row = 0  # the first one not judged
        self._release: float | None = None  # set while the channel is high
        self._last_edge_row = -self._refractory_rows
        self._is_started = False

    @property
    def delay_rows(self) -> int:
        """How many rows after an edge it is known at the latest."""
        return self._rise_rows - 1

    def push(self, trigger: F64) -> list[int]:
        """Take the next rows; return the rows of the edges that are now certain.

        Parameters
        ----------
        trigger
            Shape (n_rows,), the trigger channel in its own unit.

        Returns
        -------
            Rows since the stream's start, ascending; possibly of earlier chunks.
        """
        self._append(np.asarray(trigger, dtype=np.float64))
        end_row = self._pending_row + len(self._pending) - self.delay_rows
        edges: list[int] = []
        while self._next_row < end_row:
            row = self._next_event_row(min(end_row, self._next_row + _SEARCH_ROWS))
            edge_row = None if row is None else self._judge(row)
            if edge_row is not None:
                edges.append(edge_row)
        self._drop_old()
        return edges

    def _append(self, trigger: F64) -> None:
        if not len(trigger):
            return
        if not self._is_started:
            self._start(trigger[0])
        before = self._pending[-1] if np.isfinite(self._pending[-1]) else 0.0
        finite = _hold_non_finite(trigger, before)
        self._pending = np.concatenate([self._pending, finite])

    def _start(self, first: float) -> None:
        self._is_started = True
        level = self._settings.level
        if level is not None and first >= level:
            self._release = level - self._settings.least_height / 2

    def _next_event_row(self, end_row: int) -> int | None:
        """Return the next row before ``end_row`` that rises or, while high, falls."""
        first = self._next_row - self._pending_row
        stop = end_row - self._pending_row
        if self._release is not None:
            hits = self._pending[first:stop] < self._release
        else:
            hits = self._rises(first, stop)
        if not hits.any():
            self._next_row = end_row
            return None
        row = self._next_row + int(np.argmax(hits))
        self._next_row = row + 1
        return row

    def _rises(self, first: int, stop: int) -> Bools:
        rows = self._pending[first:stop]
        if self._settings.level is not None:
            return rows >= self._settings.level
        return rows - self._base(first, stop) >= self._settings.least_height

    def _base(self, first: int, stop: int) -> F64:
        """Return, for each row, the least value of the rise time before it."""
        before = self._pending[first - self._rise_rows : stop - 1]
        return np.asarray(sliding_window_view(before, self._rise_rows).min(axis=1))

    def _judge(self, row: int) -> int | None:
        if self._release is not None:
            self._release = None
            return None
        edge_row = row
        if self._settings.level is not None:
            self._release = self._settings.level - self._settings.least_height / 2
        else:
            edge_row = self._half_height(row)
            self._next_row = edge_row + 1
        if edge_row - self._last_edge_row < self._refractory_rows:
            return None
        self._last_edge_row = edge_row
        return edge_row

    def _half_height(self, row: int) -> int:
        """Return the row at half the height of the edge that begins at ``row``."""
        at = row - self._pending_row
        base = float(self._base(at, at + 1)[0])
        rise = self._pending[at : at + self._rise_rows]
        height = float(rise.max()) - base
        # A quarter of the height: noise on the way down is not a second edge.
        self._release = base + height / 4
        return row + int(np.argmax(rise >= base + height / 2))

    def _drop_old(self) -> None:
        keep_row = self._next_row - self._rise_rows
        self._pending = self._pending[keep_row - self._pending_row :]
        self._pending_row = keep_row


def _hold_non_finite(values: F64, before: float) -> F64:
    """Return the values with each non-finite one replaced by the last finite one."""
    finite = np.isfinite(values)
    if finite.all():
        return values
    source = np.maximum.accumulate(np.where(finite, np.arange(len(values)), -1))
    return np.where(source >= 0, values[source], before)
