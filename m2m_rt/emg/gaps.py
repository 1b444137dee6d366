"""What the stamps of a stream say about lost rows and a stepping clock."""

import math
from dataclasses import dataclass

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
    """Compares each row's stamp with a running line, and with the row before it.

    The line starts at the first stamp and rises by one row's time a row. It follows the
    stamps by so little (`max_drift_ppm`) that the drift of a sound clock is taken in,
    while rows that are lost a few at a time add up until they are more than the
    tolerance. A single jump is told against the row before, so that it is found at once
    and in full wherever the line lies.
    """

    def __init__(self, settings: GapSettings, fs_hz: float) -> None:
        """Make a detector for a stream of ``fs_hz`` rows a second."""
        self._fs_hz = fs_hz
        self._tolerance_s = settings.tolerance_ms / 1000
        self._follow_s = settings.max_drift_ppm * 1e-6 / fs_hz  # a row
        self._row = 0
        self._start_s: float | None = None  # the first row's stamp
        self._start_row = 0
        self._line_s = 0.0  # the line's height over rows of the nominal rate
        self._last_s = 0.0  # the last finite stamp's height, likewise

    def push(self, stamps_s: F64) -> list[RowGap | ClockStep]:
        """Take the next rows' raw stamps; return what is wrong, in row order.

        Parameters
        ----------
        stamps_s
            Shape (n_rows,), in the sender's clock, seconds.
        """
        # Row by row: where the line lies depends on every stamp before, and must not
        # depend on how the rows are cut into chunks.
        found = []
        for stamp_s in stamps_s.tolist():
            wrong = self._judge(stamp_s)
            if wrong is not None:
                found.append(wrong)
            self._row += 1
        return found

    def shift(self, by_s: float) -> None:
        """Move the line by what the sender's clock is now known to be ahead.

        For a sender that comes back with another clock.
        """
        if self._start_s is not None:
            self._start_s += by_s

    def _judge(self, stamp_s: float) -> RowGap | ClockStep | None:
        if not math.isfinite(stamp_s):
            return ClockStep(self._row, 0.0)
        if self._start_s is None:
            self._start_s, self._start_row = stamp_s, self._row
        nominal_s = self._start_s + (self._row - self._start_row) / self._fs_hz
        height_s = stamp_s - nominal_s
        jump_s, off_s = height_s - self._last_s, height_s - self._line_s
        self._last_s = height_s
        late_s = jump_s if abs(jump_s) > self._tolerance_s else off_s
        if abs(late_s) > self._tolerance_s:
            # By what is told and no more: the rest may still add up.
            self._line_s += late_s
            return self._name(late_s)
        self._line_s += math.copysign(min(abs(off_s), self._follow_s), off_s)
        return None

    def _name(self, late_s: float) -> RowGap | ClockStep:
        if late_s < 0:
            return ClockStep(self._row, late_s * 1000)
        return RowGap(self._row, late_s * 1000, round(late_s * self._fs_hz))
