"""How a sender names its stream; importing this does not load liblsl."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamName:
    """What a stream is chosen by."""

    name: str

    source_id: str
    """Stays the same when the sender starts again."""
