"""A coil that cannot be where the navigator says is not valid, and it is said why."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2m_rt.geometry import (
    CoilConvention,
    inverse,
    matrix_from_euler_sxyz,
    matrix_of_navigator,
    matrix_rows,
)
from m2m_rt.messages import (
    CoilPose,
    Message,
    PoseReceived,
    StreamGap,
    decode,
    encode,
    pack_f64,
)
from m2m_rt.nodes import PoseNode, PoseRegistration, PoseSettings
from m2m_rt.units import F64, NS_PER_MS, NS_PER_S, RigNs

OUTWARD = np.array((-0.5, 0.0, np.sqrt(0.75)))
"""From the middle of the head, at the origin, to left M1."""


def over(outward: F64, distance_mm: float = 90.0) -> F64:
    """Return a coil that faces the middle of the head, its handle backwards."""
    x = np.cross((0.0, 1.0, 0.0), -outward)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3] = np.column_stack(
        (x, np.cross(-outward, x), -outward, distance_mm * outward)
    )
    return pose


PLANNED = over(OUTWARD)
OTHER_SIDE = OUTWARD * (-1.0, 1.0, 1.0)
LOW_FRONT = np.array((-0.35, 0.8, -0.45)) / np.linalg.norm((0.35, 0.8, 0.45))
TWENTY = PoseSettings(wrong_poses=20)
WITH_HANDLE = PoseSettings(wrong_poses=20, handle_prolongation=(0.0, 1.0, 0.0))
AS_SENT = PoseRegistration()
NOT_SEEN = np.full((4, 4), np.nan)


def turned(*degrees: float) -> F64:
    return matrix_from_euler_sxyz(np.zeros(3), np.array(degrees))


def scaled(pose: F64, factor: float) -> F64:
    moved = pose.copy()
    moved[:3, 3] *= factor
    return moved


def node_of(
    limits: PoseSettings = TWENTY, registration: PoseRegistration = AS_SENT
) -> PoseNode:
    return PoseNode(limits, registration, matrix_rows(PLANNED))


def said(node: PoseNode, poses: list[F64]) -> list[Message]:
    """Return all that a node says to poses that come at 50 Hz."""
    outputs: list[Message] = []
    for place, pose in enumerate(poses):
        t_ns = RigNs(1_000 * NS_PER_S + place * 20 * NS_PER_MS)
        received = PoseReceived(
            t_ns=t_ns, values=pack_f64(pose.ravel()), device_s=t_ns / NS_PER_S
        )
        outputs += node.step(t_ns, decode(encode(received)))
    return outputs


def reasons(outputs: list[Message]) -> list[str]:
    return [one.reason for one in outputs if isinstance(one, CoilPose)]


def events(outputs: list[Message]) -> list[str]:
    gaps = [one for one in outputs if isinstance(one, StreamGap)]
    assert all((gap.stream, gap.n_lost) == ("pose", 0) for gap in gaps)
    return [gap.reason for gap in gaps]


def outside(pose: F64, limits: PoseSettings = TWENTY) -> str:
    (reason,) = reasons(said(node_of(limits), [pose]))
    return reason


@pytest.mark.parametrize(
    ("pose", "reason"),
    [
        (PLANNED, ""),
        (PLANNED @ turned(25.0, -25.0, 170.0), ""),
        (over(np.array((0.0, 1.0, 0.1)) / np.sqrt(1.01), 120.0), ""),
        (PLANNED @ np.diag((-1.0, 1.0, -1.0, 1.0)), "faces_away"),
        (PLANNED @ turned(0.0, 90.0, 0.0), "faces_sideways"),
        (np.diag((-1.0, 1.0, 1.0, 1.0)) @ PLANNED, "left_handed"),
        (PLANNED @ np.diag((1.02, 1.02, 1.02, 1.0)), "not_rigid"),
        (PLANNED @ turned(0.0, 0.0, 3.0) @ np.diag((1.02, 1.0, 1.0, 1.0)), "not_rigid"),
        (over(OTHER_SIDE), "wrong_side"),
        (over(-OUTWARD), "wrong_side"),
        (over(OUTWARD, 410.0), "too_far"),
        (over(OUTWARD, 40.0), "inside_head"),
        (scaled(PLANNED, 1e-3), "wrong_unit"),
        (scaled(PLANNED, 1e3), "out_of_range"),
    ],
)
def test_pose_that_cannot_be_has_a_reason_of_its_own(pose: F64, reason: str) -> None:
    assert outside(pose) == reason


@pytest.mark.parametrize(
    ("turn_deg", "reason"),
    [(40.0, ""), (90.0, "handle_sideways"), (180.0, "handle_reversed")],
)
def test_handle_is_judged_only_where_its_direction_is_stated(
    turn_deg: float, reason: str
) -> None:
    pose = PLANNED @ turned(0.0, 0.0, turn_deg)
    assert outside(pose) == ""
    assert outside(pose, WITH_HANDLE) == reason


def test_coil_that_was_put_down_may_face_anywhere() -> None:
    away = over(OUTWARD, 200.0) @ turned(180.0, 0.0, 0.0)
    assert outside(away) == ""
    aside = over(-OUTWARD, 300.0)
    assert outside(aside) == ""


def test_nothing_is_known_of_the_head_without_a_plan() -> None:
    node = PoseNode(TWENTY)
    flipped = PLANNED @ np.diag((-1.0, 1.0, -1.0, 1.0))
    outputs = said(node, [flipped] * 30)
    assert set(reasons(outputs)) == {""}
    assert events(outputs) == []


FLIPPED = PLANNED @ np.diag((-1.0, 1.0, -1.0, 1.0))


def test_lasting_fault_is_said_once_and_again_when_it_was_mended() -> None:
    wrong, right = [FLIPPED] * 50, [PLANNED] * 20
    assert len(events(said(node_of(), wrong[:19]))) == 0
    assert len(events(said(node_of(), wrong))) == 1
    assert len(events(said(node_of(), [*wrong, *right[:19], *wrong]))) == 1
    assert len(events(said(node_of(), [*wrong, *right, *wrong]))) == 2


def test_a_fault_that_comes_and_goes_is_not_said() -> None:
    outputs = said(node_of(), [*([FLIPPED] * 19), PLANNED] * 4)
    assert events(outputs) == []
    assert reasons(outputs).count("faces_away") == 76


def test_poses_without_a_coil_at_the_head_count_for_neither() -> None:
    aside = over(OUTWARD, 300.0)
    gone = over(OUTWARD, 500.0)
    halves = [*([FLIPPED] * 10), NOT_SEEN, aside, gone, *([FLIPPED] * 10)]
    assert len(events(said(node_of(), halves))) == 1
    assert events(said(node_of(), [gone] * 100)) == []


BRAINSIGHT = PoseRegistration(convention=CoilConvention.BRAINSIGHT)
MOVED = turned(0.0, 0.0, -100.0)
MOVED[:3, 3] = (5.0, -5.0, 3.0)
REGISTERED = PoseRegistration(head_from_navigator=matrix_rows(MOVED))
INVERTED = PoseRegistration(head_from_navigator=matrix_rows(inverse(MOVED)))


def sent_by(registration: PoseRegistration, pose: F64 = PLANNED) -> F64:
    return matrix_of_navigator(pose, registration.space)


@pytest.mark.parametrize(
    ("sent", "read_as", "fault", "cause"),
    [
        (
            sent_by(BRAINSIGHT),
            AS_SENT,
            "faces_away",
            "the convention: read as brainsight or navinibs there is no fault",
        ),
        (
            PLANNED,
            BRAINSIGHT,
            "faces_away",
            "the convention: read as simnibs or visor2 or cunibs",
        ),
        (
            sent_by(PoseRegistration(convention=CoilConvention.LOCALITE_RAS)),
            AS_SENT,
            "faces_sideways",
            "read as localite-ras there is no fault",
        ),
        (
            sent_by(REGISTERED),
            INVERTED,
            "wrong_side",
            "the registration: inverted there is no fault",
        ),
        (scaled(PLANNED, 1e-3), AS_SENT, "wrong_unit", "the unit: read as m"),
        (
            np.diag((-1.0, -1.0, 1.0, 1.0)) @ PLANNED,
            AS_SENT,
            "wrong_side",
            "the frame: turned from LPS to RAS there is no fault",
        ),
        (over(OTHER_SIDE), AS_SENT, "wrong_side", "probably the registration"),
        (
            np.diag((-1.0, 1.0, 1.0, 1.0)) @ PLANNED,
            AS_SENT,
            "left_handed",
            "one sign too few from LPS to RAS",
        ),
        (
            PLANNED @ np.diag((1.02, 1.0, 1.0, 1.0)),
            AS_SENT,
            "not_rigid",
            "a scale or shear",
        ),
    ],
)
def test_probable_cause_is_named(
    sent: F64, read_as: PoseRegistration, fault: str, cause: str
) -> None:
    (event,) = events(said(node_of(registration=read_as), [sent] * 20))
    assert event.startswith(f"20 poses in a row: {fault}")
    assert cause in event


@pytest.mark.parametrize(
    ("limits", "reason"), [(WITH_HANDLE, "handle_reversed"), (TWENTY, "")]
)
def test_a_reversed_handle_is_said_and_not_valid_only_where_it_is_stated(
    limits: PoseSettings, reason: str
) -> None:
    outputs = said(node_of(limits), [PLANNED @ turned(0.0, 0.0, 180.0)] * 20)
    (event,) = events(outputs)
    assert event.startswith("20 poses in a row: handle_reversed: found y axis 180°")
    assert "the handle's sign" in event
    assert set(reasons(outputs)) == {reason}


kinds = st.sampled_from(
    (PLANNED, FLIPPED, NOT_SEEN, over(OTHER_SIDE), over(OUTWARD, 300))
)


@given(st.lists(st.tuples(kinds, st.integers(1, 30)), max_size=8))
@settings(max_examples=30, deadline=None)
def test_a_replay_says_the_same_bytes(runs: list[tuple[F64, int]]) -> None:
    poses = [pose for pose, n in runs for _ in range(n)]
    first, second = (said(node_of(), poses) for _ in range(2))
    assert list(map(encode, first)) == list(map(encode, second))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"handle_prolongation": (0.0, 0.0, 0.0)}, "has no direction"),
        ({"handle_prolongation": (float("nan"), 0.0, 0.0)}, "has no direction"),
        ({"near_head_distance_mm": 40.0}, "found 50, 40, 400"),
        ({"max_head_distance_mm": 100.0}, "found 50, 150, 100"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(
    limits: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        PoseSettings(**limits)
