"""The daemons' own bus: ZeroMQ publish/subscribe over TCP on loopback.

A message is one frame: `topic/daemon`, a zero byte, then the message's msgpack bytes.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

import zmq

from m2m_rt.errors import ConfigError, DataError
from m2m_rt.messages import Delivery, Message, StreamGap, decode
from m2m_rt.ports import Clock, Received
from m2m_rt.runtime import SequenceCheck

MAX_MESSAGE_BYTES = 1024 * 1024
"""More than a second of EMG, a hundred times what anything else needs."""

QUEUE_LENGTH = 100_000
"""Messages a subscriber may lag behind before the publisher drops some: minutes."""

LOOPBACK = "tcp://127.0.0.1"

_ROUND_MS = 50
_MAX_KEY_BYTES = 256

_log = logging.getLogger(__name__)


class BusPublisher:
    """One daemon's end of the bus that speaks."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], daemon: str) -> None:
        """Bind to a free port on loopback."""
        self._daemon = daemon
        self._socket = context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.SNDHWM, QUEUE_LENGTH)
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # every subscriber is announced
        self._socket.setsockopt(zmq.LINGER, 2000)
        port = self._socket.bind_to_random_port(LOOPBACK)
        self.endpoint = f"{LOOPBACK}:{port}"
        self._seen: Counter[bytes] = Counter()

    def publish(self, topic: str, frame: bytes) -> None:
        """Send a frame to everyone who subscribed to the topic.

        Raises
        ------
        DataError
            If it is too large: a subscriber would end the connection without a word.
        """
        if len(frame) > MAX_MESSAGE_BYTES:
            msg = f"{topic}: {len(frame)} bytes, at most {MAX_MESSAGE_BYTES}"
            raise DataError(msg)
        self._socket.send(b"%b/%b\0%b" % (topic.encode(), self._daemon.encode(), frame))

    def wait_for_subscribers(
        self,
        topics: Iterable[str],
        timeout_s: float,
        each_round: Callable[[], None] = lambda: None,
    ) -> None:
        """Wait until each topic has as many subscribers as it is listed times.

        A publisher that starts to speak before its subscribers are connected loses
        messages without a word.

        Raises
        ------
        ConfigError
            If some are still missing after `timeout_s`.
        """
        wanted = self._keys(topics)
        until_s = time.monotonic() + timeout_s
        while missing := wanted - self._seen:
            each_round()
            if self._socket.poll(_ROUND_MS):
                self._note_subscription(self._socket.recv())
            elif time.monotonic() > until_s:
                names = sorted(key.decode().rstrip("\0") for key in missing)
                raise ConfigError(
                    f"bus of {self._daemon}",
                    f"no subscriber of {', '.join(names)} after {timeout_s:g} s",
                    "every daemon to connect",
                )

    def has_subscribers(self, topics: Iterable[str]) -> bool:
        """Return whether each topic has as many subscribers as it is listed times."""
        while self._socket.poll(0):
            self._note_subscription(self._socket.recv())
        return not self._keys(topics) - self._seen

    def _keys(self, topics: Iterable[str]) -> Counter[bytes]:
        return Counter(f"{topic}/{self._daemon}\0".encode() for topic in topics)

    def _note_subscription(self, word: bytes) -> None:
        self._seen[word[1:]] += 1 if word[:1] == b"\x01" else -1

    def close(self) -> None:
        """Send what is queued, then let go of the port."""
        self._socket.close()


class BusSubscriber:
    """One daemon's end of the bus that listens: a `Source`."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], clock: Clock) -> None:
        """Start with nothing subscribed."""
        self._context = context
        self._clock = clock
        self._poller = zmq.Poller()
        self._stream = self._open()
        self._latest: list[zmq.Socket[bytes]] = []
        self._checks = SequenceCheck()
        self._ordered: set[str] = set()
        self.n_refused = 0
        """Frames that could not be decoded."""

        self.n_lost = 0
        """Messages missing from topics subscribed to as a stream."""

    def subscribe(self, topic: str, daemon: str, delivery: Delivery) -> bytes:
        """Ask for a topic of one daemon; return the key that the publisher sees."""
        key = f"{topic}/{daemon}"
        prefix = key.encode() + b"\0"
        if delivery is Delivery.LATEST:
            socket = self._open(conflate=True)
            self._latest.append(socket)
        else:
            socket = self._stream
            self._ordered.add(key)
        socket.setsockopt(zmq.SUBSCRIBE, prefix)
        return prefix

    def connect(self, endpoint: str) -> None:
        """Listen to one more publisher."""
        for socket in (self._stream, *self._latest):
            socket.connect(endpoint)

    def poll(self, wait_s: float) -> Sequence[Message | Received]:
        """Return all that has arrived, waiting at most `wait_s` if nothing has."""
        got: list[Message | Received] = []
        for socket, _ in self._poller.poll(round(wait_s * 1000)):
            got.extend(self._drain(socket))
        return got

    def close(self) -> None:
        """Stop listening."""
        for socket in (self._stream, *self._latest):
            socket.close(linger=0)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self.close()

    def _open(self, *, conflate: bool = False) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, QUEUE_LENGTH)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES + _MAX_KEY_BYTES)
        if conflate:
            socket.setsockopt(zmq.CONFLATE, 1)
        self._poller.register(socket, zmq.POLLIN)
        return socket

    def _drain(self, socket: zmq.Socket[bytes]) -> Iterable[Message | Received]:
        while socket.poll(0):
            key, _, frame = socket.recv().partition(b"\0")
            yield from self._received(key.decode(errors="replace"), frame)

    def _received(self, key: str, frame: bytes) -> Iterable[Message | Received]:
        try:
            message = decode(frame)
        except DataError as err:
            self.n_refused += 1
            _log.warning("%s: %s", key, err)
            return
        n_missing = self._missing(key, message)
        if n_missing:
            reason = "messages lost" if n_missing > 0 else "repeated or old message"
            now_ns = self._clock.now_ns()
            yield StreamGap(t_ns=now_ns, stream=key, n_lost=n_missing, reason=reason)
        yield Received(message, frame, key)

    def _missing(self, key: str, message: Message) -> int:
        if key not in self._ordered:
            return 0
        n_missing = self._checks.n_missing(key, message.seq)
        self.n_lost += max(n_missing, 0)
        return n_missing
