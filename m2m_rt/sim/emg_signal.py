"""The EMG of a virtual session, sample by sample.

What is given for a row depends on its number only, never on how the rows are asked
for: noise is drawn by blocks of fixed size, and pulses are added where they lie.
"""

from dataclasses import dataclass

import numpy as np

from m2m_rt.sim.emg_background import BLOCK_ROWS, Background
from m2m_rt.sim.lab_settings import LabSettings
from m2m_rt.units import F32, F64


@dataclass(frozen=True, slots=True)
class SignalPatch:
    """Rows that are added to the background."""

    first_row: int
    rows: F32
    """(n_rows, n_muscles + 1): µV, then the trigger channel in V."""

    @property
    def stop_row(self) -> int:
        """The first row after the patch."""
        return self.first_row + len(self.rows)


class EmgSignal:
    """Rows of all channels, each row given once, in order."""

    def __init__(self, settings: LabSettings, floor_uv: F64) -> None:
        """Start at row 0 with nothing but background."""
        self._background = Background(settings, floor_uv)
        self._n_channels = len(settings.muscles) + 1
        self._block_index = -1
        self._block = np.empty((0, len(settings.muscles)), np.float32)
        self._patches: list[SignalPatch] = []
        self.next_row = 0
        """The first row not given yet."""

    def add(self, patch: SignalPatch) -> None:
        """Add a patch to the rows that are still to come.

        Raises
        ------
        ValueError
            If some of its rows have been given already.
        """
        if patch.first_row < self.next_row:
            raise ValueError(
                f"patch from row {patch.first_row}: row {self.next_row} is next"
            )
        self._patches.append(patch)

    def take(self, n_rows: int) -> F32:
        """Return the next rows (n_rows, n_muscles + 1)."""
        stop_row = self.next_row + n_rows
        rows = np.zeros((n_rows, self._n_channels), np.float32)
        at = self.next_row
        while at < stop_row:
            block_index, begin = divmod(at, BLOCK_ROWS)
            end = min(BLOCK_ROWS, begin + stop_row - at)
            self._load(block_index)
            given = at - self.next_row
            rows[given : given + end - begin, :-1] = self._block[begin:end]
            at += end - begin
        for patch in self._patches:
            _add_overlap(rows, self.next_row, patch)
        self._patches = [left for left in self._patches if left.stop_row > stop_row]
        self.next_row = stop_row
        return rows

    def _load(self, block_index: int) -> None:
        if block_index != self._block_index:
            self._block = self._background.block(block_index)
            self._block_index = block_index


def _add_overlap(rows: F32, first_row: int, patch: SignalPatch) -> None:
    begin = max(first_row, patch.first_row)
    end = min(first_row + len(rows), patch.stop_row)
    if begin < end:
        part = patch.rows[begin - patch.first_row : end - patch.first_row]
        rows[begin - first_row : end - first_row] += part
