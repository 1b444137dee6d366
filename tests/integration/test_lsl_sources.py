from dataclasses import replace

import numpy as np
import pylsl
import pytest

from m2m_rt.adapters.lsl_emg import EmgRows, open_emg
from m2m_rt.adapters.lsl_inlet import LslSource
from m2m_rt.adapters.lsl_markers import open_markers
from m2m_rt.adapters.lsl_pose import POSE_CHANNELS, POSE_DESCRIPTION, open_pose
from m2m_rt.adapters.lsl_stimulator import open_stimulator
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.errors import ConfigError
from m2m_rt.messages import (
    ClockOffset,
    EmgReceived,
    Link,
    LinkChanged,
    MarkerReceived,
    Message,
    PoseReceived,
    StimulatorReceived,
    unpack_f32,
    unpack_f64,
)
from m2m_rt.units import rig_ns
from tests.support.streams import LabStream, of_type, poll_until

FS_HZ = 5000.0
CHUNK_ROWS = 25


EMG = LabStream(
    name="emg",
    type="EMG",
    labels=("APB", "FDI", "TRIG"),
    unit=("microvolts", "mV", ""),
    fs_hz=FS_HZ,
)


def _emg(name: str, **changes: object) -> pylsl.StreamOutlet:
    return replace(EMG, name=name, **changes).open()  # type: ignore[arg-type]  # any field


def _pose(name: str, n_channels: int, **changes: object) -> pylsl.StreamOutlet:
    pose = LabStream(
        name=name,
        type="CoilPose",
        labels=POSE_CHANNELS[n_channels],
        desc=POSE_DESCRIPTION,
    )
    return replace(pose, **changes).open()  # type: ignore[arg-type]  # any field


def _open(name: str) -> LslSource:
    reader = EmgRows(("FDI", "APB"), trigger_channel="TRIG", fs_hz=FS_HZ)
    return open_emg(StreamChoice(type="EMG", name=name), reader, timeout_s=5.0)


def _links(messages: list[Message]) -> list[Link]:
    return [message.link for message in of_type(messages, LinkChanged)]


class _Lab:
    """Pushes numbered rows: APB counts in µV, FDI in mV, the trigger alternates."""

    def __init__(self, outlet: pylsl.StreamOutlet) -> None:
        self.outlet = outlet
        self.pushed: list[np.ndarray] = []
        self.start_s = pylsl.local_clock()
        self.n_rows = 0

    def push(self) -> None:
        rows = np.arange(self.n_rows, self.n_rows + CHUNK_ROWS, dtype=np.float32)
        chunk = np.stack((rows, rows / 1000, rows % 2), axis=1).astype(np.float32)
        self.n_rows += CHUNK_ROWS
        self.pushed.append(chunk)
        self.outlet.push_chunk(chunk, self.start_s + self.n_rows / FS_HZ)


def test_emg_arrives_whole_in_the_rigs_order_and_in_microvolts() -> None:
    lab = _Lab(_emg("emg-whole"))
    source = _open("emg-whole")

    def enough(messages: list[Message]) -> bool:
        return sum(m.samples.shape[0] for m in of_type(messages, EmgReceived)) >= 2000

    messages = poll_until(source, enough, before_poll=lab.push)
    source.close()
    received = of_type(messages, EmgReceived)
    rows = np.concatenate([unpack_f32(m.samples) for m in received])
    stamps_s = np.concatenate([unpack_f64(m.stamps_s) for m in received])
    pushed = np.concatenate(lab.pushed)[: len(rows)]
    assert np.array_equal(rows[:, 1], pushed[:, 0])  # µV: untouched
    assert np.array_equal(
        rows[:, 0], (pushed[:, 1].astype(np.float64) * 1000).astype(np.float32)
    )
    assert np.array_equal(rows[:, 2], pushed[:, 2])
    # Row n was taken at n + 1 periods: a chunk's stamp belongs to its last row.
    expected_s = lab.start_s + np.arange(1, len(rows) + 1) / FS_HZ
    assert np.abs(stamps_s - expected_s).max() < 0.5 / FS_HZ
    assert received[0].t_ns == rig_ns(unpack_f64(received[0].stamps_s)[-1])
    assert _links(messages) == [Link.OPENED]
    assert [m.seq for m in messages] == list(range(len(messages)))


def test_same_machine_has_offset_0_and_the_measured_one_is_on_record() -> None:
    outlet = _emg("emg-offset")
    source = _open("emg-offset")
    messages = poll_until(source, lambda got: len(of_type(got, ClockOffset)) == 2)
    source.close()
    assert outlet is not None
    used, measured = of_type(messages, ClockOffset)
    assert (used.stream, used.offset_s) == ("emg", 0.0)
    assert measured.stream == "emg_measured"
    assert abs(measured.offset_s) < 0.1  # one clock: only the probe's own delay


def test_emg_that_is_not_as_the_rig_says_is_refused() -> None:
    outlet = _emg("emg-wrong", unit=("microvolts", "bananas", ""))
    with pytest.raises(ConfigError, match=r"channel FDI of emg-wrong: found 'bananas'"):
        _open("emg-wrong")
    assert outlet is not None


def test_missing_stream_is_one_line_that_names_what_is_there() -> None:
    outlet = _emg("emg-there")
    choice = StreamChoice(type="EMG", name="emg-elsewhere")
    reader = EmgRows(("FDI",), trigger_channel="TRIG", fs_hz=FS_HZ)
    with pytest.raises(ConfigError, match=r"within 0\.2 s; found: .*emg-there"):
        open_emg(choice, reader, timeout_s=0.2)
    assert outlet is not None


def test_two_streams_that_fit_are_refused() -> None:
    outlets = [_emg("emg-twice", source_id=mark) for mark in "ab"]
    with pytest.raises(ConfigError, match=r"2 with .*'a'.*'b'"):
        _open("emg-twice")
    assert len(outlets) == 2


def test_sender_that_dies_is_lost_and_checked_when_it_is_back() -> None:
    lab = _Lab(_emg("emg-back"))
    source = _open("emg-back")
    poll_until(
        source, lambda got: bool(of_type(got, EmgReceived)), before_poll=lab.push
    )
    del lab.outlet
    lost = poll_until(source, lambda got: Link.LOST in _links(got))
    assert _links(lost) == [Link.LOST]
    lab.outlet = _emg("emg-back")
    back = poll_until(
        source, lambda got: bool(of_type(got, EmgReceived)), before_poll=lab.push
    )
    source.close()
    kinds = [type(message) for message in back if not isinstance(message, ClockOffset)]
    assert _links(back) == [Link.OPENED]
    assert kinds.index(LinkChanged) < kinds.index(EmgReceived)


def test_sender_that_comes_back_as_something_else_is_refused_for_good() -> None:
    lab = _Lab(_emg("emg-other"))
    source = _open("emg-other")
    poll_until(
        source, lambda got: bool(of_type(got, EmgReceived)), before_poll=lab.push
    )
    del lab.outlet
    poll_until(source, lambda got: Link.LOST in _links(got))
    lab.outlet = _emg("emg-other", unit=("mV", "mV", ""))
    messages = poll_until(
        source, lambda got: Link.REFUSED in _links(got), before_poll=lab.push
    )
    for _ in range(20):
        lab.push()
        messages += source.poll(0.01)
    source.close()
    refused = of_type(messages, LinkChanged)[-1]
    assert "units was ('microvolts', 'mV', ''), is ('mV', 'mV', '')" in refused.detail
    assert not of_type(messages, EmgReceived)


def test_silent_sender_is_lost_and_goes_on_without_a_row_missing() -> None:
    lab = _Lab(_emg("emg-stall"))
    source = _open("emg-stall")
    messages = poll_until(
        source, lambda got: bool(of_type(got, EmgReceived)), before_poll=lab.push
    )
    messages += poll_until(source, lambda got: Link.LOST in _links(got))
    messages += poll_until(
        source, lambda got: Link.OPENED in _links(got), before_poll=lab.push
    )
    source.close()
    rows = np.concatenate(
        [unpack_f32(m.samples) for m in of_type(messages, EmgReceived)]
    )
    assert np.array_equal(rows[:, 1], np.arange(len(rows)))


@pytest.mark.parametrize("n_channels", [7, 16])
def test_every_pose_arrives_with_its_own_stamp(n_channels: int) -> None:
    name = f"pose-{n_channels}"
    outlet = _pose(name, n_channels)
    source = open_pose(StreamChoice(name=name))
    poses = np.arange(3 * n_channels, dtype=np.float32).reshape(3, n_channels)
    for place, pose in enumerate(poses):
        outlet.push_sample(pose, 100.0 + place)
    messages = poll_until(source, lambda got: len(of_type(got, PoseReceived)) == 3)
    source.close()
    received = of_type(messages, PoseReceived)
    assert [m.device_s for m in received] == [100.0, 101.0, 102.0]
    assert np.array_equal([unpack_f64(m.values) for m in received], poses)


def test_pose_in_another_frame_is_refused() -> None:
    outlet = _pose("pose-mri", 7, desc=POSE_DESCRIPTION | {"frame": "mri"})
    with pytest.raises(ConfigError, match=r"found 'mri', expected 'head'"):
        open_pose(StreamChoice(name="pose-mri"))
    assert outlet is not None


def test_stimulator_intensity_arrives() -> None:
    outlet = LabStream(
        name="stim",
        type="StimulatorState",
        labels=("intensity",),
        unit="percent_mso",
    ).open()
    source = open_stimulator(StreamChoice(type="StimulatorState"))
    outlet.push_sample([62.5], 12.0)
    messages = poll_until(source, lambda got: bool(of_type(got, StimulatorReceived)))
    source.close()
    state = of_type(messages, StimulatorReceived)[0]
    assert (state.intensity_pct_mso, state.device_s) == (62.5, 12.0)


def test_marker_text_arrives_whatever_its_encoding() -> None:
    info = pylsl.StreamInfo("marks", "Markers", 1, 0.0, "string", "marks")
    outlet = pylsl.StreamOutlet(info)
    source = open_markers(StreamChoice(name="marks"))
    for text in ("pulse µ", b"\xff\xfe"):
        outlet.push_sample([text], 3.0)
    messages = poll_until(source, lambda got: len(of_type(got, MarkerReceived)) == 2)
    source.close()
    assert [m.text for m in of_type(messages, MarkerReceived)] == ["pulse µ", "��"]
