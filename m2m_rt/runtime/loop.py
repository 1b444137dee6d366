"""The one loop that runs a node, live and in replay."""

from collections.abc import Iterable
from dataclasses import replace

from m2m_rt.messages import Message, StreamGap, decode, encode
from m2m_rt.ports import Arrival, Inbox, Node, Outbox, Record
from m2m_rt.runtime.sequence import Numbering
from m2m_rt.units import RigNs


def run_node(node: Node, inbox: Inbox, outbox: Outbox, record: Record) -> None:
    """Hand a node its inputs, one at a time, until the inbox has no more.

    Each output is sent the moment the node gives it, so that what a node says first
    does not wait for what it computes next. The input is on record before the node
    sees it: after a crash the journal ends with the message that did it.
    """
    numbering = Numbering()
    while (came := inbox.receive()) is not None:
        arrival, frame = _as_recorded(came)
        record.wrote_input(arrival, frame)
        for given in _outputs(node, arrival.now_ns, arrival.message):
            message = numbering.number(given)
            frame = encode(message)
            outbox.send(arrival, message, frame)
            record.wrote_output(arrival, message, frame)


def _as_recorded(arrival: Arrival) -> tuple[Arrival, bytes]:
    """Return an arrival as a replay will hand it over, and its frame.

    What this process made itself goes through the wire's form once, so that the node
    never sees what its journal cannot tell, such as an int where a float is meant.
    """
    if arrival.frame is not None:
        return arrival, arrival.frame
    frame = encode(arrival.message)
    return replace(arrival, message=decode(frame)), frame


def _outputs(node: Node, now_ns: RigNs, message: Message) -> Iterable[Message]:
    """Pass a loss seen at the door on to the bus, then let the node act on it."""
    if isinstance(message, StreamGap):
        yield message
    yield from node.step(now_ns, message)
