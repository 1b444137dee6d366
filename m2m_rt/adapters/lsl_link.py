"""Opening a stream, and a helper thread that measures its clock and finds it again.

The thread only blocks inside liblsl: it never takes the interpreter for long from the
loop that it serves. Inlets are opened without liblsl's own recovery: that would join
rows of a new sender to rows of the old one before anybody could look at its units.
"""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Protocol

import pylsl

from m2m_rt.adapters.lsl_discovery import (
    SenderSilent,
    choose_stream,
    read_header,
    resolve,
)
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import StreamHeader, difference

OPEN_WAIT_S = 5.0
MEASURE_EVERY_S = 5.0
LOOK_EVERY_S = 1.0

LOOKS_BEFORE_REOPENING = 15
"""A sender that is there but silent for so many looks may be a dead connection."""


class Reader(Protocol):
    """What one kind of stream must be and how it is read."""

    stream: str
    """Its name in messages: `emg`, `pose`, `stimulator`, `markers`."""

    buffer_s: int
    """What liblsl keeps while nobody reads; hundreds of samples if irregular."""

    lost_after_s: float | None
    """Silence that counts as a lost stream; None where silence is normal."""

    def accept(self, header: StreamHeader) -> None:
        """Prepare for this stream.

        Raises
        ------
        ConfigError
            If it is not what the rig expects.
        """
        ...


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream that passed its checks and now sends."""

    inlet: pylsl.StreamInlet
    header: StreamHeader
    offset_s: float
    """Rig time = the sender's stamp + this; 0 on the same machine, whose clock is the
    rig's: a measured 0 has a bias of 10-40 µs."""

    @property
    def is_local(self) -> bool:
        """Whether the sender is on this machine."""
        return self.header.hostname == socket.gethostname()


@dataclass(frozen=True, slots=True)
class ChangedStream:
    """The stream came back as something else."""

    detail: str


@dataclass(frozen=True, slots=True)
class MeasuredOffset:
    """liblsl's estimate of the sender's clock, in seconds to add to its stamps."""

    offset_s: float
    is_local: bool


News = OpenStream | ChangedStream | MeasuredOffset


class _Changed(Exception):  # noqa: N818 - a finding, caught below
    """A stream is not what was first opened."""


class _Ask(Enum):
    LOOK = auto()
    REST = auto()
    STOP = auto()


def open_first(reader: Reader, choice: StreamChoice, *, timeout_s: float) -> OpenStream:
    """Open the stream that a rig means.

    Raises
    ------
    ConfigError
        If not exactly one fits within `timeout_s`, or it is not what is expected.
    """
    where = f"{reader.stream}.stream"
    info = choose_stream(choice, where, timeout_s=timeout_s)
    return _open(reader, info, reader.accept)


def _open(
    reader: Reader, info: pylsl.StreamInfo, check: Callable[[StreamHeader], None]
) -> OpenStream:
    where = f"{reader.stream}.stream"
    inlet = pylsl.StreamInlet(info, max_buflen=reader.buffer_s, recover=False)
    header = read_header(inlet, where)
    check(header)
    opened = OpenStream(inlet, header, 0.0)
    try:
        offset_s = 0.0 if opened.is_local else inlet.time_correction(OPEN_WAIT_S)
        inlet.open_stream(timeout=OPEN_WAIT_S)
    except (pylsl.util.TimeoutError, pylsl.util.LostError) as err:
        raise SenderSilent(where, f"{header}: {err}") from err
    return OpenStream(inlet, header, offset_s)


class LinkKeeper:
    """The helper thread of one stream."""

    def __init__(
        self, reader: Reader, choice: StreamChoice, opened: OpenStream
    ) -> None:
        """Start to measure the clock of an open stream."""
        self.news: SimpleQueue[News] = SimpleQueue()
        self.opened: OpenStream | None = opened
        self._reader = reader
        self._choice = choice
        self._first = opened.header
        self._last_uid = opened.header.uid
        self._asked: SimpleQueue[_Ask] = SimpleQueue()
        self._thread = threading.Thread(
            target=self._run, name=f"lsl-{reader.stream}", daemon=True
        )
        self._thread.start()

    def look(self) -> None:
        """Begin to look for the stream; the answer is in `news`."""
        self._asked.put(_Ask.LOOK)

    def rest(self) -> None:
        """Look no longer: the stream has come back by itself."""
        self._asked.put(_Ask.REST)

    def stop(self) -> None:
        """Ask the thread to end; it does when liblsl next answers."""
        self._asked.put(_Ask.STOP)

    def join(self) -> None:
        """Wait for the thread's end: no process should exit while it is in liblsl."""
        self._thread.join(timeout=OPEN_WAIT_S)

    def _run(self) -> None:
        self._measure()
        while (ask := self._next_ask()) is not _Ask.STOP:
            if ask is _Ask.LOOK:
                self._find()
            else:
                self._measure()

    def _next_ask(self) -> _Ask:
        try:
            return self._asked.get(timeout=MEASURE_EVERY_S)
        except Empty:
            return _Ask.REST

    def _measure(self) -> None:
        opened = self.opened
        if opened is None:
            return
        try:
            offset_s = opened.inlet.time_correction(timeout=OPEN_WAIT_S)
        except (pylsl.util.TimeoutError, pylsl.util.LostError):
            return  # the reading side sees the silence; the last offset stays
        self.news.put(MeasuredOffset(offset_s, opened.is_local))

    def _find(self) -> None:
        n_looks = 0
        while self._asked.empty():
            found = resolve(self._choice, timeout_s=LOOK_EVERY_S)
            n_looks += 1
            if len(found) != 1:  # several: the rig could not say which, so wait
                continue
            is_same = found[0].uid() == self._last_uid and self.opened is not None
            if is_same and n_looks < LOOKS_BEFORE_REOPENING:
                continue
            answer = self._reopen(found[0])
            if answer is not None:
                self.news.put(answer)
                return

    def _reopen(self, info: pylsl.StreamInfo) -> OpenStream | ChangedStream | None:
        try:
            opened = _open(self._reader, info, self._require_same)
        except SenderSilent:
            return None
        except _Changed as err:
            return ChangedStream(str(err))
        self._last_uid = opened.header.uid
        return opened

    def _require_same(self, header: StreamHeader) -> None:
        changes = difference(self._first, header)
        if changes:
            raise _Changed(changes)
