"""Reads the MCAP files that `McapLog` wrote: whole, cut anywhere, or damaged."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from io import BufferedReader, BytesIO
from pathlib import Path
from zlib import crc32

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel
from mcap.writer import MCAP0_MAGIC

from m2m_rt.errors import DataError

_RECORD_HEAD = struct.Struct("<BQ")
"""Opcode and length of the body."""

_MESSAGE_HEAD = struct.Struct("<HIQQ")
"""Channel, sequence, log time, publish time; the frame fills the rest of the body."""

_LENGTH_BITS = 64


class LogEnd(Enum):
    """How a file ends."""

    CLEAN = "closed by its writer"
    CUT = "cut short: still being written, its writer killed, or its disk full"
    DAMAGED = "bytes were changed after they were written"


class Flaw(Enum):
    """What is wrong with one message's record."""

    NONE = "nothing"
    CONTENT = "the checksum does not fit the bytes"
    FRAMING = "the record's kind or length was changed; its content is whole"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One message as it lies in the file."""

    index: int
    """Number of messages before it in the file."""

    offset: int
    """First byte of its record."""

    topic: str
    channel: int
    log_time_ns: int
    publish_time_ns: int
    sequence: int
    """The stored checksum."""

    frame: bytes
    flaw: Flaw


@dataclass(frozen=True, slots=True)
class _Record:
    offset: int
    opcode: int
    body: bytes

    @property
    def end(self) -> int:
        return self.offset + _RECORD_HEAD.size + len(self.body)


class LogReader:
    """The messages of one file in order; iterate once, then ask `end`."""

    def __init__(self, path: Path) -> None:
        """Look at the file.

        Raises
        ------
        DataError
            If it does not exist.
        """
        if not path.is_file():
            msg = f"{path}: no such file"
            raise DataError(msg)
        self._path = path
        self.n_bytes = path.stat().st_size
        """Of the file now: what a running session adds is not read, for it may stop
        anywhere in a record."""

        self.position = 0
        """Bytes read so far, for a progress bar."""

        self.end: LogEnd | None = None
        """How the file ends; None until that was seen."""

        self._topics: dict[int, str] = {}
        self._n_messages = 0

    def __iter__(self) -> Iterator[LogEntry]:
        """Yield every message that is whole, also those whose checksum is wrong.

        Raises
        ------
        DataError
            If it is no MCAP file.
        """
        with self._path.open("rb") as file:
            self._read_magic(file)
            while self.end is None:
                record = self._read_record(file)
                entry = self._take(file, record) if record is not None else None
                if entry is not None:
                    self._n_messages += 1
                    yield entry

    def _read_magic(self, file: BufferedReader) -> None:
        magic = file.read(len(MCAP0_MAGIC))
        self.position = len(magic)
        if magic != MCAP0_MAGIC[: len(magic)]:
            msg = f"{self._path}: not an MCAP file"
            raise DataError(msg)

    def _read_record(self, file: BufferedReader) -> _Record | None:
        """Return the next record if it is whole; else say how the file ends."""
        offset = self.position
        head = file.read(min(_RECORD_HEAD.size, max(0, self.n_bytes - offset)))
        if len(head) < _RECORD_HEAD.size:
            self.end = LogEnd.CUT
            return None
        opcode, length = _RECORD_HEAD.unpack(head)
        is_whole = length <= self.n_bytes - offset - len(head)
        record = _Record(offset, opcode, file.read(length) if is_whole else b"")
        self.position = record.end
        return record if is_whole else _Record(offset, -1, b"")

    def _take(self, file: BufferedReader, record: _Record) -> LogEntry | None:
        match record.opcode:
            case Opcode.MESSAGE if _is_proven(record.body):
                return self._entry(record, Flaw.NONE)
            case Opcode.CHANNEL if not _is_proven(record.body):
                self._add_channel(record)
            case Opcode.HEADER | Opcode.SCHEMA if not _is_proven(record.body):
                pass
            case Opcode.DATA_END if not _is_proven(record.body):
                self.end = LogEnd.CLEAN
            case _:
                return self._mend(file, record)
        return None

    def _add_channel(self, record: _Record) -> None:
        try:
            channel = Channel.read(ReadDataStream(BytesIO(record.body)))
        except (struct.error, UnicodeDecodeError, EOFError):
            self.end = LogEnd.DAMAGED
            return
        self._topics[channel.id] = channel.topic

    def _entry(self, record: _Record, flaw: Flaw) -> LogEntry:
        channel, sequence, log_time_ns, publish_time_ns = _MESSAGE_HEAD.unpack_from(
            record.body
        )
        return LogEntry(
            index=self._n_messages,
            offset=record.offset,
            topic=self._topic(channel, record.body),
            channel=channel,
            log_time_ns=log_time_ns,
            publish_time_ns=publish_time_ns,
            sequence=sequence,
            frame=record.body[_MESSAGE_HEAD.size :],
            flaw=flaw,
        )

    def _topic(self, channel: int, body: bytes) -> str:
        """Return a message's topic, also when only its channel number was changed."""
        if channel in self._topics:
            return self._topics[channel]
        for known, topic in self._topics.items():
            if _is_proven(known.to_bytes(2, "little") + body[2:]):
                return topic
        return f"channel {channel}"

    def _mend(self, file: BufferedReader, record: _Record) -> LogEntry | None:
        """Go on behind a record that is not what was written, if its end is known."""
        file.seek(record.offset)
        rest = file.read(self.n_bytes - record.offset)
        mended = _with_true_length(record.offset, rest)
        flaw = Flaw.FRAMING
        if mended is None and record.opcode == Opcode.MESSAGE:
            mended = record if len(record.body) >= _MESSAGE_HEAD.size else None
            flaw = Flaw.CONTENT
        if mended is None:
            is_torn = record.opcode == -1 or not rest.strip(b"\0")
            is_cut = is_torn and not _holds_message(rest)
            self.end = LogEnd.CUT if is_cut else LogEnd.DAMAGED
            return None
        self.position = mended.end
        file.seek(mended.end)
        return self._entry(mended, flaw)


def _is_proven(body: bytes) -> bool:
    """Return whether a body is a message's and its checksum fits."""
    if len(body) < _MESSAGE_HEAD.size:
        return False
    sequence = int.from_bytes(body[2:6], "little")
    return crc32(body[6:], crc32(body[:2])) == sequence


def _with_true_length(offset: int, rest: bytes) -> _Record | None:
    """Return the message at the start of `rest` if one bit of its length is wrong."""
    _, length = _RECORD_HEAD.unpack_from(rest)
    available = len(rest) - _RECORD_HEAD.size
    for candidate in (length, *(length ^ (1 << bit) for bit in range(_LENGTH_BITS))):
        if _MESSAGE_HEAD.size <= candidate <= available:
            body = rest[_RECORD_HEAD.size : _RECORD_HEAD.size + candidate]
            if _is_proven(body):
                return _Record(offset, Opcode.MESSAGE, body)
    return None


def _holds_message(rest: bytes) -> bool:
    """Return whether a whole message lies in `rest`: then it is no torn end."""
    start = rest.find(Opcode.MESSAGE)
    while 0 <= start <= len(rest) - _RECORD_HEAD.size:
        _, length = _RECORD_HEAD.unpack_from(rest, start)
        first = start + _RECORD_HEAD.size
        if length <= len(rest) - first and _is_proven(rest[first : first + length]):
            return True
        start = rest.find(Opcode.MESSAGE, start + 1)
    return False
