"""EMG rows cut anew into published chunks of one length, however they came."""

from collections.abc import Iterable, Sequence

import numpy as np

from m2m_rt.messages import EmgChunk, pack_f32
from m2m_rt.units import F32, F64, rig_ns


class EmgBlocks:
    """Holds rows until a chunk is full; no chunk reaches across a gap."""

    def __init__(self, *, fs_hz: float, chunk_ms: float, n_channels: int) -> None:
        """Start before the first row."""
        self._fs_hz = fs_hz
        self._n_rows = max(1, round(chunk_ms * fs_hz / 1000))
        self._first_row = 0
        self._samples: F32 = np.empty((0, n_channels), np.float32)
        self._stamps_s: F64 = np.empty(0)

    def push(
        self, samples: F32, stamps_s: F64, gap_rows: Sequence[int]
    ) -> Iterable[EmgChunk]:
        """Take rows; give the chunks that are full.

        Parameters
        ----------
        samples
            (n_rows, n_muscles + 1): µV, then the trigger channel.
        stamps_s
            (n_rows,), usable.
        gap_rows
            Rows among these, since the stream's start, before which others are lost.
        """
        at_row = self._first_row + len(self._samples)
        parts = zip(
            np.split(samples, [row - at_row for row in gap_rows]),
            np.split(stamps_s, [row - at_row for row in gap_rows]),
            strict=True,
        )
        for number, (part, part_s) in enumerate(parts):
            if number:
                yield from self.flush()
            self._samples = np.concatenate([self._samples, part])
            self._stamps_s = np.concatenate([self._stamps_s, part_s])
            while len(self._samples) >= self._n_rows:
                yield self._cut(self._n_rows)

    def flush(self) -> Iterable[EmgChunk]:
        """Give what is left, at a gap or at the end of the session."""
        if len(self._samples):
            yield self._cut(len(self._samples))

    def _cut(self, n_rows: int) -> EmgChunk:
        chunk = EmgChunk(
            t_ns=rig_ns(float(self._stamps_s[n_rows - 1])),
            first_row=self._first_row,
            fs_hz=self._fs_hz,
            samples=pack_f32(self._samples[:n_rows]),
        )
        self._samples = self._samples[n_rows:]
        self._stamps_s = self._stamps_s[n_rows:]
        self._first_row += n_rows
        return chunk
