"""Which rows of an epoch are background and which are each muscle's window."""

import math
from dataclasses import dataclass

import numpy as np

from m2m_rt.emg.settings import EmgSettings
from m2m_rt.errors import ConfigError
from m2m_rt.units import F64, Bools

_ROUNDING_ROWS = 1e-6
"""15 ms at 5 kHz is row 75 although 15 * 5000 / 1000 may not be exact."""


@dataclass(frozen=True, slots=True)
class EpochRows:
    """The layout of every epoch of one recording; both ends of a span belong to it."""

    fs_hz: float

    before_rows: int
    """Rows before the edge's row."""

    after_rows: int
    """Rows after it."""

    background: slice
    windows: Bools
    """Shape (n_rows, n_muscles)."""

    @property
    def n_rows(self) -> int:
        """The length of an epoch."""
        return self.before_rows + 1 + self.after_rows

    def rows_in(self, length_ms: float) -> int:
        """Return how many rows a length of time is, at least 2."""
        return max(2, round(length_ms * self.fs_hz / 1000))

    def largest(self, epoch_uv: F64) -> F64:
        """Return the maximum of each muscle's window, shape (n_muscles,)."""
        inside_uv = np.where(self.windows, epoch_uv, -np.inf)
        return np.asarray(inside_uv.max(axis=0))

    def peak_to_peak(self, epoch_uv: F64) -> F64:
        """Return maximum less minimum of each muscle's window, shape (n_muscles,)."""
        return self.largest(epoch_uv) + self.largest(-epoch_uv)


def lay_out(settings: EmgSettings, fs_hz: float) -> EpochRows:
    """Return the rows that the settings' milliseconds mean at ``fs_hz``.

    Raises
    ------
    ConfigError
        If the background or a window holds fewer than two rows.
    """
    first_background = _first_row(settings.mep.background_start_ms, fs_hz)
    last_background = _last_row(settings.mep.background_end_ms, fs_hz)
    _check("emg.mep.background", last_background - first_background + 1, fs_hz)
    before = -first_background
    after = max(_last_row(muscle.window_end_ms, fs_hz) for muscle in settings.muscles)
    windows = np.zeros((before + 1 + after, len(settings.muscles)), dtype=bool)
    for column, muscle in enumerate(settings.muscles):
        first = _first_row(muscle.window_start_ms, fs_hz)
        last = _last_row(muscle.window_end_ms, fs_hz)
        _check(f"the window of {muscle.name}", last - first + 1, fs_hz)
        windows[before + first : before + last + 1, column] = True
    background = slice(0, last_background - first_background + 1)
    return EpochRows(fs_hz, before, after, background, windows)


def _first_row(at_ms: float, fs_hz: float) -> int:
    return math.ceil(at_ms * fs_hz / 1000 - _ROUNDING_ROWS)


def _last_row(at_ms: float, fs_hz: float) -> int:
    return math.floor(at_ms * fs_hz / 1000 + _ROUNDING_ROWS)


def _check(where: str, n_rows: int, fs_hz: float) -> None:
    if n_rows < 2:
        raise ConfigError(where, f"{n_rows} rows at {fs_hz:g} Hz", "two rows or more")
