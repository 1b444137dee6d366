"""`m2m run` on a lab's streams: the operator's words, refusals, killed processes."""

import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pylsl
import pytest

from m2m_rt.adapters.host import kill_process
from m2m_rt.adapters.journal import OUTPUTS
from m2m_rt.adapters.lsl_prediction_outlet import prediction_labels
from m2m_rt.adapters.mcap_reader import LogEnd, LogReader
from m2m_rt.adapters.rendezvous import Rendezvous
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.cli import main
from m2m_rt.app.config import read_protocol, read_rig
from m2m_rt.app.daemon_process import QUIET_NS
from m2m_rt.app.daemons import DAEMONS, daemon_named
from m2m_rt.app.new_session import check_rig, create_session
from m2m_rt.app.supervisor import Supervisor
from m2m_rt.messages import Health, SessionEvent, SessionEventKind
from tests.support.sessions import (
    Rig,
    daemons_left,
    entries,
    messages,
    running_lab,
    running_session,
    trials,
    wait_until,
)

TWO_MUSCLES = ("BIC", "FDI")
"""Some of the model's fifteen, in an order of the rig's own."""

MOST_ROWS_WITHOUT = 1000
"""Twenty seconds of coil poses: the lab's coil is never out of sight for so long."""

JOURNALS = tuple(daemon.name for daemon in DAEMONS if daemon.has_journal)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running_lab(tmp_path_factory.mktemp("rig"), n_pulses=200) as rig:
        rig.lab.start(pylsl.local_clock())
        yield rig


@pytest.fixture(scope="module")
def operated(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of two muscles in which the operator speaks, ended by Ctrl-C."""
    folder = tmp_path_factory.mktemp("operated")
    root = folder / "session"
    with running_session(with_muscles(rig, folder, *TWO_MUSCLES), root) as session:
        check_prediction_stream()
        wait_until(lambda: bool(predicted(root)), "a predicted trial", session.check)
        assert main(["note", "the subject yawned", "--session", str(root)]) == 0
        assert main(["mark-bad", "--session", str(root)]) == 0
        assert main(["roll-back", "--session", str(root)]) == 0
        wait_until(
            lambda: any(trial["revision"] == "1" for trial in trials(root)),
            "the bad pulse's revision",
            session.check,
        )
        session.process.send_signal(signal.SIGINT)
        assert session.status() == 0, session.wrong
    return root


def check_prediction_stream() -> None:
    """Read the predictions as another program on the network does."""
    (info,) = pylsl.resolve_byprop("name", "m2m_pred", timeout=20.0)
    inlet = pylsl.StreamInlet(info)
    found = inlet.info(timeout=20.0)
    assert found.type() == "MEP-prediction"
    assert found.get_channel_labels() == list(prediction_labels(TWO_MUSCLES))
    assert set(found.get_channel_units()) == {"microvolts"}
    row, stamp_s = first_prediction(inlet)
    median, low, high = row.reshape(len(TWO_MUSCLES), 3).T
    assert np.all((low < median) & (median < high))
    assert 0.0 <= pylsl.local_clock() - stamp_s < 20.0
    inlet.close_stream()


def first_prediction(inlet: pylsl.StreamInlet) -> tuple[np.ndarray, float]:
    """Read past the rows of NaN, which say that the coil was not to be trusted then."""
    for _ in range(MOST_ROWS_WITHOUT):
        row, stamp_s = inlet.pull_sample(timeout=20.0)
        if np.isfinite(row).all():
            return np.array(row), stamp_s
    raise AssertionError(f"{MOST_ROWS_WITHOUT} rows in a row without a prediction")


def predicted(root: Path) -> list[dict[str, str]]:
    """Return the trials with a prediction; the first pulse may come before any."""
    return [trial for trial in trials(root) if trial["FDI_sd_log10_uv"]]


def words(root: Path) -> list[SessionEvent]:
    found = messages(root, "session/supervisor")
    return [one for one in found if isinstance(one, SessionEvent)]


def with_muscles(rig: Rig, folder: Path, *names: str) -> Rig:
    """Return a rig whose file names only these muscles."""
    listed = ", ".join(f'{{ name = "{name}" }}' for name in names)
    text = rig.rig.read_text("utf-8")
    path = folder / "rig.toml"
    path.write_text(text.replace("[emg]\n", f"[emg]\nmuscles = [{listed}]\n"))
    return replace(rig, rig=path)


def test_a_rig_may_have_few_of_the_models_muscles(operated: Path) -> None:
    trial = predicted(operated)[0]
    measured = [name for name in trial if name.endswith("_mep_p2p_uv")]
    assert measured == ["BIC_mep_p2p_uv", "FDI_mep_p2p_uv"]
    assert float(trial["FDI_sd_log10_uv"]) > 0.0


def test_the_operators_words_are_in_the_record(operated: Path) -> None:
    said = [(one.kind, one.text) for one in words(operated)]
    assert (SessionEventKind.NOTE, "the subject yawned") in said
    kinds = [kind for kind, _ in said]
    assert kinds[0] is SessionEventKind.STARTED
    assert SessionEventKind.ROLL_BACK in kinds
    assert kinds[-1] is SessionEventKind.STOPPING


def test_a_pulse_marked_as_bad_has_a_new_revision(operated: Path) -> None:
    (bad,) = [trial for trial in trials(operated) if trial["revision"] == "1"]
    assert bad["reason"] == "marked_bad"
    assert bad["valid"] == "false"
    assert bad["FDI_learnt"] == "false"


def test_a_session_that_was_told_to_stop_ends_whole(operated: Path) -> None:
    assert daemons_left(operated) == set()
    assert main(["replay", str(operated), "--check"]) == 0
    for name in ("journal/acquired", "journal/traind", "messages"):
        reader = LogReader(operated / f"{name}.mcap")
        assert list(reader)
        assert reader.end is LogEnd.CLEAN


def test_words_to_a_session_that_is_over_are_refused(
    operated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["note", "too late", "--session", str(operated)]) == 2
    assert "found a session that is over" in capsys.readouterr().err


def test_a_lost_helper_is_a_fault_and_a_lost_critical_daemon_the_end(
    rig: Rig, tmp_path: Path
) -> None:
    root = tmp_path / "session"
    with running_session(rig, root) as session:
        n_trials = len(trials(root))
        kill_daemon(root, "traind")
        wait_until(lambda: "FAULT: traind" in session.said, "FAULT", session.check)
        wait_until(lambda: len(trials(root)) > n_trials, "a trial", session.check)
        kill_daemon(root, "posed")
        assert session.status() == 1
    assert session.wrong.splitlines()[-1].startswith("m2m: ")
    assert "posed ended: status -9" in session.wrong
    assert daemons_left(root) == {"traind", "posed"}  # the killed cannot tidy up
    lost = [one.daemon for one in words(root) if one.kind == "daemon_lost"]
    assert lost == ["traind", "posed"]
    assert main(["replay", str(root), "--check"]) == 0


def test_daemons_end_in_order_when_their_supervisor_is_killed(
    rig: Rig, tmp_path: Path
) -> None:
    root = tmp_path / "session"
    with running_session(rig, root) as session:
        kill_process(session.process.pid)
        wait_until(lambda: not daemons_left(root), "the daemons' end")
    assert main(["replay", str(root), "--check"]) == 0
    for name in JOURNALS:
        reader = LogReader(root / "journal" / f"{name}.mcap")
        assert list(reader)
        assert reader.end is LogEnd.CLEAN


@pytest.mark.parametrize("at_once", [False, True], ids=["in turn", "all at once"])
def test_killed_daemons_leave_all_that_they_had_written(
    at_once: bool, rig: Rig, tmp_path: Path
) -> None:
    folder = new_session(rig, tmp_path / "session")
    beats: dict[str, list[Health]] = {one.name: [] for one in DAEMONS}
    with Supervisor(folder) as supervisor:

        def listen() -> None:
            for said in supervisor.poll(0.0):
                if isinstance(said, Health) and said.state == "running":
                    beats[said.daemon].append(said)

        supervisor.start()
        wait_until(
            lambda: bool(trials(folder.root)) and min(map(len, beats.values())) >= 2,
            "a trial, and two heartbeats of each",
            listen,
        )
        # Those that are listened to last: all keep being given something until then.
        for name in ("served", "traind", "recordd", "predictd", "posed", "acquired"):
            kill_process(supervisor.process_ids[name])
            if not at_once:
                is_lost = partial(supervisor.failed.__contains__, name)
                wait_until(is_lost, "the loss", listen)
        listen()
    recorded = LogReader(folder.messages_path)
    heard = list(recorded)
    assert recorded.end is LogEnd.CUT
    assert [one for one in heard if one.topic == "trial/predictd"]
    for name in JOURNALS:
        reader = LogReader(folder.journals / f"{name}.mcap")
        journal = list(reader)
        assert reader.end is LogEnd.CUT, name
        # A round of the loop ends with a heartbeat, if one is due, and the one before
        # with an input not older than the quiet that is allowed.
        *_, before, _ = beats[name]
        assert journal[-1].log_time_ns >= before.t_ns - QUIET_NS, name
        # An output is sent, then written: only the last can be heard and not be there.
        written = {one.frame for one in journal if one.topic == OUTPUTS}
        of_node = [one.frame for one in heard if one.topic in node_topics(name)]
        assert set(of_node[:-1]) <= written, name
    assert main(["replay", str(folder.root), "--check"]) == 0
    assert main(["replay", str(folder.root), "--rebuild-trials"]) == 0


def node_topics(name: str) -> set[str]:
    """Return what a daemon's node says, as it is called on the bus."""
    return {f"{topic}/{name}" for topic in daemon_named(name).says}


def test_missing_streams_are_named_and_nothing_is_started(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "rig.toml"
    text = rig.rig.read_text("utf-8").replace('"LabEMG"', '"NoEMG"')
    other.write_text(text.replace('"LabCoilPose"', '"NoPose"'))
    error = refused(other, rig.protocol, tmp_path / "session", capsys)
    assert "no emg with" in error
    assert "NoEMG" in error
    assert "no pose with" in error
    assert "LabStimulator" in error  # what is there is said
    assert not (tmp_path / "session").exists()


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("fs_hz = 5000", "fs_hz = 2000"),
        ("fs_hz", "fs_herz"),
        ('"TRIG"', '"PULSE"'),
        ('"demo-figure8"', '"another"'),
        ('table = "demo"', 'table = "nowhere"'),
        ('"m2mnet-rt"', '"nobody"'),
    ],
)
def test_a_rig_file_that_does_not_fit_is_refused_in_one_line(
    was: str, becomes: str, rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "rig.toml"
    text = rig.rig.read_text("utf-8")
    assert was in text
    other.write_text(text.replace(was, becomes))
    error = refused(other, rig.protocol, tmp_path / "session", capsys)
    assert becomes.split()[-1].strip('"') in error
    assert not (tmp_path / "session").exists()


def test_a_protocol_without_a_threshold_is_refused(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol = tmp_path / "protocol.toml"
    protocol.write_text('subject = "s01"\n')
    error = refused(rig.rig, protocol, tmp_path / "session", capsys)
    assert "rmt_pct_mso" in error


def test_a_session_is_never_written_over(
    operated: Path, rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    n_before = len(entries(operated / "messages.mcap"))
    error = refused(rig.rig, rig.protocol, operated, capsys)
    assert "something that exists" in error
    assert len(entries(operated / "messages.mcap")) == n_before


def test_a_table_that_was_exchanged_after_the_session_is_named(
    operated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "session"
    shutil.copytree(operated, root)
    path = root / "session.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("table_hash"))
    lines[at] = f'table_hash = "{"0" * 64}"'
    path.write_text("\n".join(lines))
    assert main(["replay", str(root), "--check"]) == 1
    assert "E-field table demo" in capsys.readouterr().out


def refused(
    rig: Path, protocol: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> str:
    """Return the one line with which `m2m run` refuses its set-up."""
    arguments = ["run", "--rig", str(rig), "--protocol", str(protocol)]
    capsys.readouterr()
    assert main([*arguments, "--session", str(root)]) == 2
    announced, line = capsys.readouterr().err.splitlines()
    assert "Research use only" in announced
    return line


def new_session(rig: Rig, root: Path) -> SessionFolder:
    new = check_rig(read_rig(rig.rig), read_protocol(rig.protocol))
    return create_session(new, root)


def kill_daemon(root: Path, name: str) -> None:
    meeting = Rendezvous(root / "bus").find([name], timeout_s=0.0)[name]
    kill_process(meeting.pid)
