"""A daemon without a node: what it missed is said on the bus and handed on."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from m2m_rt.adapters.clock import LslClock
from m2m_rt.adapters.rendezvous import Rendezvous
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.adapters.zmq_bus import BusPublisher, BusSubscriber
from m2m_rt.app.daemon_process import DaemonProcess, meeting_folder
from m2m_rt.app.daemons import upstream_of
from m2m_rt.messages import (
    Delivery,
    Health,
    Message,
    PulseFired,
    SessionEvent,
    SessionEventKind,
    StreamGap,
    decode,
    encode,
)
from m2m_rt.ports import Arrival, Received
from m2m_rt.units import RigNs

SINK = "recordd"
SPEAKER = "acquired"
GAP = f"stream_gap/{SINK}"
PATIENCE_S = 20.0


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def speaker(context: zmq.Context[zmq.Socket[bytes]]) -> Iterator[BusPublisher]:
    publisher = BusPublisher(context, SPEAKER)
    yield publisher
    publisher.close()


@pytest.fixture
def sink(tmp_path: Path, speaker: BusPublisher) -> Iterator[DaemonProcess]:
    folder = SessionFolder.create(tmp_path / "session", {})
    with DaemonProcess(SINK, folder) as process:
        topics = ("pulse_fired", "session", "health")
        for topic in topics:
            process.bus.subscribe(topic, SPEAKER, Delivery.STREAM)
        process.bus.connect(speaker.endpoint)
        speaker.wait_for_subscribers(topics, PATIENCE_S)
        yield process


def say_with_a_hole(speaker: BusPublisher) -> None:
    """Publish pulses 0 and 3, then all that lets a sink end."""
    for seq in (0, 3):
        pulse = PulseFired(t_ns=RigNs(seq), seq=seq, pulse_id=seq, row=seq)
        speaker.publish("pulse_fired", encode(pulse))
    for seq, daemon in enumerate(upstream_of(SINK)):
        last = Health(t_ns=RigNs(9), seq=seq, daemon=daemon, state="stopped")
        speaker.publish("health", encode(last))
    stopping = SessionEvent(t_ns=RigNs(9), kind=SessionEventKind.STOPPING)
    speaker.publish("session", encode(stopping))


def test_what_a_sink_missed_is_handed_on_as_a_message_of_its_own(
    speaker: BusPublisher, sink: DaemonProcess
) -> None:
    say_with_a_hole(speaker)
    arrivals: list[Arrival] = []
    sink.run_sink(arrivals.append)
    (gap,) = [one for one in arrivals if one.origin == GAP]
    assert gap.frame is not None
    told = decode(gap.frame)
    assert isinstance(told, StreamGap)
    assert (told.stream, told.n_lost, told.seq) == (f"pulse_fired/{SPEAKER}", 2, 0)


def test_what_a_sink_missed_is_said_on_the_bus(
    context: zmq.Context[zmq.Socket[bytes]], speaker: BusPublisher, sink: DaemonProcess
) -> None:
    meeting = Rendezvous(meeting_folder(sink.folder)).find([SINK], PATIENCE_S)[SINK]
    with BusSubscriber(context, LslClock()) as listener:
        listener.subscribe("stream_gap", SINK, Delivery.STREAM)
        listener.connect(meeting.endpoint)
        sink.wait_until_heard(["stream_gap"])
        say_with_a_hole(speaker)
        sink.run_sink(lambda _: None)
        got: list[Message] = []
        until_s = time.monotonic() + PATIENCE_S
        while not got:
            assert time.monotonic() < until_s, "the gap was never said"
            came = listener.poll(0.1)
            got += [one.message for one in came if isinstance(one, Received)]
    (gap,) = got
    assert isinstance(gap, StreamGap)
    assert gap.n_lost == 2
