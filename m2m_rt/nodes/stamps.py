"""Senders' time stamps to instants; a stamp that cannot be one is said to be none."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.units import F64, LARGEST_STAMP_S, RigNs, rig_ns


@dataclass(frozen=True, slots=True)
class NewStamps:
    """The stamps of the rows that have just come."""

    stamps_s: F64
    """(n_rows,), rig clock: where a row's own was not usable, counted on from the last
    usable."""

    own_s: F64
    """(n_rows,): the same in the sender's own clock, so that no new measurement of the
    clocks' offset shows in them."""

    unusable_rows: tuple[int, ...]
    """Rows since the stream's start whose own stamp was not usable."""

    turned_bad_rows: tuple[int, ...]
    """The first row of each run of those."""


class RowStamps:
    """When each of the last rows was sampled."""

    def __init__(self, fs_hz: float, *, keep_s: float) -> None:
        """Keep the stamps of so many seconds before the newest chunk."""
        self._fs_hz = fs_hz
        self._n_kept = max(1, round(keep_s * fs_hz))
        self._stamps_s: F64 = np.empty(0)
        self._usable_s = 0.0  # the last usable stamp, rig clock
        self._usable_own_s = 0.0  # the same in the sender's
        self._usable_row = 0  # and whose it was
        self._was_usable = True
        self.n_rows = 0

    def push(self, own_s: F64, offset_s: float) -> NewStamps:
        """Take the next rows' own stamps, and what makes them the rig clock's."""
        rows = self.n_rows + np.arange(len(own_s))
        rig_s = own_s + offset_s
        usable = (rig_s >= 0.0) & (rig_s <= LARGEST_STAMP_S)  # False for NaN
        before = np.concatenate([[self._was_usable], usable[:-1]])
        # Index 0 is the last usable row from before, so row i is index i + 1.
        source = np.maximum.accumulate(np.where(usable, np.arange(1, len(rows) + 1), 0))
        from_s = np.concatenate([[self._usable_s], rig_s])[source]
        from_own_s = np.concatenate([[self._usable_own_s], own_s])[source]
        from_row = np.concatenate([[self._usable_row], rows])[source]
        since_s = (rows - from_row) / self._fs_hz
        stamps_s = from_s + since_s
        self._usable_s, self._usable_own_s = float(from_s[-1]), float(from_own_s[-1])
        self._usable_row = int(from_row[-1])
        self._was_usable = bool(usable[-1])
        self._stamps_s = np.concatenate([self._stamps_s[-self._n_kept :], stamps_s])
        self.n_rows += len(own_s)
        turned_bad = rows[before & ~usable]
        return NewStamps(
            stamps_s,
            from_own_s + since_s,
            tuple(rows[~usable].tolist()),
            tuple(turned_bad.tolist()),
        )

    def at(self, row: int) -> RigNs:
        """Return the instant of a row of the newest chunk or shortly before it."""
        return rig_ns(float(self._stamps_s[row - self.n_rows]))
