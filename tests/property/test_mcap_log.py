"""A recording cut anywhere gives what was whole; no changed bit goes unseen."""

from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.adapters.mcap_log import McapLog
from m2m_rt.adapters.mcap_reader import Flaw, LogEnd, LogEntry, LogReader
from m2m_rt.messages import SessionEvent, SessionEventKind, encode
from m2m_rt.replay.damage import explain_damage, flipped_bit
from m2m_rt.units import RigNs

N_MESSAGES = 4
RECORD_HEAD_BYTES = 9 + 22


def frames() -> list[bytes]:
    return [
        encode(
            SessionEvent(
                t_ns=RigNs(1000 + index),
                seq=index,
                kind=SessionEventKind.NOTE,
                text="x" * index,
            )
        )
        for index in range(N_MESSAGES)
    ]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "whole.mcap"
    with McapLog(path) as log:
        channels = [log.add_channel(name, SessionEvent) for name in ("in", "out")]
        for index, frame in enumerate(frames()):
            log.write(
                channels[index % 2], frame, log_time_ns=index, publish_time_ns=index
            )
    return path


def read(path: Path) -> tuple[list[LogEntry], LogEnd | None]:
    reader = LogReader(path)
    return list(reader), reader.end


def data_end(entries: list[LogEntry]) -> int:
    """Return the number of bytes up to the end of the last message."""
    return entries[-1].offset + RECORD_HEAD_BYTES + len(entries[-1].frame)


def test_a_log_cut_at_any_byte_gives_the_messages_before_the_cut(log: Path) -> None:
    whole = log.read_bytes()
    entries, end = read(log)
    assert [entry.frame for entry in entries] == frames()
    assert end is LogEnd.CLEAN
    ends = [one.offset + RECORD_HEAD_BYTES + len(one.frame) for one in entries]
    cut = log.with_name("cut.mcap")
    for n_bytes in range(data_end(entries) + 1):
        cut.write_bytes(whole[:n_bytes])
        n_whole = sum(end <= n_bytes for end in ends)
        assert read(cut) == (entries[:n_whole], LogEnd.CUT)


def test_a_power_cut_that_leaves_zeros_is_a_cut(log: Path) -> None:
    entries, _ = read(log)
    cut = log.with_name("zeros.mcap")
    cut.write_bytes(log.read_bytes()[: entries[2].offset] + bytes(4096))
    assert read(cut) == (entries[:2], LogEnd.CUT)


def test_any_flipped_bit_of_any_message_is_found_and_undone(log: Path) -> None:
    whole = log.read_bytes()
    entries, _ = read(log)
    flipped = log.with_name("flipped.mcap")
    for bit in range(8 * entries[2].offset, 8 * data_end(entries)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        flipped.write_bytes(changed)
        found, end = read(flipped)
        assert end is LogEnd.CLEAN
        wrong = [entry for entry in found if entry.flaw is not Flaw.NONE]
        hit = [entry for entry in entries if entry.offset <= bit // 8][-1]
        assert [entry.index for entry in wrong] == [hit.index]
        damage = explain_damage(wrong[0])
        assert damage.message is not None
        assert encode(damage.message) == hit.frame
        assert damage.change.field
        assert len(found) == N_MESSAGES


@given(log_bytes=st.binary(max_size=400))
def test_no_bytes_behind_the_magic_make_the_reader_fail(
    log: Path, log_bytes: bytes
) -> None:
    odd = log.with_name("odd.mcap")
    odd.write_bytes(log.read_bytes()[:8] + log_bytes)
    _, end = read(odd)
    assert end is not None


@given(content=st.binary(min_size=1, max_size=300), data=st.data())
def test_the_flipped_bit_is_found_from_the_checksums(
    content: bytes, data: st.DataObject
) -> None:
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    wrong_bits = crc32(content) ^ crc32(changed)
    assert flipped_bit(len(content), wrong_bits) == divmod(bit, 8)
