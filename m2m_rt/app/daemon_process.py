"""One daemon's process: joins the bus, runs its node or sink, stops in its turn."""

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq

from m2m_rt.adapters.clock import LslClock
from m2m_rt.adapters.live_inbox import LiveInbox
from m2m_rt.adapters.live_outbox import LiveOutbox
from m2m_rt.adapters.parent_watch import ParentWatch
from m2m_rt.adapters.rendezvous import Rendezvous
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.adapters.zmq_bus import BusPublisher, BusSubscriber
from m2m_rt.app.daemons import (
    daemon_named,
    subscribed_topics,
    subscriptions_of,
    upstream_of,
)
from m2m_rt.errors import LinkLost, M2mError
from m2m_rt.messages import (
    DaemonState,
    Health,
    Message,
    SessionEvent,
    SessionEventKind,
    StreamGap,
    Tick,
    decode,
    topic_of,
)
from m2m_rt.ports import Arrival, Received, Source
from m2m_rt.runtime import Timers
from m2m_rt.units import RigNs, duration_ns

UNTIL_STDIN_ENDS = "--until-stdin-ends"
"""Option of a daemon that a supervisor started: its stdin ends with the supervisor."""

JOIN_TIMEOUT_S = 60.0
"""For all daemons to be there: the slowest reads a table and a model."""

HEARTBEAT_NS = duration_ns(ms=500.0)

STOP_PATIENCE_NS = duration_ns(s=10.0)
"""For those upstream to stop; one that was killed never says so."""

QUIET_NS = duration_ns(ms=100.0)
"""A deciding daemon that was given nothing for so long is given a tick, so that its
journal shows until when it ran."""


class DaemonProcess:
    """The runtime around one daemon: bus, heartbeat, and the order of stopping.

    Use as a `with`: at its end the last word is said.
    """

    def __init__(
        self, name: str, folder: SessionFolder, parent: ParentWatch | None = None
    ) -> None:
        """Bind to the bus and say where; `join` connects.

        With a `parent` the daemon stops when that ends.
        """
        self.name = name
        self.folder = folder
        self.clock = LslClock()
        self.timers = Timers()
        self._context = zmq.Context()
        self._publisher = BusPublisher(self._context, name)
        self.bus = BusSubscriber(self._context, self.clock)
        self.outbox = LiveOutbox(self._publisher, self.clock, self.timers)
        self.inbox: LiveInbox | None = None
        self._meeting = Rendezvous(meeting_folder(folder))
        self._parent = parent
        self._for_node = {topic for topic, _ in daemon_named(name).hears} | {"session"}
        self._has_journal = daemon_named(name).has_journal
        self._still_running = set(upstream_of(name))
        self._stopping_since_ns: int | None = None
        self._next_beat_ns = 0
        self._quiet_since_ns = 0
        self._n_inputs = 0
        self._fault: Callable[[], M2mError | None] = lambda: None
        self._meeting.announce(name, self._publisher.endpoint)

    def join(self) -> None:
        """Connect to everyone this daemon hears, and wait for those who hear it.

        Raises
        ------
        ConfigError
            If somebody does not come.
        LinkLost
            If the session is given up meanwhile.
        """
        subscriptions = subscriptions_of(self.name)
        for one in subscriptions:
            self.bus.subscribe(one.topic, one.producer, one.delivery)
        producers = {one.producer for one in subscriptions}
        found = self._meeting.find(producers, JOIN_TIMEOUT_S, self._refuse_orphan)
        for meeting in found.values():
            self.bus.connect(meeting.endpoint)
        self.wait_until_heard(subscribed_topics(self.name))
        self._say("ready")

    def wait_until_heard(self, topics: Sequence[str]) -> None:
        """Wait until each topic has as many listeners as it is named times."""
        self._publisher.wait_for_subscribers(
            topics, JOIN_TIMEOUT_S, self._refuse_orphan
        )

    def open_inbox(self, devices: Sequence[Source] = ()) -> LiveInbox:
        """Return the inbox; its first input is the tick `started`."""
        self.inbox = LiveInbox(
            self.clock, (*devices, self.bus), self.timers, self._keep, self._go_on
        )
        self.inbox.inject(Tick(t_ns=self.clock.now_ns(), name="started"))
        gc.collect()
        gc.freeze()  # what lives for the whole session is not looked at again
        return self.inbox

    def watch(self, fault: Callable[[], M2mError | None]) -> None:
        """Tell the others about a disk that no longer takes what is written."""
        self._fault = fault

    def run_sink(self, take: Callable[[Arrival], None]) -> None:
        """Hand everything that arrives to a function, until the session is over.

        A loss seen at the door is said on the bus, and handed on as if it had come
        from there: a daemon does not hear itself.
        """
        inbox = self.open_inbox()
        while (arrival := inbox.receive()) is not None:
            take(self._passed_on(arrival))

    def _passed_on(self, arrival: Arrival) -> Arrival:
        gap = arrival.message
        if not isinstance(gap, StreamGap) or arrival.frame is not None:
            return arrival
        frame = self.outbox.say(gap)
        return Arrival(arrival.now_ns, decode(frame), frame, f"stream_gap/{self.name}")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say the last word and let go of the bus."""
        self._say("stopped" if kind is None else "fault")
        self._publisher.close()
        self.bus.close()
        self._context.term()
        self._meeting.leave(self.name)

    def _keep(self, got: Message | Received) -> bool:
        self._n_inputs += 1
        if not isinstance(got, Received):
            return self._is_input(True)
        self._notice(got.message)
        topic = topic_of(got.message)
        return self._is_input(topic is not None and topic.name in self._for_node)

    def _is_input(self, is_for_node: bool) -> bool:
        if is_for_node:
            self._quiet_since_ns = self.clock.now_ns()
        return is_for_node

    def _notice(self, message: Message) -> None:
        match message:
            case SessionEvent(kind=SessionEventKind.STOPPING):
                self._stopping_since_ns = self.clock.now_ns()
            case SessionEvent(kind=SessionEventKind.DAEMON_LOST, daemon=daemon):
                self._still_running.discard(daemon)
            case Health(daemon=daemon, state="stopped"):
                self._still_running.discard(daemon)

    def _go_on(self) -> bool:
        now_ns = self.clock.now_ns()
        if now_ns >= self._next_beat_ns:
            self._next_beat_ns = now_ns + HEARTBEAT_NS
            self._say("running")
        if self._stopping_since_ns is None:
            self._inject_what_is_due(now_ns)
            return True
        waited_ns = now_ns - self._stopping_since_ns
        return bool(self._still_running) and waited_ns < STOP_PATIENCE_NS

    def _inject_what_is_due(self, now_ns: RigNs) -> None:
        if self.inbox is None:
            return
        if self._parent is not None and self._parent.has_ended:
            event = SessionEvent(
                t_ns=now_ns,
                kind=SessionEventKind.STOPPING,
                text="the supervisor is gone",
            )
            self._notice(event)
            self.inbox.inject(event)
        elif self._has_journal and now_ns - self._quiet_since_ns > QUIET_NS:
            self._quiet_since_ns = now_ns
            self.inbox.inject(Tick(t_ns=now_ns, name="quiet"))

    def _refuse_orphan(self) -> None:
        if self._parent is not None and self._parent.has_ended:
            raise LinkLost(f"{self.name}: the session was given up before it began")

    def _say(self, state: DaemonState) -> None:
        fault = self._fault()
        self.outbox.say(
            Health(
                t_ns=self.clock.now_ns(),
                daemon=self.name,
                state="fault" if fault and state == "running" else state,
                reason=str(fault or ""),
                n_inputs=self._n_inputs,
                n_outputs=self.outbox.n_sent,
                n_refused=self.bus.n_refused,
                n_lost=self.bus.n_lost,
            )
        )


def meeting_folder(folder: SessionFolder) -> Path:
    """Return where a session's processes find each other."""
    return folder.root / "bus"
