"""Plays a recording over LSL at the pace at which it was made."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
import pylsl

from m2m_rt.adapters.recording import Description, RecordedStream, Recording

LINGER_S = 1.0
"""How long outlets stay after the last sample, so that listeners have it."""

_WAIT_STEP_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaySettings:
    """How a recording is played."""

    chunk_ms: float = 4.0
    """Of the recording in one push."""

    speed: float = 1.0
    """Faster than the recording. Stamps keep the recording's own spacing, so with
    another speed than 1 they leave the clock: for tests and quick looks."""

    wait_s: float = 0.0
    """Longest wait for somebody who listens to each stream, before the start."""


def play(
    recording: Recording,
    settings: PlaySettings,
    *,
    on_progress: Callable[[float], object] | None = None,
) -> None:
    """Send every sample of a recording, then linger a moment.

    Parameters
    ----------
    recording
        Its first stamp becomes now.
    settings
        Pace and chunks.
    on_progress
        Called with the seconds of the recording that were sent.
    """
    outlets = [_outlet(stream) for stream in recording.streams]
    _wait_for_listeners(outlets, settings.wait_s)
    start_s = pylsl.local_clock()
    cursors = [
        _Cursor(stream, outlet, shift_s=start_s - recording.start_s)
        for stream, outlet in zip(recording.streams, outlets, strict=True)
    ]
    n_chunks = int(recording.length_s / (settings.chunk_ms / 1000.0)) + 1
    for chunk in range(1, n_chunks + 1):
        played_s = chunk * settings.chunk_ms / 1000.0
        _sleep_until(start_s + played_s / settings.speed)
        until_s = inf if chunk == n_chunks else recording.start_s + played_s
        for cursor in cursors:
            cursor.push_until(until_s)
        if on_progress is not None:
            on_progress(min(played_s, recording.length_s))
    _sleep_until(pylsl.local_clock() + LINGER_S)


class _Cursor:
    """How far one stream has been sent."""

    def __init__(
        self, stream: RecordedStream, outlet: pylsl.StreamOutlet, *, shift_s: float
    ) -> None:
        self._stream = stream
        self._outlet = outlet
        self._stamps_s = stream.stamps_s + shift_s
        self._sent = 0

    def push_until(self, until_s: float) -> None:
        """Send what was recorded before an instant of the recording."""
        end = int(np.searchsorted(self._stream.stamps_s, until_s))
        if end > self._sent:
            rows = slice(self._sent, end)
            stamps_s = self._stamps_s[rows].tolist()
            self._outlet.push_chunk(self._stream.samples[rows], stamps_s)
            self._sent = end


def _outlet(stream: RecordedStream) -> pylsl.StreamOutlet:
    info = pylsl.StreamInfo(
        stream.name,
        stream.type,
        stream.n_channels,
        stream.fs_hz,
        stream.channel_format,
        stream.source_id or stream.name,
    )
    _describe(info.desc(), stream.desc)
    return pylsl.StreamOutlet(info)


def _describe(element: pylsl.info.XMLElement, desc: Description) -> None:
    for name, children in desc.items():
        for child in children:
            if isinstance(child, str):
                element.append_child_value(name, child)
            else:
                _describe(element.append_child(name), child)


def _wait_for_listeners(outlets: list[pylsl.StreamOutlet], wait_s: float) -> None:
    deadline_s = pylsl.local_clock() + wait_s
    while pylsl.local_clock() < deadline_s:
        if all(outlet.have_consumers() for outlet in outlets):
            return
        time.sleep(_WAIT_STEP_S)


def _sleep_until(instant_s: float) -> None:
    time.sleep(max(0.0, instant_s - pylsl.local_clock()))
