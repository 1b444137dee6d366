"""The causal filter of the live path: artefact held, then high-pass and low-pass.

The filter's state starts as if the first row had been there for ever, so a constant
offset of the amplifier makes no transient. Offline uses this same object.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt, sosfilt_zi

from m2m_rt.emg.settings import FilterKind, FilterSettings
from m2m_rt.errors import ConfigError
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class FilteredRows:
    """Rows that have left the filter, beside what went in for them."""

    first_row: int
    """Row since the stream's start of the first one here."""

    raw_uv: F64
    """Shape (n_rows, n_muscles), as received."""

    filtered_uv: F64
    """Shape (n_rows, n_muscles)."""


class CausalFilter:
    """Filters a stream row by row; rows leave ``delay_rows`` after they entered."""

    def __init__(
        self,
        settings: FilterSettings,
        *,
        fs_hz: float,
        n_muscles: int,
        edge_delay_rows: int = 0,
    ) -> None:
        """Make a filter whose edges come at most ``edge_delay_rows`` after their row.

        Raises
        ------
        ConfigError
            If the low-pass does not fit the sampling rate.
        """
        self._sos = _design(settings, fs_hz)
        self._is_on = settings.kind is FilterKind.CAUSAL
        self._hold_from = round(settings.hold_start_ms * fs_hz / 1000)
        self._hold_to = max(1, round(settings.hold_end_ms * fs_hz / 1000))
        self.delay_rows = edge_delay_rows - self._hold_from
        self._waiting_uv = np.empty((0, n_muscles))
        self._row = 0  # of the first waiting row
        self._edges: list[int] = []
        self._held_uv = np.zeros(n_muscles)  # the last row let through
        self._state: F64 | None = None

    def push(self, emg_uv: F64, edges: Sequence[int]) -> FilteredRows:
        """Take rows and the edges found in them; return the rows that are ready.

        Parameters
        ----------
        emg_uv
            Shape (n_rows, n_muscles). A non-finite sample enters the filter as the
            last finite one of its muscle; with no filter it passes as it is.
        edges
            Rows since the stream's start, ascending, none given before.
        """
        self._edges.extend(edges)
        rows_uv = np.concatenate([self._waiting_uv, emg_uv])
        n_ready = max(0, len(rows_uv) - self.delay_rows)
        ready_uv, self._waiting_uv = rows_uv[:n_ready], rows_uv[n_ready:].copy()
        first_row = self._row
        filtered_uv = self._filter(ready_uv) if self._is_on else ready_uv
        self._row += n_ready
        last = self._row - self._hold_to
        self._edges = [edge for edge in self._edges if edge > last]
        return FilteredRows(first_row, ready_uv, filtered_uv)

    def _filter(self, ready_uv: F64) -> F64:
        if not len(ready_uv):
            return ready_uv
        calm_uv = self._hold(ready_uv)
        if self._state is None:
            # (n_sections, 2, 1) * (n_muscles,): at rest on the first row.
            self._state = sosfilt_zi(self._sos)[:, :, np.newaxis] * calm_uv[0]
        filtered_uv, self._state = sosfilt(self._sos, calm_uv, axis=0, zi=self._state)
        return np.asarray(filtered_uv)

    def _hold(self, ready_uv: F64) -> F64:
        """Return the rows with artefacts and non-finite samples held (a copy)."""
        let_through = np.isfinite(ready_uv)
        for edge in self._edges:
            begin = max(0, edge + self._hold_from - self._row)
            end = max(0, edge + self._hold_to - self._row)
            let_through[begin:end] = False
        # Index 0 is the row held from before, so row i is index i + 1.
        extended_uv = np.vstack([self._held_uv, ready_uv])
        rows = np.arange(1, len(extended_uv))[:, np.newaxis]
        source = np.maximum.accumulate(np.where(let_through, rows, 0), axis=0)
        calm_uv = np.take_along_axis(extended_uv, source, axis=0)
        self._held_uv = calm_uv[-1].copy()
        return calm_uv


def _design(settings: FilterSettings, fs_hz: float) -> F64:
    """Return second-order sections of the high-pass, then those of the low-pass."""
    if settings.kind is FilterKind.CAUSAL and settings.lowpass_hz >= fs_hz / 2:
        raise ConfigError(
            "emg.filter.lowpass_hz",
            f"{settings.lowpass_hz:g} Hz at a sampling rate of {fs_hz:g} Hz",
            f"less than {fs_hz / 2:g} Hz, or kind = 'none'",
        )
    if settings.kind is FilterKind.NONE:
        return np.empty((0, 6))
    high = butter(settings.order, settings.highpass_hz, "high", fs=fs_hz, output="sos")
    low = butter(settings.order, settings.lowpass_hz, "low", fs=fs_hz, output="sos")
    return np.vstack([high, low])
