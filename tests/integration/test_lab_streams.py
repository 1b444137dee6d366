"""The virtual lab's two processes, read with the adapters that a real rig is read with.

They run once for the whole file: real streams take real time.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pylsl
import pytest

from m2m_rt.adapters.lsl_emg import EmgRows, open_emg
from m2m_rt.adapters.lsl_inlet import LslSource
from m2m_rt.adapters.lsl_markers import open_markers
from m2m_rt.adapters.lsl_pose import open_pose
from m2m_rt.adapters.lsl_stimulator import open_stimulator
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_name import StreamName
from m2m_rt.errors import LinkLost
from m2m_rt.geometry import inverse, matrix_from_quaternion, rotation_angle_deg
from m2m_rt.messages import (
    EmgReceived,
    MarkerReceived,
    Message,
    PoseReceived,
    StimulatorReceived,
    unpack_f32,
    unpack_f64,
)
from m2m_rt.model import MUSCLES
from m2m_rt.sim.lab_log import LabLog, PulseGiven, read_lab_log
from m2m_rt.sim.lab_processes import LabProcesses
from m2m_rt.sim.lab_settings import (
    EMG_STREAM,
    MARKER_STREAM,
    POSE_STREAM,
    STIMULATOR_STREAM,
    write_lab_settings,
)
from m2m_rt.units import F64
from tests.support.lab import lab_settings, plan_small_lab
from tests.support.streams import of_type

N_PULSES = 2
DEADLINE_S = 60.0
"""Far beyond what the session takes: only a hang reaches it."""


@dataclass(frozen=True)
class Session:
    messages: list[Message]
    log: LabLog

    def emg(self) -> tuple[F64, F64]:
        """Return stamps (n,) and samples (n, 16)."""
        chunks = of_type(self.messages, EmgReceived)
        stamps_s = np.concatenate([unpack_f64(chunk.stamps_s) for chunk in chunks])
        samples = np.concatenate([unpack_f32(chunk.samples) for chunk in chunks])
        return stamps_s, samples.astype(np.float64)

    def poses(self) -> tuple[F64, F64]:
        """Return stamps (n,) and values (n, 7)."""
        poses = of_type(self.messages, PoseReceived)
        stamps_s = np.array([pose.device_s for pose in poses])
        return stamps_s, np.array([unpack_f64(pose.values) for pose in poses])


def choice(stream: StreamName) -> StreamChoice:
    return StreamChoice(name=stream.name, source_id=stream.source_id)


def open_sources() -> tuple[LslSource, ...]:
    reader = EmgRows(MUSCLES, trigger_channel="TRIG", fs_hz=5000.0)
    return (
        open_emg(choice(EMG_STREAM), reader),
        open_pose(choice(POSE_STREAM)),
        open_stimulator(choice(STIMULATOR_STREAM)),
        open_markers(choice(MARKER_STREAM)),
    )


def record(sources: tuple[LslSource, ...], lab: LabProcesses) -> list[Message]:
    """Return all that comes until the lab says that it has finished."""
    messages: list[Message] = []
    deadline_s = pylsl.local_clock() + DEADLINE_S
    while not lab.is_finished:
        assert pylsl.local_clock() < deadline_s
        lab.check()
        for source in sources:
            wait_s = 0.02 if source is sources[0] else 0.0
            messages += [m for m in source.poll(wait_s) if isinstance(m, Message)]
    return messages


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    settings = plan_small_lab(
        tmp_path_factory.mktemp("lab"), n_pulses=N_PULSES
    ).settings
    with LabProcesses(settings) as lab:
        lab.wait_ready(DEADLINE_S)
        sources = open_sources()
        lab.start(pylsl.local_clock())
        messages = record(sources, lab)
        for source in sources:
            source.close()
    return Session(messages, read_lab_log(Path(settings.log_folder)))


def test_no_row_is_lost_or_stamped_wrongly(session: Session) -> None:
    stamps_s, _ = session.emg()
    pushed = session.log.emg_rows_between(first_s=stamps_s[0], last_s=stamps_s[-1])
    start = session.log.started
    rows = np.rint((stamps_s - start.first_stamp_s) * start.fs_hz)
    assert len(stamps_s) == pushed
    assert np.array_equal(np.diff(rows), np.ones(len(rows) - 1))
    assert np.abs(start.first_stamp_s + rows / 5000.0 - stamps_s).max() < 1e-6


def test_edges_are_where_the_log_says(session: Session) -> None:
    stamps_s, samples = session.emg()
    rises = np.flatnonzero(np.diff(samples[:, -1]) > 2.5) + 1
    assert len(session.log.pulses) == N_PULSES
    given_s = [pulse.t_s for pulse in session.log.pulses]
    assert stamps_s[rises] == pytest.approx(given_s, abs=1e-6)
    assert np.diff(given_s) == pytest.approx(2.55, abs=0.051)


def pose_before(session: Session, pulse: PulseGiven) -> F64:
    stamps_s, values = session.poses()
    row = int(np.searchsorted(stamps_s, pulse.t_s)) - 1
    return matrix_from_quaternion(values[row, :3], values[row, 3:])


def test_pulse_is_given_where_the_navigator_sees_the_coil(session: Session) -> None:
    for pulse in session.log.pulses:
        seen, true = pose_before(session, pulse), np.array(pulse.head_from_coil)
        assert np.linalg.norm((inverse(true) @ seen)[:3, 3]) < 0.3
        assert rotation_angle_deg(true, seen) < 0.3


def test_coil_moves_to_another_site_between_pulses(session: Session) -> None:
    first, second = (pose_before(session, pulse) for pulse in session.log.pulses)
    assert np.linalg.norm((inverse(first) @ second)[:3, 3]) > 2.0


def test_intensity_is_known_and_unchanged_long_before_each_pulse(
    session: Session,
) -> None:
    states = of_type(session.messages, StimulatorReceived)
    for pulse in session.log.pulses:
        lately = {
            state.intensity_pct_mso
            for state in states
            if pulse.t_s - 1.5 < state.device_s < pulse.t_s
        }
        assert lately == {pulse.intensity_pct_mso}


def test_markers_name_the_pulse_at_least_10_ms_late(session: Session) -> None:
    markers = of_type(session.messages, MarkerReceived)
    for marker, pulse in zip(markers, session.log.pulses, strict=True):
        assert msgspec.json.decode(marker.text) == {
            "pulse": pulse.pulse,
            "intensity_pct_mso": pulse.intensity_pct_mso,
        }
        assert marker.device_s - pulse.t_s >= 0.010


def test_lab_that_was_stopped_has_written_how_much_it_sent(session: Session) -> None:
    stamps_s, _ = session.emg()
    start, stopped = session.log.started, session.log.stopped
    assert stopped is not None
    last_s = start.first_stamp_s + (stopped.n_rows - 1) / start.fs_hz
    assert last_s >= stamps_s[-1] - 1e-6


def run_navigation(settings: Path, spoken: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "m2m_rt.sim.navigation", str(settings)],
        input=spoken,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize("spoken", [b"", b"start 1e9\n", b"stop\n"])
def test_process_ends_when_it_is_told_or_its_parent_is_gone(
    tmp_path: Path, spoken: bytes
) -> None:
    write_lab_settings(lab_settings(), tmp_path / "lab.json")
    ended = run_navigation(tmp_path / "lab.json", spoken)
    assert ended.returncode == 0
    assert ended.stdout == b'{"ready":true}\n'


def test_wrong_settings_end_the_process_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text('{"seed": "one"}')
    ended = run_navigation(tmp_path / "lab.json", b"")
    assert ended.returncode == 2
    assert ended.stderr.count(b"\n") == 1
    assert b"seed" in ended.stderr


def test_lab_that_cannot_start_is_noticed(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(
        lab_settings(), table=str(tmp_path / "none.h5"), log_folder=str(tmp_path)
    )
    with LabProcesses(settings) as lab, pytest.raises(LinkLost, match="amplifier"):
        lab.wait_ready(DEADLINE_S)
