"""Outlets as a lab would open them, and waiting for messages with a deadline."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pylsl
from m2m_rt.messages import Message
from m2m_rt.ports import Source

T = TypeVar("T", bound=Message)

DEADLINE_S = 20.0
"""Far beyond what any step takes: only a hang reaches it."""


def info_of(
    name: str,
    stream_type: str,
    labels: Sequence[str],
    *,
    unit: str | Sequence[str] = "",
    fs_hz: float = 0.0,
    source_id: str = "",
    channel_format: str = "float32",
    desc: dict[str, str] | None = None,
) -> pylsl.StreamInfo:
    info = pylsl.StreamInfo(
        name, stream_type, len(labels), fs_hz, channel_format, source_id or name
    )
    for field, value in (desc or {}).items():
        info.desc().append_child_value(field, value)
    channels = info.desc().append_child("channels")
    units = [unit] * len(labels) if isinstance(unit, str) else unit
    for label, channel_unit in zip(labels, units, strict=True):
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", channel_unit)
    return info


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
