"""Outlets as a lab would open them, and waiting for messages with a deadline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pylsl

from m2m_rt.messages import Message
from m2m_rt.ports import Source

T = TypeVar("T", bound=Message)

DEADLINE_S = 20.0
"""Far beyond what any step takes: only a hang reaches it."""


@dataclass(frozen=True, kw_only=True)
class LabStream:
    name: str
    type: str
    labels: Sequence[str]
    unit: str | Sequence[str] = ""
    fs_hz: float = 0.0
    source_id: str = ""
    channel_format: str = "float32"
    desc: dict[str, str] = field(default_factory=dict)

    def open(self) -> pylsl.StreamOutlet:
        info = pylsl.StreamInfo(
            self.name,
            self.type,
            len(self.labels),
            self.fs_hz,
            self.channel_format,
            self.source_id or self.name,
        )
        for name, value in self.desc.items():
            info.desc().append_child_value(name, value)
        channels = info.desc().append_child("channels")
        for label, unit in zip(self.labels, self.units(), strict=True):
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", unit)
        return pylsl.StreamOutlet(info)

    def units(self) -> Sequence[str]:
        is_one = isinstance(self.unit, str)
        return [str(self.unit)] * len(self.labels) if is_one else self.unit


def poll_until(
    source: Source,
    enough: Callable[[list[Message]], bool],
    *,
    before_poll: Callable[[], object] = lambda: None,
) -> list[Message]:
    """Return all messages up to and including those with which there are enough."""
    messages: list[Message] = []
    deadline_s = pylsl.local_clock() + DEADLINE_S
    while not enough(messages):
        assert pylsl.local_clock() < deadline_s, f"not enough in {messages}"
        before_poll()
        messages += [m for m in source.poll(0.02) if isinstance(m, Message)]
    return messages


def of_type(messages: Sequence[Message], kind: type[T]) -> list[T]:
    return [message for message in messages if isinstance(message, kind)]
