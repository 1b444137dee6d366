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

from m2m_rt.adapters.lsl_emg import EmgReader, open_emg
from m2m_rt.adapters.lsl_inlet import LslSource
from m2m_rt.adapters.lsl_markers import open_markers
from m2m_rt.adapters.lsl_pose import open_pose
from m2m_rt.adapters.lsl_stimulator import open_stimulator
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_name import StreamName
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
from m2m_rt.sim.lab_settings import (
    EMG_STREAM,
    MARKER_STREAM,
    POSE_STREAM,
    STIMULATOR_STREAM,
    LabSettings,
    write_lab_settings,
)
from m2m_rt.units import F64
from tests.support.lab import plan_small_lab
from tests.support.streams import of_type

N_PULSES = 2
DEADLINE_S = 60.0
"""Far beyond what the session takes: only a hang reaches it."""


@dataclass(frozen=True)
class Session:
    settings: LabSettings
    messages: list[Message]
    log: LabLog
    return_codes: tuple[int, ...]
    last_words: tuple[bytes, ...]

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


def start_process(module: str, settings: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", f"m2m_rt.sim.{module}", str(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def tell(process: subprocess.Popen[bytes], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def choice(stream: StreamName) -> StreamChoice:
    return StreamChoice(name=stream.name, source_id=stream.source_id)


def open_sources() -> tuple[LslSource, ...]:
    reader = EmgReader(MUSCLES, trigger_channel="TRIG", fs_hz=5000.0)
    return (
        open_emg(choice(EMG_STREAM), reader),
        open_pose(choice(POSE_STREAM)),
        open_stimulator(choice(STIMULATOR_STREAM)),
        open_markers(choice(MARKER_STREAM)),
    )


def record(sources: tuple[LslSource, ...], n_markers: int) -> list[Message]:
    """Return all that comes until every marker has, and half a second of EMG after."""
    messages: list[Message] = []
    deadline_s = pylsl.local_clock() + DEADLINE_S
    marked_s = None
    while marked_s is None or messages[-1].t_ns / 1e9 < marked_s + 0.5:
        assert pylsl.local_clock() < deadline_s
        for source in reversed(sources):  # EMG last
            wait_s = 0.02 if source is sources[0] else 0.0
            messages += [m for m in source.poll(wait_s) if isinstance(m, Message)]
        markers = of_type(messages, MarkerReceived)
        marked_s = markers[-1].device_s if len(markers) == n_markers else None
    return messages


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("lab")
    settings = plan_small_lab(folder, n_pulses=N_PULSES).settings
    write_lab_settings(settings, folder / "lab.json")
    with (
        start_process("amplifier", folder / "lab.json") as amplifier,
        start_process("navigation", folder / "lab.json") as navigator,
    ):
        processes = (amplifier, navigator)
        assert [hear(process) for process in processes] == [b'{"ready":true}\n'] * 2
        sources = open_sources()
        start_s = pylsl.local_clock()
        for process in processes:
            tell(process, f"start {start_s!r}")
        messages = record(sources, N_PULSES)
        last_words = tuple(hear(process) for process in processes)
        tell(amplifier, "stop")
        assert navigator.stdin is not None
        navigator.stdin.close()  # as when the parent dies
        return_codes = tuple(process.wait(DEADLINE_S) for process in processes)
        for source in sources:
            source.close()
    log = read_lab_log(folder / "lab")
    return Session(settings, messages, log, return_codes, last_words)


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


def test_processes_say_when_they_have_finished_and_end_when_told_or_left(
    session: Session,
) -> None:
    assert session.last_words == (b'{"finished":2}\n',) * 2
    assert session.return_codes == (0, 0)
    assert session.log.stopped is not None
