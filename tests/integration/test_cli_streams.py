from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.lsl_pose import POSE_CHANNELS, POSE_DESCRIPTION
from m2m_rt.app import cli
from tests.support.streams import LabStream
from tests.support.xdf import XdfStream, write_xdf


def test_streams_lists_what_is_there_and_what_a_rig_file_would_take(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emg = LabStream(
        name="cli-amp", type="EMG", labels=("FDI", "TRIG"), unit="uV", fs_hz=5000.0
    ).open()
    pose = LabStream(
        name="cli-nav", type="CoilPose", labels=POSE_CHANNELS[7], fs_hz=50.0
    ).open()
    declared = {"frame": "mri", "unit": "mm", "convention": "navinibs"}
    mri = LabStream(
        name="cli-mri", type="CoilPose", labels=POSE_CHANNELS[7], desc=declared
    ).open()
    assert cli.main(["streams", "--wait-s", "1"]) == 0
    said = capsys.readouterr().out
    assert "cli-amp (type 'EMG', source_id 'cli-amp'" in said
    assert "FDI [uV] TRIG [uV]" in said
    assert "but: pose.stream: <frame> of cli-nav: found none, expected 'head'" in said
    needs = "frame mri unit mm convention navinibs"
    assert f"needs: a rig's [pose.registration] with {needs}" in said
    assert "# m2m register FIDUCIALS --convention navinibs --unit mm" in said
    assert 'trigger_channel = "TRIG"' in said
    assert emg is not None
    assert pose is not None
    assert mri is not None


RIG = """
name = "lab"
table = "demo"
model = "demo"

[emg]
fs_hz = 5000.0
trigger_channel = "TRIG"
muscles = [{ name = "FDI" }]
stream = { name = "rig-amp" }

[pose]
stream = { name = "rig-nav" }

[stimulator]
stream = { name = "rig-stim" }
coil = "demo"
didt_at_100_pct_mso_a_per_us = 150.0
waveform = "monophasic"
current_direction = "PA"
"""


def test_a_rigs_streams_are_checked_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG)
    emg = LabStream(
        name="rig-amp", type="EMG", labels=("FDI", "TRIG"), unit="uV", fs_hz=5000.0
    )
    pose = LabStream(
        name="rig-nav", type="CoilPose", labels=POSE_CHANNELS[7], desc=POSE_DESCRIPTION
    )
    intensity = LabStream(
        name="rig-stim", type="StimulatorState", labels=("i",), unit="percent_mso"
    )
    senders = [stream.open() for stream in (emg, pose, intensity)]
    arguments = ["streams", "--rig", str(rig), "--wait-s", "1"]
    assert cli.main(arguments) == 0
    said = [line.split(",")[0] for line in capsys.readouterr().out.splitlines()]
    assert said == ["emg: ok", "pose: ok", "stimulator: ok"]
    rig.write_text(RIG.replace("5000.0", "4000.0"))
    assert cli.main(arguments) == 2
    (fault,) = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("m2m:")
    ]
    assert fault.endswith("emg.fs_hz: found 5000 Hz in stream rig-amp, expected 4000")
    assert len(senders) == 3


def test_play_sends_a_file_and_ends(tmp_path: Path) -> None:
    stream = XdfStream(
        name="cli-play",
        type="EMG",
        stamps_s=np.arange(20) / 100.0,
        samples=np.zeros((20, 2), dtype=np.float32),
        fs_hz=100.0,
    )
    write_xdf(tmp_path / "a.xdf", [stream])
    assert cli.main(["play", str(tmp_path / "a.xdf")]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["play", "no-such-file.xdf"],
        ["play", "no-such-file.mat"],
        ["play", "x.xdf", "--loopback", "a;b"],
        ["streams", "--rig", "no-such-rig.toml"],
    ],
)
def test_wrong_set_up_is_one_line_and_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
