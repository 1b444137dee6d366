"""The recording on disk: readable by others, whole after a kill and on a full disk."""

import errno
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from mcap.reader import make_reader

from m2m_rt.adapters.host import kill_process
from m2m_rt.adapters.mcap_log import McapLog, _Syncing  # noqa: PLC2701 - apart from a file
from m2m_rt.adapters.mcap_reader import Flaw, LogEnd, LogReader
from m2m_rt.errors import DataError, DiskFault
from m2m_rt.messages import SessionEvent, SessionEventKind, encode
from m2m_rt.units import RigNs

FRAME = encode(SessionEvent(t_ns=RigNs(7), kind=SessionEventKind.NOTE, text="hello"))


def written(path: Path, n_messages: int) -> Path:
    with McapLog(path) as log:
        channel = log.add_channel("session/supervisor", SessionEvent)
        for index in range(n_messages):
            log.write(channel, FRAME, log_time_ns=100 + index, publish_time_ns=7)
    return path


def test_other_tools_read_the_log(tmp_path: Path) -> None:
    path = written(tmp_path / "log.mcap", 3)
    with path.open("rb") as file:
        read = list(make_reader(file, validate_crcs=True).iter_messages())
    assert [message.log_time for _, _, message in read] == [100, 101, 102]
    schema, channel, message = read[0]
    assert schema is not None
    assert schema.name == "session.v1"
    assert b"t_ns" in schema.data
    assert channel.topic == "session/supervisor"
    assert channel.message_encoding == "msgpack"
    assert message.data == FRAME
    assert message.publish_time == 7


def test_an_instant_that_mcap_cannot_hold_is_kept_in_the_frame(tmp_path: Path) -> None:
    path = tmp_path / "log.mcap"
    frame = encode(
        SessionEvent(t_ns=RigNs(-5), kind=SessionEventKind.NOTE, text="early")
    )
    with McapLog(path) as log:
        channel = log.add_channel("session/supervisor", SessionEvent)
        log.write(channel, frame, log_time_ns=1, publish_time_ns=-5)
    (entry,) = LogReader(path)
    assert entry.frame == frame
    assert entry.flaw is Flaw.NONE


def test_an_existing_log_is_never_written_over(tmp_path: Path) -> None:
    path = written(tmp_path / "log.mcap", 1)
    before = path.read_bytes()
    with pytest.raises(DiskFault, match=r"log\.mcap"):
        McapLog(path)
    assert path.read_bytes() == before


def test_a_log_that_grows_is_read_as_far_as_it_was_written(tmp_path: Path) -> None:
    log = McapLog(tmp_path / "log.mcap")
    channel = log.add_channel("session/supervisor", SessionEvent)
    for index in range(300):
        log.write(channel, FRAME, log_time_ns=100 + index, publish_time_ns=7)
    reader = LogReader(tmp_path / "log.mcap")
    read = []
    for entry in reader:
        read.append((entry.log_time_ns, entry.flaw))
        if len(read) <= 200:  # the session goes on
            log.write(channel, FRAME, log_time_ns=1000, publish_time_ns=7)
    log.close()
    assert read == [(100 + index, Flaw.NONE) for index in range(300)]
    assert reader.end is LogEnd.CUT


def crash_while_writing(path: Path) -> None:
    with McapLog(path) as log:
        channel = log.add_channel("session/supervisor", SessionEvent)
        log.write(channel, FRAME, log_time_ns=1, publish_time_ns=7)
        raise ArithmeticError


def test_a_crash_leaves_the_end_unmarked(tmp_path: Path) -> None:
    path = tmp_path / "log.mcap"
    with pytest.raises(ArithmeticError):
        crash_while_writing(path)
    reader = LogReader(path)
    assert [entry.frame for entry in reader] == [FRAME]
    assert reader.end is LogEnd.CUT


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.mcap"
    path.write_bytes(b"HDF5 it is not, nor MCAP")
    with pytest.raises(DataError, match="not an MCAP file"):
        list(LogReader(path))
    with pytest.raises(DataError, match="no such file"):
        LogReader(tmp_path / "nothing.mcap")


WRITE_FOR_EVER = """
    import os, sys
    from pathlib import Path
    from m2m_rt.adapters.mcap_log import McapLog
    from m2m_rt.messages import EmgChunk, encode, pack_f32
    import numpy as np

    with McapLog(Path(sys.argv[1])) as log:
        channel = log.add_channel("emg/acquired", EmgChunk)
        samples = pack_f32(np.zeros((100, 16), np.float32))
        n = 0
        while True:
            chunk = EmgChunk(t_ns=n, seq=n, first_row=n, fs_hz=5000.0, samples=samples)
            log.write(channel, encode(chunk), log_time_ns=n, publish_time_ns=n)
            n += 1
            os.write(1, b"%d\\n" % n)
"""


@pytest.mark.parametrize("n_before_kill", [1, 50, 3000])
def test_every_message_whose_write_returned_survives_a_kill(
    tmp_path: Path, n_before_kill: int
) -> None:
    path = tmp_path / "log.mcap"
    command = [sys.executable, "-c", textwrap.dedent(WRITE_FOR_EVER), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in range(n_before_kill):
            child.stdout.readline()
        kill_process(child.pid)
        told = child.stdout.read().splitlines(keepends=True)
    whole = [int(line) for line in told if line.endswith(b"\n")]
    n_returned = max(whole, default=n_before_kill)
    reader = LogReader(path)
    entries = list(reader)
    assert len(entries) >= n_returned
    assert [entry.log_time_ns for entry in entries] == list(range(len(entries)))
    assert all(entry.flaw is Flaw.NONE for entry in entries)
    assert reader.end is LogEnd.CUT


FILL_THE_DISK = """
    import resource, signal, sys
    from pathlib import Path
    from m2m_rt.adapters.mcap_log import McapLog
    from m2m_rt.messages import SessionEvent, SessionEventKind, encode

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    with McapLog(Path(sys.argv[1])) as log:
        channel = log.add_channel("session/supervisor", SessionEvent)
        for n in range(1000):
            note = SessionEvent(t_ns=n, kind=SessionEventKind.NOTE, text="x" * 100)
            log.write(channel, encode(note), log_time_ns=n, publish_time_ns=n)
        print(log.n_unwritten, log.fault)
"""


def test_a_full_disk_is_a_fault_that_counts_what_is_lost(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="this system has no limit of a file's size")
    path = tmp_path / "log.mcap"
    command = [sys.executable, "-c", textwrap.dedent(FILL_THE_DISK), str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    n_unwritten, _, fault = told.partition(" ")
    reader = LogReader(path)
    entries = list(reader)
    assert 0 < len(entries) == 1000 - int(n_unwritten)
    assert [entry.log_time_ns for entry in entries] == list(range(len(entries)))
    assert reader.end is LogEnd.CUT
    assert "log.mcap: File too large" in fault


def test_a_disk_that_refuses_a_sync_is_told() -> None:
    told: list[str] = []
    refused = threading.Event()

    def refuse() -> None:
        raise OSError(errno.EIO, "Input/output error")

    def fail(err: OSError) -> None:
        told.append(err.strerror)
        refused.set()

    syncing = _Syncing(refuse, fail)
    syncing.is_due = True
    assert refused.wait(timeout=30.0)
    syncing.stop()
    assert told == ["Input/output error"]


def test_a_sync_that_does_not_return_shows_its_age() -> None:
    entered, released = threading.Event(), threading.Event()
    told: list[OSError] = []

    def hang() -> None:
        entered.set()
        released.wait()

    syncing = _Syncing(hang, told.append)
    assert syncing.seconds_stuck() == 0.0
    syncing.is_due = True
    assert entered.wait(timeout=30.0)
    assert syncing.seconds_stuck() > 0.0
    released.set()
    syncing.stop()
    assert syncing.seconds_stuck() == 0.0
    assert told == []
