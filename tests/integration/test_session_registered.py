"""`m2m run` beside a navigator of another frame, unit and coil axes."""

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pylsl
import pytest

from m2m_rt.app.cli import main
from m2m_rt.geometry import (
    CoilConvention,
    inverse,
    matrix_from_quaternion,
    matrix_rows,
    transform_points,
)
from m2m_rt.messages import CoilPose, unpack_f64
from m2m_rt.nodes import PoseRegistration
from m2m_rt.sim.navigator import PoseTimeline
from m2m_rt.sim.schedule import make_schedule
from m2m_rt.units import NS_PER_S
from tests.support.sessions import (
    Rig,
    messages,
    running_lab,
    running_session,
    trials,
    wait_until,
)

HEAD_FROM_NAVIGATOR = matrix_from_quaternion(
    np.array((420.0, -130.0, 260.0)), np.array((0.4, -0.2, 0.7, 0.5))
)
NAVIGATOR = PoseRegistration(
    head_from_navigator=matrix_rows(HEAD_FROM_NAVIGATOR),
    convention=CoilConvention.BRAINSIGHT,
    unit="m",
)
FIDUCIALS_MM = {
    "nasion": (2.0, 95.0, 0.0),
    "lpa": (-74.0, 12.0, -26.0),
    "rpa": (77.0, 8.0, -24.0),
    "vertex": (0.0, 3.0, 112.0),
}


def registered(rig: Rig, folder: Path, capsys: pytest.CaptureFixture[str]) -> Rig:
    """Return the rig with what `m2m register` prints of the fiducials."""
    head = np.array([*FIDUCIALS_MM.values()])
    places = transform_points(inverse(HEAD_FROM_NAVIGATOR), head)
    points = folder / "points.toml"
    points.write_text(
        "unit = 'mm'\n"
        + "".join(
            f"[[point]]\nname = '{name}'\nhead = {[*in_head]}\n"
            f"navigator = {place.tolist()}\n"
            for (name, in_head), place in zip(FIDUCIALS_MM.items(), places, strict=True)
        )
    )
    capsys.readouterr()
    asked = ["register", str(points), "--convention", "brainsight", "--unit", "m"]
    assert main(asked) == 0
    path = folder / "rig.toml"
    path.write_text(rig.rig.read_text("utf-8") + capsys.readouterr().out)
    return replace(rig, rig=path)


def n_predicted(root: Path) -> int:
    return sum(bool(trial["FDI_sd_log10_uv"]) for trial in trials(root))


def test_a_navigators_poses_are_the_heads_and_pulses_are_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "session"
    with running_lab(tmp_path, n_pulses=20, navigator=NAVIGATOR) as unregistered:
        start_s = pylsl.local_clock()
        unregistered.lab.start(start_s)
        arguments = ["--rig", str(unregistered.rig), "--wait-s", "1"]
        assert main(["streams", *arguments]) == 2
        error = capsys.readouterr().err
        assert "<frame> of LabCoilPose: found 'navigator', expected 'head'" in error
        rig = registered(unregistered, tmp_path, capsys)
        with running_session(rig, root) as session:
            wait_until(lambda: n_predicted(root) >= 2, "predictions", session.check)
            session.process.send_signal(signal.SIGINT)
            assert session.status() == 0, session.wrong
    truth = PoseTimeline(rig.settings, make_schedule(rig.settings))
    off_mm = [
        np.abs(
            unpack_f64(pose.head_from_coil)
            - truth.pose_at(pose.t_ns / NS_PER_S - start_s)
        ).max()
        for pose in messages(root, "coil_pose/posed")
        if isinstance(pose, CoilPose) and pose.valid
    ]
    assert len(off_mm) > 100
    assert max(off_mm) < 1e-5  # the printed matrix has nine decimals
    assert main(["replay", str(root), "--check"]) == 0
