"""Numbering of messages on the way out, and finding the missing ones on the way in."""

from collections import defaultdict

import msgspec

from m2m_rt.messages import Message, tag_of


class Numbering:
    """Gives each message its place among its producer's messages of the same kind."""

    def __init__(self) -> None:
        """Start every kind at 0."""
        self._next: dict[str, int] = defaultdict(int)

    def number(self, message: Message) -> Message:
        """Return the message with its `seq`."""
        tag = tag_of(message)
        numbered = msgspec.structs.replace(message, seq=self._next[tag])
        self._next[tag] += 1
        return numbered


class SequenceCheck:
    """Says how many messages of a topic went missing before each one."""

    def __init__(self) -> None:
        """Expect every topic to start at 0."""
        self._expected: dict[str, int] = defaultdict(int)

    def n_missing(self, topic: str, seq: int) -> int:
        """Return the number lost before this one; −1 if it is old or a repeat."""
        expected = self._expected[topic]
        if seq < expected:
            return -1
        self._expected[topic] = seq + 1
        return seq - expected
