"""Every deciding node replays byte for byte, whatever it was given."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.adapters.mcap_reader import LogReader
from m2m_rt.emg import EmgSettings, FilterSettings
from m2m_rt.geometry import (
    CoilConvention,
    NavigatorSpace,
    matrix_from_euler_sxyz,
    matrix_of_navigator,
    matrix_rows,
)
from m2m_rt.messages import (
    ClockOffset,
    CoilPose,
    EmgReceived,
    LinkChanged,
    MarkerReceived,
    Message,
    PoseReceived,
    StimulatorReceived,
    StreamGap,
    Tick,
    decode,
    pack_f32,
    pack_f64,
    tag_of,
)
from m2m_rt.nodes import (
    AcquireNode,
    AcquireSettings,
    PoseNode,
    PoseRegistration,
    PoseSettings,
)
from m2m_rt.replay import Finding, replay_daemon
from m2m_rt.units import NS_PER_MS, NS_PER_S, RigNs
from tests.support.messages import messages_of
from tests.support.recordings import record


def arriving(
    *message_types: type[Message],
) -> st.SearchStrategy[list[Message]]:
    """Return messages of these types, 0-200 ms apart."""
    each = st.one_of(*(messages_of(one) for one in message_types))
    steps_ms = st.integers(0, 200)
    pairs = st.lists(st.tuples(steps_ms, each), max_size=30)
    return pairs.map(_in_order)


def _in_order(pairs: list[tuple[int, Message]]) -> list[Message]:
    t_ns, ordered = 10**12, []
    for step_ms, message in pairs:
        t_ns += step_ms * NS_PER_MS
        ordered.append(msgspec.structs.replace(message, t_ns=RigNs(t_ns)))
    return ordered


@given(inputs=arriving(PoseReceived, LinkChanged, ClockOffset))
def test_the_pose_node_replays_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, inputs: list[Message]
) -> None:
    path = tmp_path_factory.mktemp("pose") / "posed.mcap"
    record(path, PoseNode(PoseSettings()), inputs)
    report = replay_daemon(path, PoseNode(PoseSettings()), daemon="posed")
    assert report.difference is None
    assert report.n_inputs >= len(inputs)


MOVED = matrix_from_euler_sxyz(np.array((9.0, -30.0, 4.0)), np.array((20.0, 5.0, 90.0)))
PLANNED = matrix_from_euler_sxyz(
    np.array((-50.0, 0.0, 75.0)), np.array((150.0, 5.0, 30))
)


def pose_node(*, moved_mm: float = 0.0, tilt_deg: float = 60.0) -> PoseNode:
    """Return a node with a registration, and a plan that tells where the head is."""
    head_from_navigator = MOVED.copy()
    head_from_navigator[0, 3] += moved_mm
    return PoseNode(
        PoseSettings(max_tilt_deg=tilt_deg, wrong_poses=10),
        PoseRegistration(
            head_from_navigator=matrix_rows(head_from_navigator),
            convention=CoilConvention.BRAINSIGHT,
            unit="m",
        ),
        matrix_rows(PLANNED),
    )


@pytest.fixture(scope="module")
def posed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record poses that tilt ever more, until they face out of the head."""
    space = NavigatorSpace(
        head_from_frame=MOVED, convention=CoilConvention.BRAINSIGHT, mm_per_unit=1000.0
    )
    inputs: list[Message] = []
    for place in range(120):
        t_ns = RigNs(10**12 + place * 20 * NS_PER_MS)
        tilt = matrix_from_euler_sxyz(np.zeros(3), np.array((1.5 * place, 0.0, 0.0)))
        sent = matrix_of_navigator(PLANNED @ tilt, space)
        values = pack_f64(sent.ravel())
        received = PoseReceived(t_ns=t_ns, values=values, device_s=t_ns / NS_PER_S)
        inputs.append(received)
    path = tmp_path_factory.mktemp("posed") / "posed.mcap"
    return record(path, pose_node(), inputs)


def test_converted_and_judged_poses_replay_byte_for_byte(posed: Path) -> None:
    assert replay_daemon(posed, pose_node(), daemon="posed").difference is None
    outputs = [decode(one.frame) for one in LogReader(posed) if one.topic == "out"]
    reasons = [one.reason for one in outputs if isinstance(one, CoilPose)]
    assert list(dict.fromkeys(reasons)) == ["", "faces_sideways", "faces_away"]
    (event,) = [one for one in outputs if isinstance(one, StreamGap) and not one.n_lost]
    assert event.reason.startswith("10 poses in a row: faces_sideways")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (pose_node(moved_mm=1e-9), "head_from_coil"),
        (pose_node(tilt_deg=59.0), ""),
    ],
)
def test_another_registration_or_limit_is_found(
    posed: Path, changed: PoseNode, field: str
) -> None:
    difference = replay_daemon(posed, changed, daemon="posed").difference
    assert difference is not None
    assert "coil_pose.v1" in difference.message
    assert difference.field.startswith(field)


FS_HZ = 5000.0
START_S = 100.0
N_MUSCLES = 15


def acquire(filters: FilterSettings | None = None) -> AcquireNode:
    reading = EmgSettings(filter=filters or FilterSettings())
    return AcquireNode(AcquireSettings(fs_hz=FS_HZ, reading=reading))


def emg_with_two_pulses() -> np.ndarray:
    """Return (5000, 16): noise, two trigger edges, and an MEP after each."""
    rng = np.random.default_rng(7)
    samples = rng.normal(0.0, 1.0, (5000, N_MUSCLES + 1)).astype(np.float32)
    samples[:, -1] = 0.0
    wave = 400.0 * np.sin(np.linspace(0.0, 2 * np.pi, 60)).astype(np.float32)
    for edge in (1500, 3500):
        samples[edge : edge + 25, -1] = 5.0
        samples[edge + 110 : edge + 170, :-1] += wave[:, np.newaxis]
    return samples


def a_second_of_a_lab() -> list[Message]:
    """Return EMG in chunks of 5 ms, an intensity and a marker, in order of arrival."""
    samples = emg_with_two_pulses()
    inputs: list[Message] = [Tick(t_ns=RigNs(int(START_S * NS_PER_S)), name="started")]
    for seq, row in enumerate(range(0, len(samples), 25)):
        stamps_s = START_S + np.arange(row, row + 25) / FS_HZ
        t_ns = RigNs(round(stamps_s[-1] * NS_PER_S))
        chunk = pack_f32(samples[row : row + 25])
        inputs.append(
            EmgReceived(t_ns=t_ns, seq=seq, stamps_s=pack_f64(stamps_s), samples=chunk)
        )
        if row in {1600, 3600}:
            inputs += _marker_and_intensity(t_ns)
    return inputs


def _marker_and_intensity(t_ns: RigNs) -> list[Message]:
    text, device_s = '{"pulse": 7, "intensity_pct_mso": 55.0}', t_ns / NS_PER_S
    return [
        MarkerReceived(t_ns=t_ns, text=text, device_s=device_s),
        StimulatorReceived(t_ns=t_ns, intensity_pct_mso=55.0, device_s=device_s),
    ]


@pytest.fixture(scope="module")
def acquired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("acquired") / "acquired.mcap"
    return record(path, acquire(), a_second_of_a_lab())


def test_the_acquire_node_replays_byte_for_byte(acquired: Path) -> None:
    report = replay_daemon(acquired, acquire(), daemon="acquired")
    assert report.difference is None
    tags = [tag_of(decode(e.frame)) for e in LogReader(acquired) if e.topic == "out"]
    assert (tags.count("pulse_fired.v1"), tags.count("mep.v1")) == (2, 2)


@pytest.mark.parametrize(
    "changed",
    [
        FilterSettings(highpass_hz=10.001),
        FilterSettings(lowpass_hz=1000.01),
        FilterSettings(order=3),
    ],
)
def test_one_changed_filter_coefficient_is_found(
    acquired: Path, changed: FilterSettings
) -> None:
    difference = replay_daemon(acquired, acquire(changed), daemon="acquired").difference
    assert difference is not None
    assert difference.finding is Finding.OUTPUT_DIFFERS
    assert "mep.v1, seq 0, t_ns " in difference.message
    assert difference.field.startswith(("mep_p2p_uv[", "mep_latency_ms["))
