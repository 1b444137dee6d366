import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.geometry import inverse, rigid_fault, rotation_angle_deg
from m2m_rt.sim.lab_settings import LabSettings, Nastiness
from m2m_rt.sim.navigator import PoseTimeline
from m2m_rt.sim.schedule import LabSchedule, make_schedule
from tests.support.lab import CALM, lab_settings

NASTY = lab_settings(n_pulses=30, seed=5, nastiness=Nastiness(untracked_rate=1.0))
STILL = lab_settings(n_pulses=30, seed=5, nastiness=CALM)
SCHEDULE = make_schedule(NASTY)
END_S = float(SCHEDULE.pulse_s[-1])


def timeline(settings: LabSettings) -> tuple[PoseTimeline, LabSchedule]:
    schedule = make_schedule(settings)
    return PoseTimeline(settings, schedule), schedule


@given(since_start_s=st.floats(-2000.0, END_S + 10.0))
def test_every_process_gets_the_same_rigid_pose(since_start_s: float) -> None:
    amplifier, _ = timeline(NASTY)
    navigator, _ = timeline(NASTY)
    pose = amplifier.pose_at(since_start_s)
    assert np.array_equal(pose, navigator.pose_at(since_start_s))
    assert rigid_fault(pose, tolerance=1e-9) is None


@given(pulse=st.integers(0, 29), around_s=st.floats(-1.0, 0.2))
def test_coil_rests_at_the_site_for_a_second_before_the_pulse(
    pulse: int, around_s: float
) -> None:
    poses, schedule = timeline(STILL)
    pose = poses.pose_at(float(schedule.pulse_s[pulse]) + around_s)
    site = np.array(STILL.pulses[pulse].head_from_coil)
    assert np.allclose(pose, site, atol=1e-9)


@given(pulse=st.integers(0, 29), before_s=st.floats(0.0, 1.0))
def test_coil_is_tracked_for_a_second_before_the_pulse(
    pulse: int, before_s: float
) -> None:
    poses, schedule = timeline(NASTY)
    at_s = float(schedule.pulse_s[pulse])
    assert poses.is_tracked(at_s - before_s)
    assert poses.is_tracked(at_s + 0.1)


def test_coil_is_lost_for_some_hundred_milliseconds_in_every_move() -> None:
    poses, schedule = timeline(NASTY)
    at_s = np.arange(0.0, END_S, 0.02)
    lost = np.array([not poses.is_tracked(float(one_s)) for one_s in at_s])
    begins = np.flatnonzero(np.diff(lost.astype(int)) == 1)
    assert len(begins) == len(schedule.pulse_s) - 1
    assert 0.1 < lost.sum() * 0.02 / len(begins) < 0.4


def test_jitter_of_the_held_coil_is_a_few_tenths_of_a_millimetre_and_degree() -> None:
    poses, _ = timeline(NASTY)
    site = np.array(NASTY.pulses[0].head_from_coil)
    apart = [
        inverse(site) @ poses.pose_at(since_start_s)
        for since_start_s in np.arange(-300.0, 0.0, 0.1)
    ]
    rms_mm = np.sqrt(np.mean([pose[:3, 3] ** 2 for pose in apart], axis=0))
    turned_deg = [rotation_angle_deg(np.eye(4), pose) for pose in apart]
    assert rms_mm == pytest.approx((0.3, 0.3, 0.1), rel=0.1)
    assert 0.2 < np.sqrt(np.mean(np.square(turned_deg))) < 0.6


def test_coil_never_jumps() -> None:
    poses, _ = timeline(NASTY)
    path_mm = np.array(
        [poses.pose_at(float(at_s))[:3, 3] for at_s in np.arange(0.0, END_S, 0.005)]
    )
    speed_mm_per_s = np.linalg.norm(np.diff(path_mm, axis=0), axis=1) / 0.005
    assert speed_mm_per_s.max() < 250.0
