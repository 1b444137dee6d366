"""`m2m replay` on a session folder: exit status, named difference, JSON."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from m2m_rt.adapters.mcap_reader import LogReader
from m2m_rt.adapters.recorder import Recorder
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.app.cli import main
from m2m_rt.app.compose import build_node
from m2m_rt.app.config import (
    EmgRig,
    PoseRig,
    RigConfig,
    SessionConfig,
    StimulatorRig,
    as_toml,
    read_session,
)
from m2m_rt.app.protocol_config import ProtocolConfig
from m2m_rt.app.versions import code_hash, versions
from m2m_rt.messages import (
    ChangeSeen,
    Message,
    PoseReceived,
    SessionEvent,
    SessionEventKind,
    encode,
    pack_f64,
)
from m2m_rt.units import F64, NS_PER_MS, NS_PER_S, RigNs
from tests.support.recordings import record

RECORD_HEAD_BYTES = 9 + 22


def session_config() -> SessionConfig:
    """Return a session whose table and model are nowhere: only two nodes need none."""
    stream = StreamChoice(type="EMG", name="amplifier")
    stimulator = StimulatorRig(
        stream=stream,
        coil="figure-8",
        didt_at_100_pct_mso_a_per_us=150.0,
        waveform="biphasic",
        current_direction="PA",
    )
    rig = RigConfig(
        name="test",
        table="none",
        model="none",
        emg=EmgRig(stream=stream, fs_hz=5000.0),
        pose=PoseRig(stream=stream),
        stimulator=stimulator,
    )
    return SessionConfig(
        version="0",
        rig=rig,
        protocol=ProtocolConfig(subject="s01", rmt_pct_mso=45.0),
        table_path="nowhere",
        table_hash="ab" * 32,
        model_hash="cd" * 32,
    )


def poses() -> list[Message]:
    """Return one second of a coil that is moved along x."""
    made: list[Message] = []
    for index in range(50):
        t_ns = RigNs(100 * NS_PER_S + 20 * index * NS_PER_MS)
        values: F64 = np.array([-40.0 + index, -20.0, 70.0, 1.0, 0.0, 0.0, 0.0])
        pose = PoseReceived(
            t_ns=t_ns, seq=index, values=pack_f64(values), device_s=t_ns / NS_PER_S
        )
        made.append(pose)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    folder = SessionFolder.create(tmp_path / "session", as_toml(session_config()))
    record(folder.new_journal_path("posed"), build_node("posed", folder), poses())
    return folder


def checked(folder: SessionFolder, out: Path) -> tuple[int, dict[str, str]]:
    """Run the check; return its exit status and what it says of `posed`."""
    status = main(["replay", str(folder.root), "--check", "--json", str(out)])
    result = json.loads(out.read_text(encoding="utf-8"))
    return status, {one["daemon"]: one for one in result["differences"]}.get(
        "posed", {}
    )


def test_an_equal_journal_is_not_among_the_differences(
    folder: SessionFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, difference = checked(folder, tmp_path / "check.json")
    assert difference == {}
    assert status == 1  # the other daemons have no journal
    told = capsys.readouterr().out
    assert re.search(r"posed \(posed\.mcap\): \d+ inputs, \d+ outputs equal", told)
    assert "predictd (predictd.mcap): no journal" in told


def test_one_flipped_bit_is_named_by_daemon_message_and_field(
    folder: SessionFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = folder.journal_paths("posed")
    tenth = [entry for entry in LogReader(path) if entry.topic == "in"][10]
    changed = bytearray(path.read_bytes())
    at = tenth.frame.index(pack_f64(np.array([-30.0])).data)
    changed[tenth.offset + RECORD_HEAD_BYTES + at] ^= 1
    path.write_bytes(changed)
    status, difference = checked(folder, tmp_path / "check.json")
    assert status == 1
    assert difference["message"].startswith("input 10: pose_received.v1, seq 10, ")
    assert difference["field"] == "values[0]"
    assert "field values[0]; recorded -30.0, now -30.0000" in capsys.readouterr().out


def settings_with(folder: SessionFolder, **changes: object) -> None:
    """Change what session.toml says."""
    config = read_session(folder)
    content = as_toml(msgspec.structs.replace(config, **changes))
    folder.settings_path.write_bytes(msgspec.toml.encode(content))


def provenance(folder: SessionFolder, out: Path) -> dict[str, Any]:
    main(["replay", str(folder.root), "--check", "--json", str(out)])
    result = json.loads(out.read_text(encoding="utf-8"))
    found: dict[str, Any] = result["recorded_with"]
    return found


def test_other_code_and_versions_are_told_and_are_no_difference(
    folder: SessionFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded_with = {**versions(), "numpy": "0.1", "abacus": "7"}
    settings_with(folder, code_hash="ab" * 32, versions=recorded_with)
    found = provenance(folder, tmp_path / "check.json")
    assert found["same_code"] is False
    assert found["other_versions"] == {
        "abacus": ["7", ""],
        "numpy": ["0.1", versions()["numpy"]],
    }
    told = capsys.readouterr().out
    assert "note: recorded with other code (abababababab" in told
    assert "note: recorded with numpy 0.1, now " in told
    assert "note: recorded with abacus 7, now none" in told
    _, difference = checked(folder, tmp_path / "check.json")
    assert difference == {}


def test_the_same_code_and_versions_are_not_worth_a_word(
    folder: SessionFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_with(folder, code_hash=code_hash(), versions=versions())
    found = provenance(folder, tmp_path / "check.json")
    assert found == {"same_code": True, "other_versions": {}}
    assert "note:" not in capsys.readouterr().out


def test_a_folder_that_is_no_session_is_refused(tmp_path: Path) -> None:
    assert main(["replay", str(tmp_path), "--check"]) == 2


def test_a_session_is_summed_up_and_its_table_rebuilt(
    folder: SessionFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = SessionEvent(t_ns=RigNs(5), kind=SessionEventKind.NOTE, text="coffee")
    change = ChangeSeen(
        t_ns=RigNs(6),
        kind="gain",
        muscle=1,
        log10_gain=-0.301,
        shift_x_mm=0.0,
        shift_y_mm=0.0,
        trials_ago=9,
        log_ratio=9.0,
        withdrawn=False,
        acted_on=True,
    )
    with Recorder(folder, ("FDI",)) as recorder:
        recorder.take("session/supervisor", encode(note), RigNs(9))
        recorder.take("change/predictd", encode(change), RigNs(10))
    out = tmp_path / "summary.json"
    arguments = ["replay", str(folder.root), "--rebuild-trials", "--json", str(out)]
    assert main(arguments) == 0
    summary = json.loads(out.read_text(encoding="utf-8"))
    assert (summary["trials"], summary["changes"][0]["trials_ago"]) == (0, 9)
    told = capsys.readouterr().out
    assert "note: coffee" in told
    assert "change: APB answers × 0.5 since 9 trials" in told


def test_a_hole_in_the_record_is_told(
    folder: SessionFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with Recorder(folder, ("FDI",)) as recorder:
        for seq in (0, 3):
            note = SessionEvent(t_ns=RigNs(5), seq=seq, kind=SessionEventKind.NOTE)
            recorder.take("session/supervisor", encode(note), RigNs(9))
    assert main(["replay", str(folder.root)]) == 0
    told = capsys.readouterr().out
    assert "session/supervisor: 2 messages, 2 missing" in told
