"""The live inbox and outbox, and how processes of a session find each other."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import zmq

from m2m_rt.adapters.clock import LslClock
from m2m_rt.adapters.live_inbox import LiveInbox
from m2m_rt.adapters.live_outbox import LiveOutbox
from m2m_rt.adapters.rendezvous import Rendezvous
from m2m_rt.adapters.zmq_bus import BusPublisher
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.messages import (
    FitRequest,
    Message,
    SessionEvent,
    SessionEventKind,
    SetTimer,
    Tick,
    Trace,
    encode,
)
from m2m_rt.ports import Arrival, Received
from m2m_rt.runtime import Timers
from m2m_rt.units import RigNs
from tests.support.predicting import pulse_at


class Now:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.ns = RigNs(0)

    def now_ns(self) -> RigNs:
        return self.ns


class Given:
    """A source that gives its lists one by one, then nothing."""

    def __init__(self, *lists: list[Message | Received]) -> None:
        self._lists = list(lists)

    def poll(self, wait_s: float) -> Sequence[Message | Received]:
        assert wait_s >= 0.0
        return self._lists.pop(0) if self._lists else ()


def note(text: str) -> SessionEvent:
    return SessionEvent(t_ns=RigNs(0), kind=SessionEventKind.NOTE, text=text)


def received(text: str) -> Received:
    return Received(note(text), encode(note(text)), "session/supervisor")


def inbox_of(now: Now, timers: Timers, *sources: Given, rounds: int = 3) -> LiveInbox:
    left = iter([True] * rounds)
    return LiveInbox(now, sources, timers, lambda _: True, lambda: next(left, False))


def taken(inbox: LiveInbox) -> list[Arrival]:
    arrivals = []
    while (arrival := inbox.receive()) is not None:
        arrivals.append(arrival)
    return arrivals


def test_all_sources_are_taken_in_order_and_stamped_once() -> None:
    first, second = Given([note("a"), note("b")], [note("d")]), Given([received("c")])
    now = Now()
    now.ns = RigNs(77)
    arrivals = taken(inbox_of(now, Timers(), first, second))
    assert [one.message for one in arrivals] == [note(text) for text in "abcd"]
    assert [one.origin for one in arrivals] == ["", "", "session/supervisor", ""]
    assert arrivals[2].frame == encode(note("c"))
    assert {one.now_ns for one in arrivals} == {77}


def test_a_tick_that_is_due_comes_before_what_waits() -> None:
    timers, now = Timers(), Now()
    timers.set(SetTimer(t_ns=RigNs(0), name="late", due_ns=500))
    timers.set(SetTimer(t_ns=RigNs(0), name="soon", due_ns=50))
    now.ns = RigNs(100)
    inbox = inbox_of(now, timers, Given())
    inbox.inject(note("a"))
    first, second = taken(inbox)
    assert first.message == Tick(t_ns=RigNs(50), name="soon")
    assert second.message == note("a")


def test_what_is_not_kept_is_not_handed_on_and_what_waits_is_before_the_end() -> None:
    refused = received("not mine")
    source = Given([note("a"), refused, note("b")])
    inbox = LiveInbox(
        Now(), [source], Timers(), lambda got: got is not refused, _once()
    )
    assert [one.message for one in taken(inbox)] == [note("a"), note("b")]


def _once() -> Callable[[], bool]:
    left = iter([True])
    return lambda: next(left, False)


@pytest.fixture
def outbox() -> Iterator[LiveOutbox]:
    with zmq.Context() as context:
        publisher = BusPublisher(context, "predictd")
        yield LiveOutbox(publisher, LslClock(), Timers())
        publisher.close()


def send(outbox: LiveOutbox, message: Message) -> None:
    outbox.send(Arrival(RigNs(3), note("")), message, encode(message))


def test_only_the_traced_topic_is_traced_and_handed_back(outbox: LiveOutbox) -> None:
    back: list[Message] = []
    outbox.trace("pulse_fired", back.append)
    send(outbox, pulse_at(0))
    send(outbox, note("hello"))
    (trace,) = back
    assert isinstance(trace, Trace)
    assert (trace.topic, trace.about_seq, trace.received_ns) == ("pulse_fired", 0, 3)
    assert trace.publish_ns > 0
    assert outbox.n_sent == 2


def test_a_fit_where_there_is_no_trainer_is_refused(outbox: LiveOutbox) -> None:
    request = FitRequest(
        t_ns=RigNs(0),
        fit_id=0,
        parent_hash="",
        n_trials=0,
        n_held_out=0,
        rng_seed=0,
        trials=(),
    )
    with pytest.raises(DataError, match="no trainer"):
        send(outbox, request)


def test_what_has_no_topic_cannot_be_published(outbox: LiveOutbox) -> None:
    with pytest.raises(DataError, match="Tick has no topic"):
        send(outbox, Tick(t_ns=RigNs(0), name="x"))


def test_processes_find_each_other_and_leave(tmp_path: Path) -> None:
    meeting = Rendezvous(tmp_path)
    meeting.announce("acquired", "tcp://127.0.0.1:1", secret="s")
    found = meeting.find(["acquired"], 0.0)["acquired"]
    assert (found.endpoint, found.secret) == ("tcp://127.0.0.1:1", "s")
    assert json.loads((tmp_path / "acquired.json").read_text())["pid"] == found.pid
    meeting.leave("acquired")
    with pytest.raises(ConfigError, match="no sign of acquired"):
        meeting.find(["acquired"], 0.0)
