"""The stretch of EMG around each pulse, cut from the stream as soon as it is whole."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from m2m_rt.emg.filters import FilteredRows
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class Epoch:
    """The rows around one edge."""

    edge_row: int
    """Row of the edge since the stream's start."""

    edge_at: int
    """Index of the edge in the arrays here."""

    raw_uv: F64
    """Shape (n_rows, n_muscles). Rows before the stream's start are NaN."""

    filtered_uv: F64
    """Shape (n_rows, n_muscles)."""

    n_missing: int
    """How many rows lie before the stream's start."""

    gap_at: tuple[int, ...]
    """Indices of the rows before which the stream lost some."""

    other_edges_at: tuple[int, ...]
    """Indices of further edges in this epoch."""


class EpochCutter:
    """Keeps the last rows of a stream and cuts an epoch for every edge.

    Memory is bounded by the epoch's length and that of the chunks.
    """

    def __init__(self, *, before_rows: int, after_rows: int, n_muscles: int) -> None:
        """Cut ``before_rows`` rows before each edge, the edge, and ``after_rows``."""
        self._before_rows = before_rows
        self._after_rows = after_rows
        # NaN for the time before the stream: an epoch that reaches there shows it.
        shape = (before_rows, n_muscles)
        self._raw_uv = np.full(shape, np.nan)
        self._filtered_uv = np.full(shape, np.nan)
        self._first_row = -before_rows
        self._edges: list[int] = []  # also those cut lately: they disturb others
        self._n_cut = 0
        self._gap_rows: list[int] = []

    def push(
        self, rows: FilteredRows, edges: Sequence[int], gap_rows: Sequence[int]
    ) -> list[Epoch]:
        """Take rows, and the edges and gaps newly known; return the whole epochs.

        An edge or gap row may be ahead of ``rows`` (the filter delays) but is given
        before the last row of the epoch that it belongs to.
        """
        self._edges.extend(edges)
        self._gap_rows.extend(gap_rows)
        self._raw_uv = np.concatenate([self._raw_uv, rows.raw_uv])
        self._filtered_uv = np.concatenate([self._filtered_uv, rows.filtered_uv])
        end_row = self._first_row + len(self._raw_uv)
        epochs = []
        while self._n_cut < len(self._edges):
            edge_row = self._edges[self._n_cut]
            if edge_row + self._after_rows >= end_row:
                break
            epochs.append(self._cut(edge_row))
            self._n_cut += 1
        self._drop_old(end_row)
        return epochs

    def _cut(self, edge_row: int) -> Epoch:
        first_row = edge_row - self._before_rows
        stop_row = edge_row + self._after_rows + 1
        span = slice(first_row - self._first_row, stop_row - self._first_row)
        others = [row for row in self._edges if first_row <= row < stop_row]
        gaps = [row for row in self._gap_rows if first_row < row < stop_row]
        return Epoch(
            edge_row=edge_row,
            edge_at=self._before_rows,
            raw_uv=self._raw_uv[span].copy(),
            filtered_uv=self._filtered_uv[span].copy(),
            n_missing=max(0, -first_row),
            gap_at=tuple(row - first_row for row in gaps),
            other_edges_at=tuple(row - first_row for row in others if row != edge_row),
        )

    def _drop_old(self, end_row: int) -> None:
        waiting = self._edges[self._n_cut :]
        keep_row = min([end_row, *waiting]) - self._before_rows
        n_old = max(0, keep_row - self._first_row)
        self._raw_uv = self._raw_uv[n_old:].copy()
        self._filtered_uv = self._filtered_uv[n_old:].copy()
        self._first_row += n_old
        still = [row for row in self._edges if row >= self._first_row]
        self._n_cut -= len(self._edges) - len(still)
        self._edges = still
        self._gap_rows = [row for row in self._gap_rows if row > self._first_row]
