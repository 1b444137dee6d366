"""The numbers of a recorded session."""

from pathlib import Path

from m2m_rt.adapters.mcap_log import McapLog
from m2m_rt.adapters.mcap_reader import LogEnd
from m2m_rt.messages import (
    MepMeasured,
    Message,
    ModelPromoted,
    PromotionRefused,
    SessionEvent,
    SessionEventKind,
    StreamGap,
    Trial,
    encode,
)
from m2m_rt.replay import summarise
from m2m_rt.units import NS_PER_S, RigNs


def trial(index: int, revision: int, *, valid: bool) -> Trial:
    mep = MepMeasured(
        t_ns=RigNs(1),
        pulse_id=index,
        mep_p2p_uv=(),
        mep_latency_ms=(),
        preactivation_rms_uv=(),
        present=(),
        valid=(),
        reason=(),
    )
    return Trial(
        t_ns=RigNs(1),
        trial_index=index,
        revision=revision,
        prediction=None,
        prediction_seq=None,
        lead_ms=10.0 * (index + 1),
        mep=mep,
        learnt=(),
        valid=valid,
    )


def recorded(path: Path, *said: Message) -> Path:
    """Write messages that were received one second apart."""
    with McapLog(path) as log:
        for index, message in enumerate(said):
            channel = log.add_channel(f"{type(message).__name__}/x", type(message))
            log.write(
                channel,
                encode(message),
                log_time_ns=index * NS_PER_S,
                publish_time_ns=0,
            )
    return path


def test_a_session_is_counted_by_final_revisions(tmp_path: Path) -> None:
    path = recorded(
        tmp_path / "messages.mcap",
        SessionEvent(t_ns=RigNs(0), kind=SessionEventKind.STARTED),
        trial(0, 0, valid=True),
        trial(1, 0, valid=True),
        SessionEvent(t_ns=RigNs(0), kind=SessionEventKind.MARK_LAST_BAD),
        trial(1, 1, valid=False),
        StreamGap(t_ns=RigNs(0), stream="emg", n_lost=3, reason="late"),
        ModelPromoted(
            t_ns=RigNs(0), model_hash="b", parent_hash="a", generation=1, reason="fit"
        ),
        PromotionRefused(
            t_ns=RigNs(0), model_hash="b", generation=1, kept_hash="a", reason="hash"
        ),
    )
    summary = summarise(path)
    assert (len(summary.trials), summary.n_valid, summary.n_predicted) == (2, 1, 0)
    assert summary.median_lead_ms == 15.0
    assert summary.duration_s == 7.0
    assert [one.kind for one in summary.words] == [SessionEventKind.MARK_LAST_BAD]
    assert [one.generation for one in summary.models] == [1]
    assert [one.kept_hash for one in summary.refused] == ["a"]
    assert [one.n_lost for one in summary.gaps] == [3]
    assert summary.end is LogEnd.CLEAN


def gap(seq: int, reason: str = "late") -> StreamGap:
    return StreamGap(t_ns=RigNs(0), seq=seq, stream="emg", n_lost=3, reason=reason)


def test_what_is_missing_between_recorded_messages_is_counted(tmp_path: Path) -> None:
    path = recorded(tmp_path / "messages.mcap", *map(gap, (1, 2, 5, 5, 6)))
    assert summarise(path).missing_by_topic == {"StreamGap/x": 1 + 2}


def test_a_damaged_message_is_not_missing(tmp_path: Path) -> None:
    said = gap(0), gap(1, "lame"), gap(3)
    path = recorded(tmp_path / "messages.mcap", *said)
    path.write_bytes(path.read_bytes().replace(b"lame", b"lane"))
    summary = summarise(path)
    assert summary.n_damaged == 1
    assert summary.missing_by_topic == {"StreamGap/x": 1}


def test_a_damaged_message_is_told_and_not_counted(tmp_path: Path) -> None:
    path = recorded(
        tmp_path / "messages.mcap",
        StreamGap(t_ns=RigNs(0), stream="emg", n_lost=3, reason="late"),
    )
    path.write_bytes(path.read_bytes().replace(b"late", b"lane"))
    summary = summarise(path)
    assert summary.n_damaged == 1
    assert summary.gaps == []


def test_an_empty_recording_has_nothing_in_it(tmp_path: Path) -> None:
    summary = summarise(recorded(tmp_path / "messages.mcap"))
    assert summary.duration_s == 0.0
    assert summary.median_lead_ms is None
