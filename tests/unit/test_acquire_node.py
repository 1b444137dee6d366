"""Bad stamps, lost links, silence, odd markers: each is an event, none a crash."""

import numpy as np
import pytest

from m2m_rt.messages import (
    ClockOffset,
    EmgChunk,
    EmgReceived,
    Link,
    MarkerReceived,
    MepMeasured,
    Message,
    PulseFired,
    SessionEvent,
    SessionEventKind,
    StimulatorReceived,
    StimulatorState,
    StreamGap,
    pack_f32,
    pack_f64,
)
from m2m_rt.units import RigNs
from tests.support.acquiring import (
    FS_HZ,
    START_S,
    Lab,
    acquire_node,
    emg_with_pulses,
    link_at,
    marker_at,
    received,
    row_ns,
    stamps_of,
    state_at,
)

N_ROWS = 4000


@pytest.fixture
def lab() -> Lab:
    return Lab(acquire_node())


def gaps(said: list[Message]) -> list[tuple[str, int, str]]:
    found = [one for one in said if isinstance(one, StreamGap)]
    return [(one.stream, one.n_lost, one.reason) for one in found]


def meps(said: list[Message]) -> list[MepMeasured]:
    return [one for one in said if isinstance(one, MepMeasured)]


def stop_at(row: float) -> SessionEvent:
    return SessionEvent(t_ns=row_ns(row), kind=SessionEventKind.STOPPING)


def test_an_edge_two_seconds_back_in_one_chunk_has_its_own_time(lab: Lab) -> None:
    samples = emg_with_pulses([300], 6000)
    said = lab.give(received(samples, stamps_of(6000)))
    (pulse,) = (one for one in said if isinstance(one, PulseFired))
    assert (pulse.row, pulse.t_ns) == (300, row_ns(300))


@pytest.mark.parametrize("bad_s", [np.nan, np.inf, -np.inf, -1.0, 4.1e9, 1e300])
def test_a_bad_stamp_is_one_gap_and_spoils_the_epochs_it_touches(
    lab: Lab, bad_s: float
) -> None:
    stamps_s = stamps_of(N_ROWS)
    stamps_s[1000:1010] = bad_s
    said = lab.give(received(emg_with_pulses([1000, 2000], N_ROWS), stamps_s))
    lab.give(stop_at(N_ROWS))
    assert gaps(said) == [("emg", -1, "a stamp that is no time")]
    spoilt, good = meps(lab.said)
    assert set(spoilt.reason) == {"gap"}
    assert spoilt.t_ns == row_ns(1000)  # counted on from the row before
    assert all(good.valid)


def test_a_stream_without_any_usable_stamp_is_acquired_and_invalid(lab: Lab) -> None:
    samples = emg_with_pulses([1000], N_ROWS)
    lab.give(received(samples, np.full(N_ROWS, np.nan)), stop_at(N_ROWS))
    (mep,) = meps(lab.said)
    assert not any(mep.valid)


@pytest.mark.parametrize(("n_lost", "late_s"), [(80, 0.04), (-1, -0.5), (-1, -90)])
def test_an_epoch_across_lost_rows_or_a_clock_step_is_invalid(
    lab: Lab, n_lost: int, late_s: float
) -> None:
    stamps_s = stamps_of(N_ROWS)
    stamps_s[1050:] += late_s
    lab.give(received(emg_with_pulses([1000, 2500], N_ROWS), stamps_s))
    lab.give(stop_at(N_ROWS))
    (found,) = [one for one in gaps(lab.said) if one[1] != 0]
    assert found[:2] == ("emg", n_lost)
    across, later = meps(lab.said)
    assert set(across.reason) == {"gap"}
    assert all(later.valid)


@pytest.mark.parametrize("shape", [(0, 4), (5, 3), (4, 4), (20,), (5, 2, 2)])
def test_rows_of_another_shape_are_refused_and_break_the_epoch(
    lab: Lab, shape: tuple[int, ...]
) -> None:
    samples, stamps_s = emg_with_pulses([1000], N_ROWS), stamps_of(N_ROWS)
    lab.give(received(samples[:1050], stamps_s[:1050]))
    odd = EmgReceived(
        t_ns=row_ns(1050),
        stamps_s=pack_f64(stamps_s[:5]),
        samples=pack_f32(np.zeros(shape, np.float32)),
    )
    ((stream, n_lost, reason),) = gaps(lab.give(odd))
    assert (stream, n_lost) == ("emg", -1)
    assert "refused" in reason
    lab.give(received(samples[1050:], stamps_s[1050:]), stop_at(N_ROWS))
    (mep,) = meps(lab.said)
    assert set(mep.reason) == {"gap"}


def test_no_rows_are_no_event(lab: Lab) -> None:
    assert lab.give(received(np.zeros((0, 4), np.float32), np.empty(0))) == []


def test_a_pulse_whose_emg_never_comes_still_gets_its_invalid_mep(lab: Lab) -> None:
    lab.give(received(emg_with_pulses([1000], 1030), stamps_of(1030)))
    lab.give(link_at(1100, "emg", Link.LOST))
    assert meps(lab.said) == []
    (mep,) = meps(lab.give(stop_at(3000)))
    assert (mep.pulse_id, mep.t_ns) == (0, row_ns(1000))
    assert set(mep.reason) == {"gap"}
    assert set(mep.mep_p2p_uv) == {None}


def test_a_pulse_during_a_reconnection_is_one_invalid_mep(lab: Lab) -> None:
    samples = emg_with_pulses([1000], N_ROWS)
    stamps_s = stamps_of(N_ROWS)
    stamps_s[1030:] += 1.3
    lab.give(received(samples[:1030], stamps_s[:1030]))
    lab.give(link_at(1200, "emg", Link.LOST), link_at(1300, "emg", Link.OPENED))
    lab.give(received(samples[1030:], stamps_s[1030:]), stop_at(N_ROWS))
    (mep,) = meps(lab.said)
    assert set(mep.reason) == {"gap"}
    assert ("emg", 2600, "stamp 1300.0 ms late") in gaps(lab.said)


def test_two_triggers_close_together_are_two_pulses_the_first_one_invalid(
    lab: Lab,
) -> None:
    lab.give(received(emg_with_pulses([1000, 1060], N_ROWS), stamps_of(N_ROWS)))
    lab.give(stop_at(N_ROWS))
    first, second = meps(lab.said)
    assert (first.pulse_id, second.pulse_id) == (0, 1)
    assert set(first.reason) == {"second_pulse"}


def test_only_the_offset_of_the_stream_itself_is_applied(lab: Lab) -> None:
    for stream in ("emg_measured", "markers_measured", "other"):
        offset = ClockOffset(t_ns=row_ns(0), stream=stream, offset_s=50.0)
        assert lab.give(offset) == [offset]
    lab.give(ClockOffset(t_ns=row_ns(0), stream="emg", offset_s=1e300))
    (chunk,) = lab.give(received(emg_with_pulses([], 40), stamps_of(40)))
    assert isinstance(chunk, EmgChunk)
    assert chunk.t_ns == row_ns(39)


def test_an_applied_offset_moves_every_stamp(lab: Lab) -> None:
    for stream in ("emg", "stimulator", "markers"):
        lab.give(ClockOffset(t_ns=row_ns(0), stream=stream, offset_s=-START_S))
    emg = received(emg_with_pulses([], 40), stamps_of(40))
    chunk = next(one for one in lab.give(emg) if isinstance(one, EmgChunk))
    state = lab.give(state_at(50))[-1]
    assert chunk.t_ns == round(39 / FS_HZ * 1e9)
    assert state.t_ns == round(50 / FS_HZ * 1e9)


def offset_at(row: float, offset_s: float, stream: str = "emg") -> ClockOffset:
    return ClockOffset(t_ns=row_ns(row), stream=stream, offset_s=offset_s)


def test_the_jitter_of_measured_offsets_loses_no_rows(lab: Lab) -> None:
    samples, stamps_s = emg_with_pulses([1000, 3000], N_ROWS), stamps_of(N_ROWS)
    rng = np.random.default_rng(5)
    for first in range(0, N_ROWS, 500):
        # 15 ms is more than the 10 ms that a row may be late.
        lab.give(offset_at(first, rng.choice([0.0, 0.015])))
        rows = slice(first, first + 500)
        lab.give(received(samples[rows], stamps_s[rows]))
    lab.give(stop_at(N_ROWS))
    assert gaps(lab.said) == []
    assert all(all(mep.valid) for mep in meps(lab.said))


@pytest.mark.parametrize("stream", ["emg", "markers", "stimulator"])
def test_a_step_of_a_clocks_offset_is_said_apart_from_lost_rows(
    lab: Lab, stream: str
) -> None:
    samples, stamps_s = emg_with_pulses([1000], N_ROWS), stamps_of(N_ROWS)
    lab.give(offset_at(0, 0.0, stream), received(samples[:900], stamps_s[:900]))
    said = gaps(lab.give(offset_at(900, 0.25, stream)))
    assert said == [(stream, 0, "clock offset stepped to 0.250000 s")]
    lab.give(received(samples[900:], stamps_s[900:]), stop_at(N_ROWS))
    assert gaps(lab.said) == said
    assert all(meps(lab.said)[0].valid)


def test_an_offset_measured_late_loses_no_rows(lab: Lab) -> None:
    samples, stamps_s = emg_with_pulses([], N_ROWS), stamps_of(N_ROWS)
    lab.give(received(samples[:900], stamps_s[:900]), offset_at(900, 70.0))
    lab.give(received(samples[900:], stamps_s[900:], came_ns=row_ns(2 * 70_000)))
    assert [one for one in gaps(lab.said) if "late" in one[2]] == []


def test_a_sender_back_with_another_clock_counts_rows_on_the_rigs(lab: Lab) -> None:
    samples, stamps_s = emg_with_pulses([], N_ROWS), stamps_of(N_ROWS)
    lab.give(offset_at(0, 0.0), received(samples[:1030], stamps_s[:1030]))
    lab.give(link_at(1200, "emg", Link.LOST), link_at(1300, "emg", Link.OPENED))
    lab.give(offset_at(1300, -5000.0))
    lab.give(received(samples[1030:], stamps_s[1030:] + 5001.3))
    assert ("emg", 2600, "stamp 1300.0 ms late") in gaps(lab.said)
    assert not any("offset" in reason for _, _, reason in gaps(lab.said))


@pytest.mark.parametrize("device_s", [np.nan, np.inf, -1.0, 4.1e9, 1e300])
def test_a_marker_or_intensity_without_a_time_is_an_event(
    lab: Lab, device_s: float
) -> None:
    marker = MarkerReceived(t_ns=row_ns(0), text='{"pulse":1}', device_s=device_s)
    ((stream, n_lost, reason),) = gaps(lab.give(marker))
    assert (stream, n_lost) == ("markers", 1)
    assert "no time" in reason
    gap, state = lab.give(
        StimulatorReceived(t_ns=row_ns(1), intensity_pct_mso=50, device_s=device_s)
    )
    assert isinstance(gap, StreamGap)
    assert isinstance(state, StimulatorState)
    assert (state.valid, state.intensity_pct_mso) == (False, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{}",
        '{"pulse": 1e99}',
        '{"pulse": 99999999999999999999}',
        "[" * 5000,
        '{"pulse": 1, "intensity_pct_mso": 101}',
        '{"pulse": null}',
        "\ud7ff",
    ],
)
def test_a_text_that_is_no_pulse_marker_is_an_event(lab: Lab, text: str) -> None:
    marker = MarkerReceived(t_ns=row_ns(0), text=text, device_s=START_S)
    ((stream, n_lost, _),) = gaps(lab.give(marker))
    assert (stream, n_lost) == ("markers", 1)


def test_a_marker_without_a_trigger_edge_is_counted_and_makes_no_mep(lab: Lab) -> None:
    lab.give(received(emg_with_pulses([], 1000), stamps_of(1000)), marker_at(500, 7))
    assert meps(lab.said) == []
    lone = ("pulse", 1, "marker of pulse 7 without a trigger edge")
    assert gaps(lab.said) == [lone]


def test_a_pulse_without_a_marker_comes_after_the_wait(lab: Lab) -> None:
    lab.give(received(emg_with_pulses([1000], 1200), stamps_of(1200)))
    assert meps(lab.said) == []
    lab.let_pass(RigNs(row_ns(1200) + 149 * 10**6))
    assert meps(lab.said) == []
    (mep,) = meps(lab.let_pass(RigNs(row_ns(1200) + 151 * 10**6)))
    assert (mep.marker_pulse, mep.marker_delay_ms) == (None, None)


def test_a_marker_before_its_edge_is_paired_and_its_delay_is_negative(lab: Lab) -> None:
    samples, stamps_s = emg_with_pulses([1000], 1200), stamps_of(1200)
    lab.give(received(samples[:990], stamps_s[:990]), marker_at(994, 7, 55.0))
    lab.give(received(samples[990:], stamps_s[990:]))
    (mep,) = meps(lab.said)
    assert (mep.marker_pulse, mep.marker_intensity_pct_mso) == (7, 55.0)
    assert mep.marker_delay_ms == pytest.approx(-3.0)


@pytest.mark.parametrize("link", [Link.LOST, Link.REFUSED])
def test_the_intensity_is_unknown_when_the_stimulator_is_gone(
    lab: Lab, link: Link
) -> None:
    lab.give(state_at(0))
    gap, state = lab.give(link_at(100, "stimulator", link))
    assert isinstance(gap, StreamGap)
    assert isinstance(state, StimulatorState)
    assert (state.valid, state.intensity_pct_mso) == (False, None)
    assert lab.give(link_at(200, "stimulator", Link.OPENED)) == []


def test_silence_and_its_end_are_said_once_each(lab: Lab) -> None:
    lab.start()
    emg = emg_with_pulses([], 200)
    lab.give(received(emg[:100], stamps_of(200)[:100]))
    said = lab.let_pass(row_ns(99 + 2 * 240))
    assert said == []
    ((stream, n_lost, reason),) = gaps(lab.let_pass(row_ns(99 + 2 * 2000)))
    assert (stream, n_lost) == ("emg", 0)
    assert reason.startswith("stale")
    late = stamps_of(200)[100:] + 2.5
    assert ("emg", 0, "fresh again") in gaps(lab.give(received(emg[100:], late)))


def test_a_stream_that_never_speaks_is_stale_too(lab: Lab) -> None:
    lab.start()
    said = gaps(lab.let_pass(row_ns(2 * 3200)))
    assert [stream for stream, _, _ in said] == ["emg", "stimulator"]


def test_a_backlog_is_stale_by_its_stamps(lab: Lab) -> None:
    late = received(emg_with_pulses([], 100), stamps_of(100))
    now = EmgReceived(t_ns=row_ns(6000), stamps_s=late.stamps_s, samples=late.samples)
    assert gaps(lab.give(now))[0][2].startswith("stale: 295")


def test_the_last_rows_are_published_when_the_session_stops(lab: Lab) -> None:
    lab.give(received(emg_with_pulses([], 45), stamps_of(45)))
    (chunk,) = lab.give(stop_at(50))
    assert isinstance(chunk, EmgChunk)
    assert (chunk.first_row, chunk.samples.shape) == (40, (5, 4))
