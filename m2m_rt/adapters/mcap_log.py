"""Writes messages to an MCAP file so that a kill loses none that was written."""

import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast
from zlib import crc32

import msgspec
from mcap.writer import Writer

from m2m_rt.adapters.host import sync_file
from m2m_rt.errors import DiskFault
from m2m_rt.messages import Message

PROFILE = "m2m_rt"
SYNC_INTERVAL_S = 0.2
SLOW_SYNC_S = 5.0
"""A disk that needs longer than this for one sync is a fault."""

PROTECTED_HEAD = struct.Struct("<HQQ")
"""Channel, log time, publish time: what the checksum covers before the frame."""

CHECKSUM_MEANING = (
    "crc32 of channel (u16), log time (u64) and publish time (u64), little-endian, "
    "then the frame"
)


def checksum(
    channel: int, frame: bytes, *, log_time_ns: int, publish_time_ns: int
) -> int:
    """Return what a message's MCAP `sequence` field holds.

    The rig's messages carry their own numbers, so the field is free for what MCAP does
    not have outside chunks: a proof that the bytes are those that were written.
    """
    return crc32(
        frame, crc32(PROTECTED_HEAD.pack(channel, log_time_ns, publish_time_ns))
    )


class McapLog:
    """An MCAP file under construction, unchunked: one write(2) a message.

    A write never raises and never waits for a sync. When the disk fails, `fault` says
    so, nothing more is written, and what lies in the file stays readable.
    """

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises
        ------
        DiskFault
            If it exists already or cannot be created.
        """
        try:
            self._file = _AppendedFile(path)
            self._writer = Writer(cast(IO[bytes], self._file), use_chunking=False)
            self._writer.start(profile=PROFILE)
        except OSError as err:
            msg = f"{path}: {err.strerror}"
            raise DiskFault(msg) from err
        self._path = path
        self._schemas: dict[tuple[type[Message], ...], int] = {}
        self._fault: DiskFault | None = None
        self._syncing = _Syncing(self._file.sync, self._fail)
        self.n_unwritten = 0
        """Messages that were not written because of the fault."""

    @property
    def fault(self) -> DiskFault | None:
        """Why messages are not on the disk, or None while they are."""
        if self._fault is None and self._syncing.seconds_stuck() > SLOW_SYNC_S:
            return DiskFault(f"{self._path}: disk has not synced for {SLOW_SYNC_S} s")
        return self._fault

    def add_channel(self, topic: str, *message_types: type[Message]) -> int:
        """Return the number of a new channel for messages of these types."""
        if message_types not in self._schemas:
            self._schemas[message_types] = self._writer.register_schema(
                _schema_name(message_types), "jsonschema", _json_schema(message_types)
            )
        channel: int = self._writer.register_channel(
            topic,
            "msgpack",
            self._schemas[message_types],
            {"sequence": CHECKSUM_MEANING},
        )
        return channel

    def write(
        self, channel: int, frame: bytes, *, log_time_ns: int, publish_time_ns: int
    ) -> None:
        """Append one message; on return it survives a kill of this process."""
        if self._fault is not None:
            self.n_unwritten += 1
            return
        publish_time_ns = min(max(publish_time_ns, 0), 2**64 - 1)  # MCAP's is unsigned
        proof = checksum(
            channel, frame, log_time_ns=log_time_ns, publish_time_ns=publish_time_ns
        )
        try:
            self._writer.add_message(
                channel, log_time_ns, frame, publish_time_ns, proof
            )
        except OSError as err:
            self.n_unwritten += 1
            self._fail(err)
            self._file.cut_torn_record()
        self._syncing.is_due = True

    def close(self, *, is_clean: bool = True) -> None:
        """Sync and close; a clean end is marked in the file, a cut one shows."""
        self._syncing.stop()
        try:
            if is_clean and self._fault is None:
                self._writer.finish()  # type: ignore[no-untyped-call] # mcap has no hint
            self._file.sync()
        except OSError as err:
            self._fail(err)
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        """Return the log itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; after an exception the end is left unmarked, as after a kill."""
        self.close(is_clean=kind is None)

    def _fail(self, err: OSError) -> None:
        if self._fault is None:
            self._fault = DiskFault(f"{self._path}: {err.strerror}")


class _AppendedFile:
    """What the MCAP writer needs of a file, without a buffer of its own."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._position = 0

    def write(self, record: bytes) -> int:
        """Append all of it, or raise OSError."""
        rest = memoryview(record)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._position += len(record)
        return len(record)

    def tell(self) -> int:
        """Return the length of what was written whole."""
        return self._position

    def cut_torn_record(self) -> None:
        """Drop the part of a record that a full disk still took."""
        try:
            self._file.truncate(self._position)
        except OSError:
            return  # the reader stops before a torn record all the same

    def sync(self) -> None:
        """Wait until it is on the disk."""
        sync_file(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Syncing:
    """A thread that only blocks: in the disk's sync, or waiting for the next one."""

    def __init__(
        self, sync: Callable[[], None], fail: Callable[[OSError], None]
    ) -> None:
        self.is_due = False
        self._sync = sync
        self._fail = fail
        self._started_s: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
        self._thread.start()

    def seconds_stuck(self) -> float:
        """Return how long the sync under way has taken; 0 when there is none."""
        started_s = self._started_s
        return 0.0 if started_s is None else time.monotonic() - started_s

    def stop(self) -> None:
        """End the thread; waits for a sync under way."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(SYNC_INTERVAL_S):
            if self.is_due:
                self.is_due = False
                self._sync_once()

    def _sync_once(self) -> None:
        self._started_s = time.monotonic()
        try:
            self._sync()
        except OSError as err:
            self._fail(err)
        finally:
            self._started_s = None


def _schema_name(message_types: tuple[type[Message], ...]) -> str:
    tags = [str(one.__struct_config__.tag) for one in message_types]
    return tags[0] if len(tags) == 1 else "m2m_rt.any_message"


def _json_schema(message_types: tuple[type[Message], ...]) -> bytes:
    """Describe the fields for other people's tools; bytes are msgpack's, not base64."""
    schemas, definitions = msgspec.json.schema_components(
        message_types, ref_template="#/$defs/{name}"
    )
    return msgspec.json.encode({"anyOf": schemas, "$defs": definitions})
