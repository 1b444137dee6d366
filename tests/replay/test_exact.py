"""Exact replay: equal when nothing was changed, and told where when something was."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.adapters.journal import Journal
from m2m_rt.adapters.mcap_reader import LogEnd, LogEntry, LogReader
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.errors import ModelRefused
from m2m_rt.messages import decode
from m2m_rt.ports import Arrival, Node
from m2m_rt.replay import Finding, ReplayReport, check_session, replay_daemon
from m2m_rt.units import RigNs
from tests.support.recordings import FailsAt, Smoother, chunks, record

RECORD_HEAD_BYTES = 9 + 22


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "toy.mcap"
    return record(path, Smoother(), chunks(12))


def replayed(path: Path, node: Node | None = None, rtol: float = 0.0) -> ReplayReport:
    return replay_daemon(path, node or Smoother(), daemon="toy", rtol=rtol)


def entries(path: Path, topic: str) -> list[LogEntry]:
    return [entry for entry in LogReader(path) if entry.topic == topic]


def rewritten(path: Path, kept: list[LogEntry], name: str) -> Path:
    """Write a journal of these entries, checksums and all."""
    changed = path.with_name(name)
    changed.unlink(missing_ok=True)
    with Journal(changed) as journal:
        for entry in kept:
            message = decode(entry.frame)
            arrival = Arrival(RigNs(entry.log_time_ns), message)
            if entry.topic == "in":
                journal.wrote_input(arrival, entry.frame)
            else:
                journal.wrote_output(arrival, message, entry.frame)
    return changed


def test_a_node_with_timers_replays_byte_for_byte(journal: Path) -> None:
    report = replayed(journal)
    assert report.difference is None
    assert report.end is LogEnd.CLEAN
    assert report.n_inputs == 12 + 3  # chunks, and ticks that came due
    assert report.n_outputs == 12 + 4 + 3  # smoothed chunks, timers, words


def test_a_changed_coefficient_is_named_down_to_the_sample(journal: Path) -> None:
    report = replayed(journal, Smoother(0.25000003))
    assert report.difference is not None
    assert report.difference.finding is Finding.OUTPUT_DIFFERS
    assert report.difference.message.startswith("output 0: emg.v1, seq 0, t_ns ")
    assert report.difference.field == "samples[0, 0]"
    assert float(report.difference.recorded) != float(report.difference.recomputed)
    assert "toy" in str(report.difference)


def test_a_relative_tolerance_passes_rounding_and_nothing_more(journal: Path) -> None:
    assert replayed(journal, Smoother(0.2500003), rtol=1e-5).difference is None
    difference = replayed(journal, Smoother(0.2501), rtol=1e-5).difference
    assert difference is not None
    assert difference.field.startswith("samples[")


@given(data=st.data())
def test_any_flipped_bit_of_any_input_is_named(
    journal: Path, data: st.DataObject
) -> None:
    number, hit = data.draw(st.sampled_from(list(enumerate(entries(journal, "in")))))
    n_bits = 8 * (RECORD_HEAD_BYTES + len(hit.frame))
    report = flipped(journal, 8 * hit.offset + data.draw(st.integers(0, n_bits - 1)))
    assert report.difference is not None
    assert report.difference.finding is Finding.INPUT_DAMAGED
    message = decode(hit.frame)
    name = f"seq {message.seq}, t_ns {message.t_ns}"
    assert name in report.difference.message
    assert report.difference.message.startswith(f"input {number}: ")
    assert report.difference.field


@given(data=st.data())
def test_any_flipped_bit_of_any_output_is_told(
    journal: Path, data: st.DataObject
) -> None:
    number, hit = data.draw(st.sampled_from(list(enumerate(entries(journal, "out")))))
    n_bits = 8 * (RECORD_HEAD_BYTES + len(hit.frame))
    report = flipped(journal, 8 * hit.offset + data.draw(st.integers(0, n_bits - 1)))
    assert report.difference is not None
    assert report.difference.finding is Finding.OUTPUT_DAMAGED
    assert report.difference.message.startswith(f"output {number}: ")
    assert report.difference.field


def flipped(journal: Path, bit: int) -> ReplayReport:
    """Replay a copy in which one bit of the file was changed."""
    changed = bytearray(journal.read_bytes())
    changed[bit // 8] ^= 1 << bit % 8
    copy = journal.with_name("flipped.mcap")
    copy.write_bytes(changed)
    return replayed(copy)


def test_a_flipped_sample_is_named_with_both_values(journal: Path) -> None:
    third = entries(journal, "in")[2]
    samples = decode(third.frame).samples  # type: ignore[attr-defined]  # a chunk
    start = third.offset + RECORD_HEAD_BYTES + third.frame.index(samples.data)
    report = flipped(journal, 8 * (start + 4 * 7))  # last bit of row 2, channel 1
    assert report.difference is not None
    assert report.difference.field == "samples[2, 1]"
    assert report.difference.recorded != report.difference.recomputed
    assert report.difference.message.startswith("input 2: emg_received.v1, seq 2, ")


def test_an_input_changed_together_with_its_checksum_changes_an_output(
    journal: Path,
) -> None:
    kept = list(LogReader(journal))
    chunk = decode(kept[0].frame)
    samples = chunk.samples  # type: ignore[attr-defined]  # a chunk
    data = bytearray(samples.data)
    data[0] ^= 1
    forged = kept[0].frame.replace(samples.data, bytes(data))
    kept[0] = replace(kept[0], frame=forged)
    report = replayed(rewritten(journal, kept, "forged.mcap"))
    assert report.difference is not None
    assert report.difference.finding is Finding.OUTPUT_DIFFERS
    assert report.difference.field == "samples[0, 0]"


def test_a_removed_output_is_an_extra_one(journal: Path) -> None:
    kept = list(LogReader(journal))
    del kept[1]
    report = replayed(rewritten(journal, kept, "removed.mcap"))
    assert report.difference is not None
    assert report.difference.finding is Finding.OUTPUT_EXTRA


def test_an_added_output_is_missed(journal: Path) -> None:
    kept = list(LogReader(journal))
    first = next(i for i, e in enumerate(kept) if e.topic == "out")
    kept.insert(first + 1, kept[first])
    report = replayed(rewritten(journal, kept, "added.mcap"))
    assert report.difference is not None
    assert report.difference.finding is Finding.OUTPUT_MISSING
    assert "emg.v1" in report.difference.message


def test_the_last_output_of_a_clean_journal_may_not_be_missing(journal: Path) -> None:
    kept = list(LogReader(journal))
    assert kept[-1].topic == "out"
    report = replayed(rewritten(journal, kept[:-1], "short.mcap"))
    assert report.difference is not None
    assert report.difference.finding is Finding.OUTPUT_EXTRA


@given(data=st.data())
def test_a_journal_cut_by_a_kill_replays_up_to_the_cut(
    journal: Path, data: st.DataObject
) -> None:
    whole = journal.read_bytes()
    last = entries(journal, "out")[-1]
    data_end = last.offset + RECORD_HEAD_BYTES + len(last.frame)
    n_bytes = data.draw(st.integers(0, data_end))
    cut = journal.with_name("cut.mcap")
    cut.write_bytes(whole[:n_bytes])
    report = replayed(cut)
    assert report.difference is None
    assert report.end is LogEnd.CUT
    assert report.n_unrecorded <= 2


def test_a_node_that_failed_when_recorded_fails_again(tmp_path: Path) -> None:
    path = record(tmp_path / "toy.mcap", FailsAt(5), chunks(8))
    report = replayed(path, FailsAt(5))
    assert report.difference is None
    assert report.failed_as_recorded == "ArithmeticError: planted"
    assert report.n_inputs == 6


def test_a_node_that_fails_only_in_replay_is_told(journal: Path) -> None:
    report = replayed(journal, FailsAt(5))
    assert report.difference is not None
    assert report.difference.finding is Finding.NODE_FAILED
    assert report.difference.message.startswith("input 5: ")
    assert "planted" in report.difference.recomputed


def test_a_session_is_equal_when_every_start_of_every_daemon_is(tmp_path: Path) -> None:
    folder = SessionFolder.create(tmp_path / "session", {})
    for daemon, n_starts in (("acquired", 1), ("posed", 2)):
        for seed in range(n_starts):
            record(folder.new_journal_path(daemon), Smoother(), chunks(5, seed))
    check = check_session(folder, ["acquired", "posed"], lambda _: Smoother())
    assert check.differences == ()
    names = [report.journal for report in check.reports]
    assert names == ["acquired.mcap", "posed.mcap", "posed.2.mcap"]


def test_a_session_names_each_daemon_that_differs(tmp_path: Path) -> None:
    folder = SessionFolder.create(tmp_path / "session", {})
    for daemon in ("acquired", "posed", "predictd"):
        record(folder.new_journal_path(daemon), Smoother(), chunks(5))

    def build(daemon: str) -> Node:
        if daemon == "predictd":
            raise ModelRefused("no such model")
        return Smoother(0.3 if daemon == "posed" else 0.25)

    check = check_session(folder, ["acquired", "posed", "predictd", "traind"], build)
    found = {one.daemon: one.finding for one in check.differences}
    assert found == {
        "posed": Finding.OUTPUT_DIFFERS,
        "predictd": Finding.NOT_REBUILT,
        "traind": Finding.NO_JOURNAL,
    }


def test_progress_reaches_the_size_of_the_journal(journal: Path) -> None:
    told: list[int] = []
    replay_daemon(journal, Smoother(), daemon="toy", progress=told.append)
    assert told == sorted(told)
    assert told[-1] > 0.5 * journal.stat().st_size
