import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.geometry import PhysicalFault, matrix_from_quaternion, rigid_fault
from m2m_rt.messages import (
    ClockOffset,
    CoilPose,
    Link,
    LinkChanged,
    Message,
    PoseReceived,
    SetTimer,
    StreamGap,
    Tick,
    decode,
    encode,
    pack_f64,
    unpack_f64,
)
from m2m_rt.nodes import PoseFault, PoseNode, PoseSettings
from m2m_rt.units import NS_PER_MS, NS_PER_S, RigNs

START_NS = RigNs(1_000 * NS_PER_S)
GOOD_7 = (-38.0, -22.0, 57.0, 0.5, -0.5, 0.5, 0.5)
GOOD = matrix_from_quaternion(np.array(GOOD_7[:3]), np.array(GOOD_7[3:]))


def _received(values: object, *, t_ns: int = START_NS) -> PoseReceived:
    array = np.asarray(values, dtype=np.float64)
    return PoseReceived(
        t_ns=RigNs(t_ns), values=pack_f64(array), device_s=t_ns / NS_PER_S
    )


def _pose(
    values: object, *, age_ms: float = 5.0, settings: PoseSettings | None = None
) -> CoilPose:
    node = PoseNode(settings or PoseSettings())
    now_ns = RigNs(START_NS + round(age_ms * NS_PER_MS))
    return _only_pose(node.step(now_ns, _received(values)))


def _only_pose(outputs: object) -> CoilPose:
    assert isinstance(outputs, tuple)
    (pose,) = [one for one in outputs if isinstance(one, CoilPose)]
    return pose


def _run(inputs: list[tuple[int, Message]]) -> list[Message]:
    """Run a node with its timers, in the order in which they come due."""
    node = PoseNode(PoseSettings())
    due_ns: dict[str, int] = {}
    outputs: list[Message] = []

    def step(now_ns: int, message: Message) -> None:
        for output in node.step(RigNs(now_ns), message):
            if isinstance(output, SetTimer):
                due_ns[output.name] = output.due_ns
            else:
                outputs.append(output)

    for now_ns, message in inputs:
        while due_ns and min(due_ns.values()) <= now_ns:
            name = min(due_ns, key=lambda key: due_ns[key])
            tick_ns = due_ns.pop(name)
            step(tick_ns, Tick(t_ns=RigNs(tick_ns), name=name))
        step(now_ns, message)
    return outputs


numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)
near_unit = st.floats(-2, 2)
positions = st.lists(st.floats(-200, 200), min_size=3, max_size=3)


@given(positions, st.lists(near_unit, min_size=4, max_size=4))
def test_seven_and_sixteen_channels_give_the_same_pose(
    position: list[float], direction: list[float]
) -> None:
    norm = math.hypot(*direction)
    quaternion = np.array(direction) / norm if norm > 1e-3 else np.array((1.0, 0, 0, 0))
    matrix = matrix_from_quaternion(np.array(position), quaternion)
    seven = _pose((*position, *quaternion))
    sixteen = _pose(matrix.ravel())
    assert seven.valid
    assert sixteen.valid
    assert np.allclose(
        unpack_f64(seven.head_from_coil), unpack_f64(sixteen.head_from_coil), atol=1e-12
    )
    assert np.array_equal(unpack_f64(sixteen.head_from_coil), matrix)


@given(st.lists(numbers, max_size=20))
def test_garbage_is_never_a_valid_pose(values: list[float]) -> None:
    pose = _pose(values)
    if pose.valid:
        assert rigid_fault(unpack_f64(pose.head_from_coil)) is None
        if len(values) == 7:
            assert math.hypot(*values[3:]) == pytest.approx(1.0, abs=0.011)
    else:
        assert pose.reason in {*PoseFault, *PhysicalFault}
        assert not unpack_f64(pose.head_from_coil).any()


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(-200, 200), st.booleans()),
        max_size=40,
    )
)
def test_a_replay_gives_the_same_bytes(steps: list[tuple[int, int, bool]]) -> None:
    inputs: list[tuple[int, Message]] = []
    now_ns = int(START_NS)
    for gap_ms, ahead_ms, is_good in steps:
        now_ns += gap_ms * NS_PER_MS
        values = GOOD_7 if is_good else (math.nan,) * 7
        inputs.append((now_ns, _received(values, t_ns=now_ns + ahead_ms * NS_PER_MS)))
    live = [encode(message) for message in _run(inputs)]
    journalled = [(at_ns, decode(encode(message))) for at_ns, message in inputs]
    assert [encode(message) for message in _run(journalled)] == live


@given(st.integers(0, 4 * 10**18), st.floats(allow_nan=False, allow_infinity=False))
def test_no_stamp_or_offset_stops_the_node(t_ns: int, offset_s: float) -> None:
    node = PoseNode(PoseSettings())
    offset = ClockOffset(t_ns=START_NS, stream="pose", offset_s=offset_s)
    outputs = [*node.step(START_NS, offset)]
    outputs += node.step(START_NS, _received(GOOD_7, t_ns=t_ns))
    assert [decode(encode(output)) for output in outputs] == outputs


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((math.nan,) * 7, PoseFault.NOT_TRACKED),
        ((math.nan,) * 16, PoseFault.NOT_TRACKED),
        ((math.inf, *GOOD_7[1:]), PoseFault.NOT_FINITE),
        (GOOD_7[:6], PoseFault.WRONG_SHAPE),
        ((*GOOD_7[:3], 0.5, 0.5, 0.5, 0.6), PoseFault.QUATERNION_NOT_UNIT),
        ((0.0,) * 7, PoseFault.QUATERNION_NOT_UNIT),
        (1e6 * np.array(GOOD_7), PoseFault.QUATERNION_NOT_UNIT),
        ((GOOD @ np.diag((-1.0, 1, 1, 1))).ravel(), PhysicalFault.LEFT_HANDED),
        ((GOOD @ np.diag((1.01, 1, 1, 1))).ravel(), PhysicalFault.NOT_RIGID),
        (GOOD.T.ravel(), PhysicalFault.NOT_RIGID),
        ((1e300,) * 16, PhysicalFault.NOT_RIGID),
        ((5000.0, *GOOD_7[1:]), PoseFault.OUT_OF_RANGE),
    ],
)
def test_unusable_pose_says_why(values: object, reason: PoseFault) -> None:
    pose = _pose(values)
    assert (pose.valid, pose.reason) == (False, reason)


def test_quaternion_of_two_decimals_is_normalised() -> None:
    pose = _pose((*GOOD_7[:3], 0.71, 0.71, 0.0, 0.0))
    assert pose.valid
    rotation = unpack_f64(pose.head_from_coil)[:3, :3]
    assert np.allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ("age_ms", "reason"),
    [(99.0, ""), (101.0, "stale"), (-49.0, ""), (-51.0, "clock_jump"), (2e4, "stale")],
)
def test_pose_is_judged_by_its_own_age(age_ms: float, reason: str) -> None:
    assert _pose(GOOD_7, age_ms=age_ms).reason == reason


def test_pose_time_is_the_senders_stamp_on_the_rig_clock() -> None:
    node = PoseNode(PoseSettings())
    offset_s = 1_500.25  # a Windows laptop that started 25 minutes later
    node.step(START_NS, ClockOffset(t_ns=START_NS, stream="pose", offset_s=offset_s))
    sent_ns = START_NS - round(offset_s * NS_PER_S)
    pose = _only_pose(
        node.step(RigNs(START_NS + NS_PER_MS), _received(GOOD_7, t_ns=sent_ns))
    )
    assert (pose.valid, pose.t_ns) == (True, START_NS)


def test_offset_that_jumps_is_a_gap() -> None:
    node = PoseNode(PoseSettings())
    offsets = [0.0, 0.001, 0.2]
    gaps = []
    for offset_s in offsets:
        offset = ClockOffset(t_ns=START_NS, stream="pose", offset_s=offset_s)
        outputs = node.step(START_NS, offset)
        assert offset in outputs
        gaps += [one.reason for one in outputs if isinstance(one, StreamGap)]
    assert gaps == ["clock_jump"]


def test_measured_offset_of_the_same_machine_is_not_used() -> None:
    node = PoseNode(PoseSettings())
    measured = ClockOffset(t_ns=START_NS, stream="pose_measured", offset_s=-4e-5)
    assert measured in node.step(START_NS, measured)
    pose = _only_pose(node.step(START_NS, _received(GOOD_7)))
    assert pose.t_ns == START_NS


def test_stamp_that_goes_back_is_a_clock_jump_and_the_next_is_used() -> None:
    node = PoseNode(PoseSettings())
    reasons = []
    for place, back_ms in enumerate((0, 0, 30, 0)):
        now_ns = START_NS + place * 20 * NS_PER_MS
        received = _received(GOOD_7, t_ns=now_ns - back_ms * NS_PER_MS)
        reasons.append(_only_pose(node.step(RigNs(now_ns), received)).reason)
    assert reasons == ["", "", "clock_jump", ""]


def test_one_stamp_from_the_future_does_not_spoil_the_next() -> None:
    node = PoseNode(PoseSettings())
    reasons = []
    for place, ahead_s in enumerate((0, 20, 0)):
        now_ns = START_NS + place * 20 * NS_PER_MS
        received = _received(GOOD_7, t_ns=now_ns + ahead_s * NS_PER_S)
        reasons.append(_only_pose(node.step(RigNs(now_ns), received)).reason)
    assert reasons == ["", "clock_jump", ""]


@pytest.mark.parametrize("device_s", [math.nan, math.inf, -1.0, 1e300, 0.0])
def test_pose_whose_age_is_not_known_is_not_used(device_s: float) -> None:
    received = PoseReceived(
        t_ns=START_NS, values=pack_f64(np.array(GOOD_7)), device_s=device_s
    )
    pose = _only_pose(PoseNode(PoseSettings()).step(START_NS, received))
    assert (pose.valid, pose.reason) == (False, "no_stamp")


def test_frozen_navigator_is_noticed_only_when_asked_for() -> None:
    settings = PoseSettings(frozen_after_s=1.0)
    frozen, free = PoseNode(settings), PoseNode(PoseSettings())
    reasons: dict[str, list[str]] = {"frozen": [], "free": []}
    for place in range(61):
        now_ns = RigNs(START_NS + place * 20 * NS_PER_MS)
        received = _received(GOOD_7, t_ns=now_ns)
        reasons["frozen"].append(_only_pose(frozen.step(now_ns, received)).reason)
        reasons["free"].append(_only_pose(free.step(now_ns, received)).reason)
    assert reasons["free"] == [""] * 61
    assert reasons["frozen"] == [""] * 51 + ["frozen"] * 10


def test_silence_is_one_gap_and_one_invalid_pose_until_data_is_back() -> None:
    poses = [START_NS + ms * NS_PER_MS for ms in (0, 20, 40, 2000, 2020)]
    inputs: list[tuple[int, Message]] = [
        (at_ns, _received(GOOD_7, t_ns=at_ns)) for at_ns in poses
    ]
    last_ns = poses[-1] + 10 * NS_PER_S
    other = ClockOffset(t_ns=RigNs(last_ns), stream="emg", offset_s=0.0)
    outputs = _run([*inputs, (last_ns, other)])
    gaps = [one for one in outputs if isinstance(one, StreamGap)]
    reasons = [one.reason for one in outputs if isinstance(one, CoilPose)]
    assert [gap.t_ns for gap in gaps] == [
        poses[2] + 250 * NS_PER_MS,
        poses[4] + 250 * NS_PER_MS,
    ]
    assert {gap.reason for gap in gaps} == {"stale"}
    assert reasons == ["", "", "", "stream_stale", "", "", "stream_stale"]


def test_a_stream_that_never_sends_is_noticed() -> None:
    opened = LinkChanged(t_ns=START_NS, stream="pose", link=Link.OPENED)
    later = ClockOffset(t_ns=START_NS, stream="emg", offset_s=0.0)
    outputs = _run([(START_NS, opened), (START_NS + NS_PER_S, later)])
    assert [one.reason for one in outputs if isinstance(one, CoilPose)] == [
        "stream_stale"
    ]


@pytest.mark.parametrize(
    ("link", "reason"),
    [(Link.LOST, "stream_lost"), (Link.REFUSED, "stream_refused")],
)
def test_lost_or_refused_stream_is_a_gap_with_its_detail(
    link: Link, reason: str
) -> None:
    node = PoseNode(PoseSettings())
    change = LinkChanged(t_ns=START_NS, stream="pose", link=link, detail="unit was mm")
    outputs = node.step(START_NS, change)
    gaps = [one.reason for one in outputs if isinstance(one, StreamGap)]
    assert gaps == [f"{link}: unit was mm"]
    assert _only_pose(outputs).reason == reason


def test_other_streams_links_are_not_ours() -> None:
    node = PoseNode(PoseSettings())
    change = LinkChanged(t_ns=START_NS, stream="emg", link=Link.LOST)
    outputs = node.step(START_NS, change)
    assert not [one for one in outputs if isinstance(one, StreamGap | CoilPose)]
