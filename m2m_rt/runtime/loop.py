"""The one loop that runs a node, live and in replay."""

from collections.abc import Iterable

from m2m_rt.messages import Message, StreamGap, encode
from m2m_rt.ports import Inbox, Node, Outbox, Record
from m2m_rt.runtime.sequence import Numbering
from m2m_rt.units import RigNs


def run_node(node: Node, inbox: Inbox, outbox: Outbox, record: Record) -> None:
    """Hand a node its inputs, one at a time, until the inbox has no more.

    Each output is sent the moment the node gives it, so that what a node says first
    does not wait for what it computes next. The input is on record before the node
    sees it: after a crash the journal ends with the message that did it.
    """
    numbering = Numbering()
    arrival = inbox.receive()
    while arrival is not None:
        record.wrote_input(arrival, arrival.frame or encode(arrival.message))
        for given in _outputs(node, arrival.now_ns, arrival.message):
            message = numbering.number(given)
            frame = encode(message)
            outbox.send(arrival, message, frame)
            record.wrote_output(arrival, message, frame)
        arrival = inbox.receive()


def _outputs(node: Node, now_ns: RigNs, message: Message) -> Iterable[Message]:
    """Pass a loss seen at the door on to the bus, then let the node act on it."""
    if isinstance(message, StreamGap):
        yield message
    yield from node.step(now_ns, message)
