"""The live outbox: messages to the bus, effects to those who carry them out."""

from collections.abc import Callable

from m2m_rt.adapters.zmq_bus import BusPublisher
from m2m_rt.errors import DataError
from m2m_rt.messages import FitRequest, Message, SetTimer, Trace, encode, topic_of
from m2m_rt.ports import Arrival, Clock
from m2m_rt.runtime import Numbering, Timers


class LiveOutbox:
    """Where the outputs of one daemon's node go."""

    def __init__(
        self,
        publisher: BusPublisher,
        clock: Clock,
        timers: Timers,
    ) -> None:
        """Send to the bus and to the timers."""
        self._publisher = publisher
        self._clock = clock
        self._timers = timers
        self.start_fit: Callable[[FitRequest], None] | None = None
        """Carries out a `FitRequest`; None where there is no trainer."""

        self._traced = ""
        self._hand_back: Callable[[Message], None] | None = None
        self._numbering = Numbering()
        self.n_sent = 0
        """Messages published."""

    def trace(self, topic: str, hand_back: Callable[[Message], None]) -> None:
        """Make a `Trace` of every message on a topic, and give it to the node too."""
        self._traced = topic
        self._hand_back = hand_back

    def send(self, arrival: Arrival, message: Message, frame: bytes) -> None:
        """Publish a message, or carry out an effect."""
        match message:
            case SetTimer():
                self._timers.set(message)
            case FitRequest():
                self._fit(message)
            case _:
                self._publish(arrival, message, frame)

    def say(self, message: Message) -> bytes:
        """Publish what the runtime says, not the node: health; return the frame."""
        numbered = self._numbering.number(message)
        frame = encode(numbered)
        self._publisher.publish(_topic_name(numbered), frame)
        return frame

    def _publish(self, arrival: Arrival, message: Message, frame: bytes) -> None:
        topic = _topic_name(message)
        self._publisher.publish(topic, frame)
        self.n_sent += 1
        if topic == self._traced and self._hand_back is not None:
            publish_ns = self._clock.now_ns()
            trace = Trace(
                t_ns=message.t_ns,
                topic=topic,
                about_seq=message.seq,
                received_ns=arrival.now_ns,
                publish_ns=publish_ns,
            )
            self._hand_back(trace)
            self.say(trace)

    def _fit(self, request: FitRequest) -> None:
        if self.start_fit is None:
            msg = "a node asked for a fit where there is no trainer"
            raise DataError(msg)
        self.start_fit(request)


def _topic_name(message: Message) -> str:
    topic = topic_of(message)
    if topic is None:
        msg = f"{type(message).__name__} has no topic: it cannot be published"
        raise DataError(msg)
    return topic.name
