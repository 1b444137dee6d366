"""A live LSL stream as a source of messages: opened, watched, found again."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty
from typing import Any, Protocol

import msgspec
import pylsl
from numpy.typing import NDArray

from m2m_rt.adapters.lsl_link import (
    ChangedStream,
    LinkKeeper,
    MeasuredOffset,
    News,
    OpenStream,
    Reader,
    open_first,
)
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import StreamHeader
from m2m_rt.messages import ClockOffset, Link, LinkChanged, Message
from m2m_rt.units import RigNs, instant_of, rig_ns

FIND_WAIT_S = 10.0
"""How long a daemon waits at its start for a stream to appear."""

_LARGEST_PULL = 64


class StreamReader(Reader, Protocol):
    """A reader of one kind of stream."""

    def pull(self, inlet: pylsl.StreamInlet, wait_s: float) -> list[Message]:
        """Return what has arrived, waiting at most `wait_s` for the first of it."""
        ...


def message_ns(stamp_s: float) -> RigNs:
    """Return a sender's stamp in ns; the time of receipt if it is not usable."""
    t_ns = instant_of(stamp_s)
    return _now_ns() if t_ns is None else t_ns


def pull_samples(
    inlet: pylsl.StreamInlet, wait_s: float
) -> list[tuple[NDArray[Any], float]]:
    """Return the samples that have arrived, oldest first, each with its stamp.

    For streams of single samples: waits at most `wait_s` for the first one.
    """
    rows, stamps_s = inlet.pull_chunk(
        timeout=wait_s, max_samples=_LARGEST_PULL, min_samples=1, as_numpy=True
    )
    return [(row, float(stamp_s)) for row, stamp_s in zip(rows, stamps_s, strict=True)]


class LslSource:
    """One stream of the rig; fulfils `ports.Source`.

    Loss is a message, never an exception: `LinkChanged` says opened, lost, refused. A
    stream that comes back is checked before its first row is handed over, and refused
    for good if rate, channels, units or identity differ from what was first opened.
    """

    def __init__(
        self, reader: StreamReader, choice: StreamChoice, *, timeout_s: float
    ) -> None:
        """Find and open the stream, waiting at most `timeout_s` for it to appear.

        Raises
        ------
        ConfigError
            If not exactly one stream fits, or it is not what the rig expects.
        """
        self._reader = reader
        opened = open_first(reader, choice, timeout_s=timeout_s)
        self._inlet: pylsl.StreamInlet | None = opened.inlet
        self._keeper = LinkKeeper(reader, choice, opened)
        self._keeper.news.put(opened)
        self.header: StreamHeader = opened.header
        self._is_lost = False
        self._last_data_s = pylsl.local_clock()
        self._next_seq = 0

    def poll(self, wait_s: float) -> Sequence[Message]:
        """Return what has arrived, waiting at most `wait_s` if nothing has."""
        messages = self._take_news()
        messages += self._read(0.0 if messages else wait_s)
        return [self._numbered(message) for message in messages]

    def stop(self) -> None:
        """Begin to let go of the stream."""
        self._keeper.stop()

    def close(self) -> None:
        """Let go of the stream; waits up to a second for the helper thread."""
        self._keeper.stop()
        self._keeper.join()
        self._inlet = self._keeper.opened = None

    def _read(self, wait_s: float) -> list[Message]:
        if self._inlet is None:
            return self._wait_for_news(wait_s)
        try:
            received = self._reader.pull(self._inlet, wait_s)
        except pylsl.util.LostError:
            self._inlet = self._keeper.opened = None
            return self._lose("the sender closed the connection")
        return self._watch(received)

    def _watch(self, received: list[Message]) -> list[Message]:
        """Notice silence and its end."""
        now_s = pylsl.local_clock()
        limit_s = self._reader.lost_after_s
        if received:
            self._last_data_s = now_s
            if self._is_lost:
                self._is_lost = False
                self._keeper.rest()
                return [self._link(Link.OPENED, "the same sender goes on"), *received]
        elif limit_s is not None and now_s - self._last_data_s > limit_s:
            return self._lose(f"no data for {limit_s:g} s")
        return received

    def _lose(self, detail: str) -> list[Message]:
        if self._is_lost:
            return []
        self._is_lost = True
        self._keeper.look()
        return [self._link(Link.LOST, detail)]

    def _take_news(self) -> list[Message]:
        messages: list[Message] = []
        while not self._keeper.news.empty():
            messages += self._adopt(self._keeper.news.get())
        return messages

    def _wait_for_news(self, wait_s: float) -> list[Message]:
        try:
            return self._adopt(self._keeper.news.get(timeout=max(wait_s, 1e-6)))
        except Empty:
            return []

    def _adopt(self, news: News) -> list[Message]:
        match news:
            case OpenStream():
                return self._adopt_stream(news)
            case ChangedStream(detail=detail):
                self._inlet = self._keeper.opened = None
                return [self._link(Link.REFUSED, detail)]
            case MeasuredOffset(offset_s=offset_s, is_local=is_local):
                suffix = "_measured" if is_local else ""
                return [self._offset(f"{self._reader.stream}{suffix}", offset_s)]

    def _adopt_stream(self, opened: OpenStream) -> list[Message]:
        self._inlet = opened.inlet
        self._keeper.opened = opened
        self._is_lost = False
        self._last_data_s = pylsl.local_clock()
        return [
            self._link(Link.OPENED, str(opened.header)),
            self._offset(self._reader.stream, opened.offset_s),
        ]

    def _link(self, link: Link, detail: str) -> LinkChanged:
        return LinkChanged(
            t_ns=_now_ns(), stream=self._reader.stream, link=link, detail=detail
        )

    def _numbered(self, message: Message) -> Message:
        self._next_seq += 1
        return msgspec.structs.replace(message, seq=self._next_seq - 1)

    @staticmethod
    def _offset(stream: str, offset_s: float) -> ClockOffset:
        return ClockOffset(t_ns=_now_ns(), stream=stream, offset_s=offset_s)


def open_together(*openers: Callable[[], LslSource]) -> tuple[LslSource, ...]:
    """Return several sources, opened at the same time: each takes about a second.

    Raises
    ------
    ConfigError
        The first one's, in the order given; the others are closed.
    """
    with ThreadPoolExecutor(max_workers=len(openers)) as pool:
        opening = [pool.submit(opener) for opener in openers]
    failed = [one for one in opening if one.exception() is not None]
    if failed:
        close_together(*(one.result() for one in opening if one not in failed))
    return tuple(one.result() for one in opening)


def close_together(*sources: LslSource) -> None:
    """Let go of several streams at the same time."""
    for source in sources:
        source.stop()
    for source in sources:
        source.close()


def _now_ns() -> RigNs:
    return rig_ns(pylsl.local_clock())
