"""Finds which bit of a recorded message was changed, and names its field."""

from dataclasses import dataclass
from zlib import crc32

import msgspec
import numpy as np

from m2m_rt.adapters.mcap_log import PROTECTED_HEAD, checksum
from m2m_rt.adapters.mcap_reader import Flaw, LogEntry
from m2m_rt.errors import DataError
from m2m_rt.messages import Array, Message, decode, encode
from m2m_rt.replay.compare import FieldDifference, first_difference

_UNREADABLE = "a message that cannot be read"
_NOT_FOUND = FieldDifference("not found: more than one bit was changed", "", "")

_CRC_OF_BIT = tuple(crc32(bytes([1 << bit])) ^ crc32(b"\0") for bit in range(8))
_CRC_OF_BYTE = tuple(crc32(bytes([byte])) ^ crc32(b"\0") for byte in range(256))


@dataclass(frozen=True, slots=True)
class Damage:
    """What happened to one recorded message."""

    message: Message | None
    """As it was written; None if that cannot be told."""

    change: FieldDifference
    """The field; `recorded` is what was written, `recomputed` what lies there now."""


def explain_damage(entry: LogEntry) -> Damage:
    """Return what was changed in a message whose record has a flaw."""
    if entry.flaw is Flaw.FRAMING:
        change = FieldDifference("record kind or length", "whole", "changed")
        return Damage(_decoded(entry.frame), change)
    written = PROTECTED_HEAD.pack(
        entry.channel, entry.log_time_ns, entry.publish_time_ns
    )
    written += entry.frame
    wrong_bits = entry.sequence ^ checksum(
        entry.channel,
        entry.frame,
        log_time_ns=entry.log_time_ns,
        publish_time_ns=entry.publish_time_ns,
    )
    if wrong_bits.bit_count() == 1:
        change = FieldDifference("checksum", "fits", "does not fit the message")
        return Damage(_decoded(entry.frame), change)
    place = flipped_bit(len(written), wrong_bits)
    if place is None:
        return Damage(None, _NOT_FOUND)
    return _explain_flip(entry, bytearray(written), *place)


def flipped_bit(n_bytes: int, wrong_bits: int) -> tuple[int, int] | None:
    """Return (byte, bit) of the one flip that explains a CRC-32 difference, or None.

    CRC-32 is linear: a flip changes it by an amount that depends only on the bit and on
    how many bytes follow, and no two flips in a message change it alike.
    """
    syndromes = list(_CRC_OF_BIT)
    for byte in range(n_bytes - 1, -1, -1):
        if wrong_bits in syndromes:
            return byte, syndromes.index(wrong_bits)
        syndromes = [(s >> 8) ^ _CRC_OF_BYTE[s & 0xFF] for s in syndromes]
    return None


def _explain_flip(entry: LogEntry, written: bytearray, byte: int, bit: int) -> Damage:
    written[byte] ^= 1 << bit
    channel, log_time_ns, publish_time_ns = PROTECTED_HEAD.unpack_from(written)
    for name, was, now in (
        ("channel", channel, entry.channel),
        ("now_ns", log_time_ns, entry.log_time_ns),
        ("publish_time_ns", publish_time_ns, entry.publish_time_ns),
    ):
        if was != now:
            change = FieldDifference(name, str(was), str(now))
            return Damage(_decoded(entry.frame), change)
    message = _decoded(bytes(written[PROTECTED_HEAD.size :]))
    if message is None:
        return Damage(None, _NOT_FOUND)
    change = _change_of_frame(message, entry.frame, byte - PROTECTED_HEAD.size)
    return Damage(message, change)


def _change_of_frame(message: Message, frame: bytes, byte: int) -> FieldDifference:
    damaged = _decoded(frame)
    if damaged is not None:
        change = first_difference(message, damaged)
        if change is not None:
            return change
    return FieldDifference(field_at(message, byte), "readable", _UNREADABLE)


def field_at(message: Message, byte: int) -> str:
    """Return the path of the field that a byte of the message's frame belongs to."""
    n_fields = len(message.__struct_fields__)
    tag = message.__struct_config__.tag
    head = len(encode(message)) - sum(
        _n_bytes(name) + _n_bytes(getattr(message, name))
        for name in message.__struct_fields__
    )
    if byte < head:
        return f"tag ({tag} of {n_fields} fields)"
    start = head
    for name in message.__struct_fields__:
        value = getattr(message, name)
        start += _n_bytes(name)
        if byte < start + _n_bytes(value):
            return name + _inside(value, byte - start)
        start += _n_bytes(value)
    return "behind the last field"


def _inside(value: object, byte: int) -> str:
    """Return the rest of the path inside a value; empty if it has no parts."""
    if byte < 0:
        return " (its name)"
    if isinstance(value, Message):
        return f".{field_at(value, byte)}"
    if isinstance(value, Array):
        return _inside_array(value, byte)
    if isinstance(value, tuple):
        return _inside_tuple(value, byte)
    return ""


def _inside_array(array: Array, byte: int) -> str:
    start = _n_bytes(array) - len(array.data)
    if byte < start:
        return ".shape"
    flat = (byte - start) // int(array.dtype[2])
    index = np.unravel_index(flat, array.shape)
    return f"[{', '.join(str(i) for i in index)}]"


def _inside_tuple(entries: tuple[object, ...], byte: int) -> str:
    start = _n_bytes(entries) - sum(_n_bytes(entry) for entry in entries)
    for index, entry in enumerate(entries):
        if start <= byte < start + _n_bytes(entry):
            return f"[{index}]" + _inside(entry, byte - start)
        start += _n_bytes(entry)
    return ""


def _n_bytes(value: object) -> int:
    return len(msgspec.msgpack.encode(value))


def _decoded(frame: bytes) -> Message | None:
    try:
        return decode(frame)
    except DataError:
        return None
