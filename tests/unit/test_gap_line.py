import pytest

from m2m_rt.app.gap_line import gap_line
from m2m_rt.app.live_session import lines_of_gaps
from m2m_rt.messages import SessionEvent, SessionEventKind, StreamGap
from m2m_rt.units import RigNs


def gap(stream: str, n_lost: int, reason: str) -> StreamGap:
    return StreamGap(t_ns=RigNs(0), stream=stream, n_lost=n_lost, reason=reason)


@pytest.mark.parametrize(
    ("stream", "n_lost", "reason", "line"),
    [
        ("pose", -1, "closed", "pose: unknown number lost (closed)"),
        ("emg", 0, "fresh again", "emg: fresh again"),
        ("emg", 0, "stale: 310 ms old", "emg: stale: 310 ms old"),
        ("emg", 7, "late", "emg: 7 samples lost (late)"),
        ("mep/acquired", 2, "messages lost", "mep/acquired: 2 messages lost"),
        ("markers", 1, "no marker", "markers: 1 lost (no marker)"),
    ],
)
def test_a_gap_reads_as_what_it_is(
    stream: str, n_lost: int, reason: str, line: str
) -> None:
    assert gap_line(gap(stream, n_lost, reason)).startswith(line)


def test_where_there_is_no_terminal_each_gap_is_a_line() -> None:
    note = SessionEvent(t_ns=RigNs(0), kind=SessionEventKind.NOTE)
    came = [gap("emg", 7, "late"), note, gap("pose", -1, "closed")]
    assert lines_of_gaps(came) == [
        "LOSS: emg: 7 samples lost (late)",
        "LOSS: pose: unknown number lost (closed)",
    ]


def test_what_is_no_loss_is_not_called_one() -> None:
    assert lines_of_gaps([gap("emg", 0, "fresh again")]) == ["emg: fresh again"]
