import tomllib
from dataclasses import replace

import msgspec
import pytest

from m2m_rt.adapters.lsl_emg import EmgRows
from m2m_rt.adapters.lsl_pose import POSE_DESCRIPTION
from m2m_rt.adapters.stream_check import check_choice, choice_of, use_of
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import StreamHeader
from m2m_rt.app.rig_snippet import header_line, rig_snippet
from m2m_rt.errors import ConfigError
from m2m_rt.nodes import PoseRegistration

EMG = StreamHeader(
    name="amp",
    type="EMG",
    source_id="sn1",
    fs_hz=5000.0,
    is_text=False,
    n_channels=3,
    labels=("APB", "FDI", "TRIG"),
    units=("uV", "mV", ""),
    hostname="lab1",
)
POSE = replace(
    EMG,
    name="nav",
    type="CoilPose",
    fs_hz=50.0,
    n_channels=7,
    labels=(),
    units=(),
    **POSE_DESCRIPTION,
)
INTENSITY = replace(
    EMG,
    name="stim",
    type="StimulatorState",
    fs_hz=0.0,
    n_channels=1,
    labels=("intensity",),
    units=("percent_mso",),
)
MARKERS = replace(EMG, name="marks", type="Markers", fs_hz=0.0, is_text=True)
EEG = replace(EMG, name="eeg", type="EEG")
ALL = (EEG, EMG, MARKERS, POSE, INTENSITY)


@pytest.mark.parametrize(
    ("header", "role"),
    [
        (EMG, "emg"),
        (POSE, "pose"),
        (INTENSITY, "stimulator"),
        (MARKERS, "markers"),
        (EEG, ""),
    ],
)
def test_each_stream_is_known_for_what_it_is(header: StreamHeader, role: str) -> None:
    assert use_of(header).role == role
    assert not use_of(header).fault


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (replace(EMG, units=("", "", "")), "unit of voltage"),
        (replace(EMG, fs_hz=0.0), "irregular"),
        (replace(POSE, frame="room"), "'room', expected 'head', or one of navigator"),
        (replace(POSE, unit="cm"), "'cm', expected 'mm', or one of m with"),
        (replace(POSE, frame="mri", convention="?"), "<frame> of nav: found 'mri'"),
        (replace(POSE, frame="mri", n_channels=6), "6 channels"),
        (replace(INTENSITY, units=("",)), "percent_mso"),
    ],
)
def test_what_makes_a_stream_unusable_is_said(header: StreamHeader, fault: str) -> None:
    assert fault in use_of(header).fault


def test_snippet_is_toml_that_chooses_the_streams_that_are_there() -> None:
    rig = tomllib.loads(rig_snippet(ALL))
    assert rig["emg"]["trigger_channel"] == "TRIG"
    assert rig["emg"]["fs_hz"] == 5000.0
    assert [one["channel"] for one in rig["emg"]["muscles"]] == ["APB", "FDI"]
    for role, header in (("emg", EMG), ("pose", POSE), ("markers", MARKERS)):
        assert StreamChoice(**rig[role]["stream"]) == choice_of(header)
    chosen = [StreamChoice(**rig[role]["stream"]) for role in ("emg", "stimulator")]
    assert [[h for h in ALL if c.fits(h)] for c in chosen] == [[EMG], [INTENSITY]]


def test_snippet_says_what_poses_in_other_axes_need() -> None:
    flipped = replace(POSE, convention="brainsight", unit="m")
    registration = tomllib.loads(rig_snippet([flipped]))["pose"]["registration"]
    assert registration == {"convention": "brainsight", "unit": "m"}
    read = msgspec.convert(registration, PoseRegistration)
    assert read.declared == use_of(flipped).registration


def test_snippet_says_where_the_matrix_of_another_frame_comes_from() -> None:
    text = rig_snippet([replace(POSE, frame="tracker", convention="navinibs")])
    assert "# nav sends poses in frame tracker: add what this prints" in text
    assert "# m2m register FIDUCIALS --convention navinibs --unit mm" in text
    assert list(tomllib.loads(text)["pose"]) == ["stream"]


def test_snippet_says_which_roles_nothing_can_be_and_what_else_could() -> None:
    text = rig_snippet((EMG, replace(EMG, name="amp2")))
    assert "# or amp2" in text
    assert "# [pose]: no stream" in text
    assert list(tomllib.loads(text)) == ["emg"]


def test_channels_that_are_no_muscle_by_name_are_asked_about() -> None:
    text = rig_snippet((replace(EMG, labels=("EMG1", "fdi", "TRIG")),))
    assert "# which muscle is EMG1?" in text
    assert tomllib.loads(text)["emg"]["muscles"] == [{"name": "FDI", "channel": "fdi"}]


def test_a_rigs_choice_is_checked_like_at_a_sessions_start() -> None:
    reader = EmgRows(("FDI",), trigger_channel="TRIG", fs_hz=5000.0)
    assert check_choice(reader, StreamChoice(type="EMG"), ALL) == EMG
    slow = EmgRows(("FDI",), trigger_channel="TRIG", fs_hz=1000.0)
    with pytest.raises(ConfigError, match="found 5000 Hz in stream amp"):
        check_choice(slow, StreamChoice(type="EMG"), ALL)
    with pytest.raises(ConfigError, match=r"no stream with name 'x'; there: eeg"):
        check_choice(reader, StreamChoice(name="x"), ALL)
    with pytest.raises(ConfigError, match="5 streams with hostname 'lab1'"):
        check_choice(reader, StreamChoice(hostname="lab1"), ALL)


def test_channels_and_declarations_are_one_line() -> None:
    assert header_line(EMG) == "APB [uV] FDI [mV] TRIG [no unit]"
    assert header_line(POSE) == "frame head unit mm convention simnibs"
