"""The bus over real sockets: nothing lost at the start, losses said, bad frames not."""

import time
from collections.abc import Iterator, Sequence

import msgspec
import pytest
import zmq

from m2m_rt.adapters.clock import LslClock
from m2m_rt.adapters.zmq_bus import (
    MAX_MESSAGE_BYTES,
    BusPublisher,
    BusSubscriber,
)
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.messages import (
    Delivery,
    Message,
    PulseFired,
    SessionEvent,
    SessionEventKind,
    StreamGap,
    encode,
)
from m2m_rt.ports import Received
from m2m_rt.units import RigNs

PATIENCE_S = 20.0
DAEMON = "acquired"
LAST = SessionEvent(t_ns=RigNs(0), kind=SessionEventKind.STOPPING)


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def publisher(context: zmq.Context[zmq.Socket[bytes]]) -> Iterator[BusPublisher]:
    publisher = BusPublisher(context, DAEMON)
    yield publisher
    publisher.close()


@pytest.fixture
def subscriber(context: zmq.Context[zmq.Socket[bytes]]) -> Iterator[BusSubscriber]:
    with BusSubscriber(context, LslClock()) as subscriber:
        yield subscriber


def pulse(seq: int) -> PulseFired:
    return PulseFired(t_ns=RigNs(seq), seq=seq, pulse_id=seq, row=seq)


def join(
    publisher: BusPublisher, subscriber: BusSubscriber, delivery: Delivery
) -> None:
    subscriber.subscribe("pulse_fired", DAEMON, delivery)
    subscriber.subscribe("session", DAEMON, Delivery.STREAM)
    subscriber.connect(publisher.endpoint)
    publisher.wait_for_subscribers(["pulse_fired", "session"], PATIENCE_S)


def say(publisher: BusPublisher, *messages: Message) -> None:
    for one in messages:
        publisher.publish("pulse_fired", encode(one))


def until_last(publisher: BusPublisher, subscriber: BusSubscriber) -> Sequence[Message]:
    """Publish a last word; return all that came before it."""
    publisher.publish("session", encode(LAST))
    got: list[Message] = []
    until_s = time.monotonic() + PATIENCE_S
    while LAST not in got:
        assert time.monotonic() < until_s, "the last word never came"
        came = subscriber.poll(0.1)
        got += [one.message if isinstance(one, Received) else one for one in came]
    return got[: got.index(LAST)]


def test_nothing_is_lost_from_the_first_message_on(
    publisher: BusPublisher, subscriber: BusSubscriber
) -> None:
    join(publisher, subscriber, Delivery.STREAM)
    say(publisher, *map(pulse, range(5000)))
    assert until_last(publisher, subscriber) == [pulse(seq) for seq in range(5000)]
    assert subscriber.n_lost == 0


def test_a_missing_message_is_said_before_the_next_one(
    publisher: BusPublisher, subscriber: BusSubscriber
) -> None:
    join(publisher, subscriber, Delivery.STREAM)
    say(publisher, pulse(0), pulse(4), pulse(5))
    first, gap, *others = until_last(publisher, subscriber)
    assert (first, others) == (pulse(0), [pulse(4), pulse(5)])
    assert isinstance(gap, StreamGap)
    assert (gap.stream, gap.n_lost) == ("pulse_fired/acquired", 3)
    assert subscriber.n_lost == 3


def test_a_repeated_message_is_said(
    publisher: BusPublisher, subscriber: BusSubscriber
) -> None:
    join(publisher, subscriber, Delivery.STREAM)
    say(publisher, pulse(0), pulse(0))
    _, gap, _ = until_last(publisher, subscriber)
    assert isinstance(gap, StreamGap)
    assert gap.n_lost == -1
    assert subscriber.n_lost == 0


def test_the_newest_only_is_the_newest(
    publisher: BusPublisher, subscriber: BusSubscriber
) -> None:
    join(publisher, subscriber, Delivery.LATEST)
    say(publisher, *map(pulse, range(2000)))
    got: list[Message] = []
    until_s = time.monotonic() + PATIENCE_S
    while pulse(1999) not in got:
        assert time.monotonic() < until_s, "the newest never came"
        came = subscriber.poll(0.1)
        got += [one.message for one in came if isinstance(one, Received)]
    assert got[-1] == pulse(1999)
    assert len(got) < 2000
    assert not any(isinstance(one, StreamGap) for one in got)


@pytest.mark.parametrize("frame", [b"", b"\x00", b"\xc1" * 50, encode(pulse(0))[:-1]])
def test_a_frame_that_is_no_message_is_counted_and_not_handed_on(
    publisher: BusPublisher, subscriber: BusSubscriber, frame: bytes
) -> None:
    join(publisher, subscriber, Delivery.STREAM)
    publisher.publish("pulse_fired", frame)
    say(publisher, pulse(0))
    assert until_last(publisher, subscriber) == [pulse(0)]
    assert subscriber.n_refused == 1


def test_the_largest_message_comes_and_a_larger_one_is_refused_where_it_is_made(
    publisher: BusPublisher, subscriber: BusSubscriber
) -> None:
    join(publisher, subscriber, Delivery.STREAM)
    empty = SessionEvent(t_ns=RigNs(0), kind=SessionEventKind.NOTE)
    fill = MAX_MESSAGE_BYTES - len(encode(empty)) - 4  # a long text's length takes 5
    largest = msgspec.structs.replace(empty, text="x" * fill)
    assert len(encode(largest)) == MAX_MESSAGE_BYTES
    publisher.publish("pulse_fired", encode(largest))
    with pytest.raises(DataError, match="at most 1048576"):
        publisher.publish("pulse_fired", bytes(MAX_MESSAGE_BYTES + 1))
    assert until_last(publisher, subscriber) == [largest]


def test_what_was_not_asked_for_does_not_come(
    publisher: BusPublisher, subscriber: BusSubscriber
) -> None:
    join(publisher, subscriber, Delivery.STREAM)
    publisher.publish("pulse_fired_too", encode(pulse(0)))
    publisher.publish("pulse", encode(pulse(0)))
    assert until_last(publisher, subscriber) == []


def test_a_publisher_names_the_topics_that_nobody_hears(
    publisher: BusPublisher,
) -> None:
    assert not publisher.has_subscribers(["mep"])
    with pytest.raises(ConfigError, match="no subscriber of emg/acquired"):
        publisher.wait_for_subscribers(["emg"], 0.1)


def test_two_listeners_are_waited_for_where_two_are_expected(
    context: zmq.Context[zmq.Socket[bytes]], publisher: BusPublisher
) -> None:
    with (
        BusSubscriber(context, LslClock()) as first,
        BusSubscriber(context, LslClock()) as second,
    ):
        first.subscribe("mep", DAEMON, Delivery.STREAM)
        first.connect(publisher.endpoint)
        with pytest.raises(ConfigError):
            publisher.wait_for_subscribers(["mep", "mep"], 0.2)
        second.subscribe("mep", DAEMON, Delivery.STREAM)
        second.connect(publisher.endpoint)
        publisher.wait_for_subscribers(["mep", "mep"], PATIENCE_S)
