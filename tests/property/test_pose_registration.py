"""Poses in a navigator's frame, unit and axes are the poses that the head saw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2m_rt.geometry import (
    CoilConvention,
    matrix_from_quaternion,
    matrix_of_navigator,
    matrix_rows,
    quaternion_from_matrix,
)
from m2m_rt.messages import CoilPose, PoseReceived, pack_f64, unpack_f64
from m2m_rt.nodes import PoseNode, PoseRegistration, PoseSettings
from m2m_rt.units import F64, NS_PER_S, RigNs

NOW_NS = RigNs(1_000 * NS_PER_S)
FRAMES = ("head", "navigator", "mri", "tracker")
UNTRACKED_BY_LOCALITE = ((0.0, 0, 1, 0), (0, -1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1))


def some_pose(seed: int, *, spread_mm: float) -> F64:
    rng = np.random.default_rng(seed)
    return matrix_from_quaternion(rng.uniform(-1, 1, 3) * spread_mm, rng.normal(size=4))


def registration(
    frame: str, convention: CoilConvention, unit: str, seed: int = 0
) -> PoseRegistration:
    matrix = matrix_rows(some_pose(seed, spread_mm=900.0))
    given_matrix = {} if frame == "head" else {f"head_from_{frame}": matrix}
    return PoseRegistration(convention=convention, unit=unit, **given_matrix)  # type: ignore[arg-type]  # any field


def posed(values: F64, how: PoseRegistration) -> CoilPose:
    received = PoseReceived(t_ns=NOW_NS, values=pack_f64(values), device_s=1000.0)
    pose, *_ = PoseNode(PoseSettings(), how).step(NOW_NS, received)
    assert isinstance(pose, CoilPose)
    return pose


@given(
    seed=st.integers(0, 2**32 - 1),
    frame=st.sampled_from(FRAMES),
    convention=st.sampled_from(CoilConvention),
    unit=st.sampled_from(("mm", "m")),
    is_matrix=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_whatever_a_navigator_sends_is_the_same_head_pose(
    seed: int, frame: str, convention: CoilConvention, unit: str, is_matrix: bool
) -> None:
    how = registration(frame, convention, unit, seed)
    truth = some_pose(seed + 1, spread_mm=150.0)
    sent = matrix_of_navigator(truth, how.space)
    turn = quaternion_from_matrix(sent)
    values = sent.ravel() if is_matrix else np.append(sent[:3, 3], turn)
    pose = posed(values, how)
    assert pose.valid, pose.reason
    np.testing.assert_allclose(unpack_f64(pose.head_from_coil), truth, atol=1e-9)


@pytest.mark.parametrize("unit", ["mm", "m"])
def test_points_registered_in_lps_are_not_turned_twice(unit: str) -> None:
    """With a matrix both Localite worlds are read the same: it holds the turn."""
    ras, lps = (
        registration("navigator", one, unit)
        for one in (CoilConvention.LOCALITE_RAS, CoilConvention.LOCALITE_LPS)
    )
    sent = some_pose(3, spread_mm=0.1)
    assert posed(sent.ravel(), ras) == posed(sent.ravel(), lps)


@pytest.mark.parametrize("frame", FRAMES)
def test_what_localite_sends_of_an_unseen_coil_is_no_pose(frame: str) -> None:
    how = registration(frame, CoilConvention.LOCALITE_LPS, "mm")
    pose = posed(np.array(UNTRACKED_BY_LOCALITE).ravel(), how)
    assert (pose.valid, pose.reason) == (False, "not_tracked")


@given(st.lists(st.floats(width=64), min_size=16, max_size=16), st.integers(0, 99))
@settings(deadline=None)
def test_no_number_stops_a_conversion(values: list[float], seed: int) -> None:
    how = registration("tracker", CoilConvention.BRAINSIGHT, "m", seed)
    rigid = some_pose(seed, spread_mm=1.0)
    rigid[:3, 3] = values[:3]
    for sent in (np.array(values), rigid.ravel()):
        assert posed(sent, how).reason in {
            "",
            "not_finite",
            "not_rigid",
            "not_tracked",
            "out_of_range",
        }


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"head_from_mri": np.diag((1.0, 1.0, -1.0, 1.0))},
            "head_from_mri: reflection",
        ),
        ({"head_from_mri": np.diag((1.1, 1.0, 1.0, 1.0))}, "shear or scale"),
        ({"head_from_mri": np.full((4, 4), np.nan)}, "not finite"),
        (
            {"head_from_mri": np.eye(4), "head_from_tracker": np.eye(4)},
            "head_from_mri and head_from_tracker: poses come in one frame",
        ),
    ],
)
def test_registration_that_would_warp_or_mirror_the_coil_is_refused(
    fields: dict[str, F64], said: str
) -> None:
    rows = {name: matrix_rows(matrix) for name, matrix in fields.items()}
    with pytest.raises(ValueError, match=said):
        PoseRegistration(**rows)  # type: ignore[arg-type]  # any field


def test_every_point_has_its_residual() -> None:
    with pytest.raises(ValueError, match="1 numbers for 2 points"):
        PoseRegistration(points=("nasion", "lpa"), residual_mm=(1.0,))
