"""What the recorder keeps: every message, and the trials as a table."""

import csv
import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from m2m_rt.adapters.mcap_reader import LogReader
from m2m_rt.adapters.recorder import Recorder
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.adapters.trial_cells import (
    MUSCLE_COLUMNS,
    STATE_COLUMNS,
    TRIAL_COLUMNS,
)
from m2m_rt.adapters.trials_csv import rebuild_trials
from m2m_rt.errors import ConfigError, DataError, DiskFault
from m2m_rt.messages import (
    ChangeSeen,
    ExcitabilityTracked,
    MepMeasured,
    Message,
    Prediction,
    SessionEvent,
    SessionEventKind,
    Trial,
    encode,
    pack_f64,
    topic_of,
)
from m2m_rt.units import RigNs

MUSCLES = ("FDI", "APB")
EDGE_NS = RigNs(123_456_789_012_345_678)


def mep() -> MepMeasured:
    return MepMeasured(
        t_ns=EDGE_NS,
        pulse_id=4,
        mep_p2p_uv=(812.25, None),
        mep_latency_ms=(22.4, None),
        preactivation_rms_uv=(3.5, 40.0),
        present=(True, False),
        valid=(True, False),
        reason=("", "clipped, or not connected"),
        marker_pulse=17,
        marker_intensity_pct_mso=55.0,
        marker_delay_ms=31.5,
    )


def prediction() -> Prediction:
    head_from_coil = np.eye(4)
    head_from_coil[:3, 3] = (-40.0, -20.5, 70.0)
    return Prediction(
        t_ns=EDGE_NS,
        pose_seq=3,
        head_from_coil=pack_f64(head_from_coil),
        intensity_pct_mso=55.0,
        mean_log10_uv=(2.75, 1.5),
        sd_log10_uv=(0.25, 0.3),
        p05_log10_uv=(2.3, 1.0),
        p95_log10_uv=(3.1, 2.0),
        prior_log10_uv=(2.5, 1.4),
        model_hash="ab" * 32,
        table_hash="cd" * 32,
        posterior_seq=12,
        valid=True,
    )


def trial(index: int, revision: int = 0, *, is_predicted: bool = True) -> Trial:
    return Trial(
        t_ns=EDGE_NS,
        trial_index=index,
        revision=revision,
        prediction=prediction() if is_predicted else None,
        prediction_seq=99 if is_predicted else None,
        lead_ms=12.5 if is_predicted else None,
        mep=mep(),
        learnt=(revision == 0, False),
        valid=revision == 0,
        reason="" if revision == 0 else "marked as bad",
    )


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    return SessionFolder.create(tmp_path / "session", {})


def recorded(folder: SessionFolder, *trials: Trial) -> list[dict[str, str]]:
    with Recorder(folder, MUSCLES) as recorder:
        for one in trials:
            recorder.take("trial/predictd", encode(one), RigNs(EDGE_NS + 1))
    return rows(folder.trials_path)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_message_is_kept_with_its_topic_and_times(folder: SessionFolder) -> None:
    note = SessionEvent(t_ns=RigNs(5), kind=SessionEventKind.NOTE, text="coffee")
    with Recorder(folder, MUSCLES) as recorder:
        recorder.take("session/supervisor", encode(note), RigNs(9))
        recorder.take("trial/predictd", encode(trial(0)), RigNs(10))
        assert recorder.fault is None
    kept = [(e.topic, e.log_time_ns, e.frame) for e in LogReader(folder.messages_path)]
    assert kept == [
        ("session/supervisor", 9, encode(note)),
        ("trial/predictd", 10, encode(trial(0))),
    ]


def test_a_trial_without_a_prediction_still_has_its_pose_and_intensity(
    folder: SessionFolder,
) -> None:
    known = msgspec.structs.replace(
        trial(0, is_predicted=False),
        head_from_coil=prediction().head_from_coil,
        intensity_pct_mso=62.5,
    )
    bare, full = recorded(folder, trial(0, is_predicted=False), known)
    pose = [full[name] for name in ("x_mm", "y_mm", "z_mm", "qw", "qx", "qy", "qz")]
    assert pose == ["-40.0", "-20.5", "70.0", "1.0", "0.0", "0.0", "0.0"]
    assert (full["intensity_pct_mso"], full["model_hash"]) == ("62.5", "")
    assert (bare["x_mm"], bare["qw"], bare["intensity_pct_mso"]) == ("", "", "")


def test_a_trial_is_a_row_with_its_prediction_and_meps(folder: SessionFolder) -> None:
    (row,) = recorded(folder, trial(0))
    assert int(row["t_ns"]) == EDGE_NS
    assert [float(row[f"{axis}_mm"]) for axis in "xyz"] == [-40.0, -20.5, 70.0]
    assert [float(row[f"q{part}"]) for part in "wxyz"] == [1.0, 0.0, 0.0, 0.0]
    assert (row["pulse_id"], row["marker_pulse"]) == ("4", "17")
    assert (row["lead_ms"], row["posterior_seq"]) == ("12.5", "12")
    assert (row["FDI_mep_p2p_uv"], row["FDI_predicted_log10_uv"]) == ("812.25", "2.75")
    assert (row["FDI_learnt"], row["APB_learnt"]) == ("true", "false")
    assert (row["APB_mep_p2p_uv"], row["APB_valid"]) == ("", "false")
    assert row["APB_reason"] == "clipped, or not connected"


def test_a_trial_without_prediction_has_empty_cells(folder: SessionFolder) -> None:
    (row,) = recorded(folder, trial(0, is_predicted=False))
    assert row["x_mm"] == row["prediction_seq"] == row["FDI_sd_log10_uv"] == ""
    assert row["FDI_mep_p2p_uv"] == "812.25"


def test_a_correction_is_a_row_of_its_own(folder: SessionFolder) -> None:
    table = recorded(folder, trial(0), trial(1), trial(0, revision=1))
    found = [(row["trial_index"], row["revision"], row["valid"]) for row in table]
    assert found == [("0", "0", "true"), ("1", "0", "true"), ("0", "1", "false")]


def test_the_table_is_rebuilt_from_the_recording(folder: SessionFolder) -> None:
    recorded(folder, trial(0), trial(1), trial(0, revision=1))
    before = folder.trials_path.read_bytes()
    folder.trials_path.write_bytes(before[:-40])
    n_rows = rebuild_trials(folder.messages_path, folder.trials_path, MUSCLES)
    assert n_rows == 3
    assert folder.trials_path.read_bytes() == before


def test_a_table_is_not_rebuilt_under_its_recorder(folder: SessionFolder) -> None:
    with Recorder(folder, MUSCLES) as recorder:
        recorder.take("trial/predictd", encode(trial(0)), RigNs(EDGE_NS + 1))
        with pytest.raises(ConfigError, match=r"trials\.csv"):
            rebuild_trials(folder.messages_path, folder.trials_path, MUSCLES)
        recorder.take("trial/predictd", encode(trial(1)), RigNs(EDGE_NS + 2))
    assert len(rows(folder.trials_path)) == 2
    assert rebuild_trials(folder.messages_path, folder.trials_path, MUSCLES) == 2
    left = {path.name for path in folder.root.iterdir()}
    assert left == {"journal", "messages.mcap", "models", "session.toml", "trials.csv"}


def test_the_table_of_a_killed_recorder_is_rebuilt(folder: SessionFolder) -> None:
    text = (
        "import sys; from pathlib import Path\n"
        "from m2m_rt.adapters.recorder import Recorder\n"
        "from m2m_rt.adapters.session_folder import SessionFolder\n"
        "recorder = Recorder(SessionFolder(Path(sys.argv[1])), ('FDI', 'APB'))\n"
        "print('recording', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text, str(folder.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "recording\n"
        with pytest.raises(ConfigError, match="in use by another process"):
            rebuild_trials(folder.messages_path, folder.trials_path, MUSCLES)
        child.kill()
    assert rebuild_trials(folder.messages_path, folder.trials_path, MUSCLES) == 0
    assert rows(folder.trials_path) == []


def state_after(mean_log10: float) -> ExcitabilityTracked:
    return ExcitabilityTracked(
        t_ns=EDGE_NS,
        mean_log10=mean_log10,
        p05_log10=mean_log10 - 0.1,
        p95_log10=mean_log10 + 0.1,
        noise_scale=1.25,
        posterior_seq=13,
    )


def change_seen(muscle: int | None) -> ChangeSeen:
    is_gain = muscle is not None
    return ChangeSeen(
        t_ns=EDGE_NS,
        kind="gain" if is_gain else "shift",
        muscle=muscle,
        log10_gain=-0.3 if is_gain else 0.0,
        shift_x_mm=0.0 if is_gain else 5.0,
        shift_y_mm=0.0,
        trials_ago=7,
        log_ratio=9.5,
        withdrawn=False,
        acted_on=True,
    )


def said_by_predictd(recorder: Recorder, *messages: Message) -> None:
    for message in messages:
        topic = topic_of(message)
        assert topic is not None
        recorder.take(f"{topic.name}/predictd", encode(message), RigNs(EDGE_NS + 1))


def state_cells(row: dict[str, str]) -> list[str]:
    return [row[name] for name in STATE_COLUMNS]


def test_a_row_has_the_state_and_the_change_that_its_pulse_gave_away(
    folder: SessionFolder,
) -> None:
    with Recorder(folder, MUSCLES) as recorder:
        said_by_predictd(recorder, trial(0), state_after(0.25), change_seen(1))
        said_by_predictd(recorder, trial(1), state_after(0.0), change_seen(None))
        said_by_predictd(recorder, trial(2), state_after(-0.5), trial(2, revision=1))
    gain, shift, calm, bad = rows(folder.trials_path)
    assert state_cells(gain) == [
        *("0.25", "0.15", "0.35", "1.25", "gain", "APB", "-0.3", "0.0", "0.0"),
        *("7", "9.5", "false", "true"),
    ]
    assert (shift["change"], shift["change_muscle"]) == ("shift", "")
    assert shift["change_shift_x_mm"] == "5.0"
    assert (calm["excitability_log10"], calm["change"]) == ("-0.5", "")
    assert set(state_cells(bad)) == {""}


def test_a_row_is_written_when_its_daemon_goes_on(folder: SessionFolder) -> None:
    with Recorder(folder, MUSCLES) as recorder:
        said_by_predictd(recorder, trial(0))
        note = SessionEvent(t_ns=EDGE_NS, kind=SessionEventKind.NOTE)
        recorder.take("session/supervisor", encode(note), RigNs(EDGE_NS + 1))
        said_by_predictd(recorder, state_after(0.25))
        assert rows(folder.trials_path) == []
        said_by_predictd(recorder, prediction())
        (row,) = rows(folder.trials_path)
        assert row["excitability_log10"] == "0.25"
        said_by_predictd(recorder, trial(0, revision=1))
        assert len(rows(folder.trials_path)) == 2


def test_the_state_of_every_row_is_rebuilt_too(folder: SessionFolder) -> None:
    with Recorder(folder, MUSCLES) as recorder:
        said_by_predictd(recorder, trial(0), state_after(0.25), prediction())
        said_by_predictd(recorder, trial(1), state_after(0.5), change_seen(0))
    before = folder.trials_path.read_bytes()
    folder.trials_path.unlink()
    assert rebuild_trials(folder.messages_path, folder.trials_path, MUSCLES) == 2
    assert folder.trials_path.read_bytes() == before


def test_a_changed_number_does_not_get_into_a_rebuilt_table(
    folder: SessionFolder,
) -> None:
    recorded(folder, trial(0))
    written = struct.pack(">d", 812.25)
    record = folder.messages_path.read_bytes()
    assert record.count(written) == 1
    changed = record.replace(written, struct.pack(">d", 813.25))
    folder.messages_path.write_bytes(changed)
    with pytest.raises(DataError, match=r"trial at byte .* changed"):
        rebuild_trials(folder.messages_path, folder.trials_path, MUSCLES)
    assert rows(folder.trials_path)[0]["FDI_mep_p2p_uv"] == "812.25"


def test_new_columns_stand_behind_those_of_older_tables(folder: SessionFolder) -> None:
    recorded(folder, trial(0))
    names = folder.trials_path.read_text(encoding="utf-8").partition("\n")[0]
    older = [*TRIAL_COLUMNS, *(f"{m}_{n}" for m in MUSCLES for n in MUSCLE_COLUMNS)]
    assert names.split(",")[: len(older)] == older


def test_pandas_like_readers_see_numbers_and_truth(folder: SessionFolder) -> None:
    recorded(folder, trial(0))
    text = folder.trials_path.read_text(encoding="utf-8")
    assert text.count("\n") == 2
    assert "nan" not in text.lower()


def test_an_unknown_topic_is_refused_and_not_kept(folder: SessionFolder) -> None:
    with Recorder(folder, MUSCLES) as recorder:
        with pytest.raises(DataError, match="gossip"):
            recorder.take("gossip/predictd", encode(trial(0)), RigNs(1))
        with pytest.raises(DataError, match="refused"):
            recorder.take("trial/predictd", b"\x81", RigNs(1))
        assert recorder.n_messages == 0
    assert list(LogReader(folder.messages_path)) == []


def test_a_trial_of_other_muscles_is_refused(folder: SessionFolder) -> None:
    with (
        Recorder(folder, ("FDI",)) as recorder,
        pytest.raises(DataError, match="2 muscles in a table of 1"),
    ):
        recorder.take("trial/predictd", encode(trial(0)), RigNs(1))


def test_a_second_recorder_does_not_write_over_the_first(folder: SessionFolder) -> None:
    recorded(folder, trial(0))
    with pytest.raises(DiskFault, match=r"messages\.mcap"):
        Recorder(folder, MUSCLES)
