"""EMG of the rig's muscles and its trigger channel, in microvolts, from LSL."""

import numpy as np
import pylsl

from m2m_rt.adapters.lsl_inlet import FIND_WAIT_S, LslSource, message_ns
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import (
    StreamHeader,
    channels_of,
    require_channels,
    require_rate,
)
from m2m_rt.adapters.units_of_streams import KNOWN_UNITS, microvolts_per
from m2m_rt.errors import ConfigError
from m2m_rt.messages import EmgReceived, Message, pack_f32, pack_f64

BATCH_S = 0.004
"""Rows that a pull waits for: fewer wake-ups; a lab's chunks are 1-5 ms anyway."""

LARGEST_PULL_S = 0.25
"""After a stall the backlog comes in parts: no message holds up the loop for long."""


class EmgRows:
    """Reads the channels that a rig names, whatever their order in the stream."""

    stream = "emg"
    buffer_s = 30
    lost_after_s: float | None = 1.0

    def __init__(
        self, muscle_channels: tuple[str, ...], *, trigger_channel: str, fs_hz: float
    ) -> None:
        """Expect these channel labels, in the rig's order of muscles, at this rate."""
        self._labels = (*muscle_channels, trigger_channel)
        self._fs_hz = fs_hz
        self._columns = np.empty(0, dtype=np.intp)
        self._to_uv = np.ones(len(self._labels))
        self._is_scaled = False
        self._dest = np.empty((0, 0))
        self._batch_rows = max(1, round(fs_hz * BATCH_S))

    def accept(self, header: StreamHeader) -> None:
        """Check rate, labels and units; find the columns."""
        require_channels(header, "emg.stream", (header.n_channels,))
        require_rate(header, "emg", self._fs_hz)
        columns = channels_of(header, "emg.stream", self._labels)
        self._columns = np.array(columns, dtype=np.intp)
        muscles = zip(self._labels[:-1], columns[:-1], strict=True)
        scales = [_scale(header, label, column) for label, column in muscles]
        self._to_uv = np.array((*scales, 1.0))
        self._is_scaled = bool(np.any(self._to_uv != 1.0))

    def pull(self, inlet: pylsl.StreamInlet, wait_s: float) -> list[Message]:
        """Return the rows that have arrived, as one message."""
        rows, stamps_s = inlet.pull_chunk(
            timeout=wait_s,
            max_samples=len(self._room(inlet)),
            dest_obj=self._dest,
            min_samples=self._batch_rows,
            as_numpy=True,
        )
        if not len(stamps_s):
            return []
        samples = rows[:, self._columns]  # (n_rows, n_muscles + 1), a copy
        if self._is_scaled:
            samples = samples * self._to_uv  # in float64: rounded to float32 once
        return [
            EmgReceived(
                t_ns=message_ns(stamps_s[-1]),
                stamps_s=pack_f64(stamps_s),
                samples=pack_f32(samples),
            )
        ]

    def _room(self, inlet: pylsl.StreamInlet) -> np.ndarray[tuple[int, int]]:
        n_rows = max(self._batch_rows, round(self._fs_hz * LARGEST_PULL_S))
        shape = (n_rows, inlet.channel_count)
        if self._dest.shape != shape or self._dest.dtype != inlet.np_dtype:
            self._dest = np.empty(shape, dtype=inlet.np_dtype)
        return self._dest


def open_emg(
    choice: StreamChoice, reader: EmgRows, *, timeout_s: float = FIND_WAIT_S
) -> LslSource:
    """Return the source of `EmgReceived`, `LinkChanged` and `ClockOffset`.

    Raises
    ------
    ConfigError
        If the stream is missing, not the only one, or not what the reader expects.
    """
    return LslSource(reader, choice, timeout_s=timeout_s)


def _scale(header: StreamHeader, label: str, column: int) -> float:
    unit = header.units[column]
    factor = microvolts_per(unit)
    if factor is None:
        raise ConfigError(
            f"emg.stream: unit of channel {label} of {header.name}",
            repr(unit) if unit else "none",
            f"one of {' '.join(KNOWN_UNITS)}",
        )
    return factor
