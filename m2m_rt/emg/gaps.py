"""What the stamps of a stream say about lost rows and a stepping clock."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.emg.settings import GapSettings
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class RowGap:
    """Rows are missing before this one."""

    row: int
    """The first row received after the gap, since the stream's start."""

    late_ms: float
    """How much later than expected its stamp is."""

    lost_rows: int
    """Estimate of how many are missing, from the stamps."""


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The stream's clock went back, or is not finite, at this row: a fault."""

    row: int

    step_ms: float
    """Stamp less expected, negative; 0 where the stamp is not finite."""


class GapDetector:
    """Compares each row's stamp with that of the row before it."""

    def __init__(self, settings: GapSettings, fs_hz: float) -> None:
        """Make a detector for a stream of ``fs_hz`` rows a second."""
        self._fs_hz = fs_hz
        self._tolerance_s = settings.tolerance_ms / 1000
        self._last_s: F64 | None = None  # shape (1,)
        self._row = 0

    def push(self, stamps_s: F64) -> list[RowGap | ClockStep]:
        """Take the next rows' raw stamps; return what is wrong, in row order.

        Parameters
        ----------
        stamps_s
            Shape (n_rows,), in the sender's clock, seconds.
        """
        if not len(stamps_s):
            return []
        before_s = (
            stamps_s[:1] - 1 / self._fs_hz if self._last_s is None else self._last_s
        )
        late_s = np.diff(stamps_s, prepend=before_s) - 1 / self._fs_hz
        # "not within" rather than "beyond": NaN is wrong too.
        wrong = np.flatnonzero(~(np.abs(late_s) <= self._tolerance_s))
        found = [self._name(self._row + int(at), float(late_s[at])) for at in wrong]
        self._row += len(stamps_s)
        self._last_s = stamps_s[-1:].copy()
        return found

    def _name(self, row: int, late_s: float) -> RowGap | ClockStep:
        if not np.isfinite(late_s):
            return ClockStep(row, 0.0)
        if late_s < 0:
            return ClockStep(row, late_s * 1000)
        return RowGap(row, late_s * 1000, round(late_s * self._fs_hz))
