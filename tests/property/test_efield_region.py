from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.efield import EfieldLookup, PoseFault, RegionGuard, draw_pose
from m2m_rt.errors import DataError
from m2m_rt.geometry import rigid_fault
from m2m_rt.units import F64
from tests.support.efield import HEAD_RADIUS_MM, PLANNED_DIRECTION, make_synthetic_table

TABLE = make_synthetic_table()
REGION = TABLE.region
WINDING_MM = TABLE.coil.winding_mm
GUARD = RegionGuard(REGION, WINDING_MM)
PLANNED = REGION.planned_head_from_coil
GRID_ERROR_MM = 0.15
"""Trilinear distance to a 90 mm sphere on 5 mm nodes: h²/8 · 2/R, and a little."""


def rotation_about(axis: F64, angle: float) -> F64:
    """Return a rotation matrix (Rodrigues)."""
    x, y, z = axis / np.linalg.norm(axis)
    skew = np.array(((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0)))
    return np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * skew @ skew


def random_rotation(rng: np.random.Generator) -> F64:
    return rotation_about(rng.normal(size=3), rng.uniform(0.0, np.pi))


def on_sphere(
    *, around_deg: float, azimuth: float, tilt_deg: float, winding_mm: float, yaw: float
) -> F64:
    """Return a pose by the sphere's own geometry, not by the guard's.

    The coil's centre is `around_deg` along the sphere from the planned point; it is
    slid along its own normal until the nearest winding has the asked distance.
    """
    aside = np.cross(PLANNED_DIRECTION, (1.0, 0.0, 0.0))
    aside = rotation_about(PLANNED_DIRECTION, azimuth) @ aside
    outward = rotation_about(aside, np.radians(around_deg)) @ PLANNED_DIRECTION
    z_axis = rotation_about(np.cross(outward, aside), np.radians(tilt_deg)) @ -outward
    x_axis = np.cross(aside, z_axis) / np.linalg.norm(np.cross(aside, z_axis))
    x_axis = rotation_about(z_axis, yaw) @ x_axis
    turn = np.stack((x_axis, np.cross(z_axis, x_axis), z_axis), axis=1)
    offsets_mm = WINDING_MM @ turn.T
    along, across2 = offsets_mm @ outward, (offsets_mm**2).sum(axis=1)
    # |h·outward + offset| = R + winding for the nearest point: the largest such h
    reach2 = (HEAD_RADIUS_MM + winding_mm) ** 2
    height_mm = (-along + np.sqrt(along**2 - across2 + reach2)).max()
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, height_mm * outward
    return pose


def true_offset_mm(pose: F64) -> float:
    away = pose[:3, 3] - PLANNED[:3, 3]
    return float(np.linalg.norm(away - (away @ PLANNED_DIRECTION) * PLANNED_DIRECTION))


def true_tilt_deg(pose: F64) -> float:
    outward = pose[:3, 3] / np.linalg.norm(pose[:3, 3])
    return float(np.degrees(np.arccos(np.clip(-pose[:3, 2] @ outward, -1.0, 1.0))))


def true_winding_mm(pose: F64) -> float:
    winding_mm = WINDING_MM @ pose[:3, :3].T + pose[:3, 3]
    return float(np.linalg.norm(winding_mm, axis=1).min()) - HEAD_RADIUS_MM


def is_inside(pose: F64, *, margin: float) -> bool:
    """Say whether the region allows a pose, by this much (mm and degrees)."""
    winding_mm = true_winding_mm(pose)
    return (
        true_offset_mm(pose) <= REGION.max_offset_mm - margin
        and true_tilt_deg(pose) <= REGION.max_tilt_deg - margin
        and winding_mm >= REGION.min_winding_mm + margin
        and winding_mm <= REGION.max_winding_mm - margin
    )


placements = st.builds(
    on_sphere,
    around_deg=st.floats(0.0, 40.0),
    azimuth=st.floats(0.0, 6.28),
    tilt_deg=st.floats(0.0, 45.0),
    winding_mm=st.floats(-2.0, 45.0),
    yaw=st.floats(0.0, 6.28),
)


@given(pose=placements)
def test_guard_agrees_with_the_spheres_own_geometry(pose: F64) -> None:
    fault = GUARD.fault(pose)
    if is_inside(pose, margin=GRID_ERROR_MM):
        assert fault is None
    elif not is_inside(pose, margin=-GRID_ERROR_MM):
        assert fault is not None


def test_of_1000_poses_inside_99_per_cent_are_answered() -> None:
    rng = np.random.default_rng(11)
    inside: list[F64] = []
    while len(inside) < 1000:
        pose = on_sphere(
            around_deg=rng.uniform(0.0, 20.0),
            azimuth=rng.uniform(0.0, 2.0 * np.pi),
            tilt_deg=rng.uniform(0.0, 30.0),
            winding_mm=rng.uniform(4.5, 30.0),
            yaw=rng.uniform(0.0, 2.0 * np.pi),
        )
        if is_inside(pose, margin=0.0):
            inside.append(pose)
    answers = EfieldLookup(TABLE).query_batch(np.stack(inside))
    assert answers.valid.mean() >= 0.99


def test_of_1000_poses_outside_none_is_answered() -> None:
    rng = np.random.default_rng(12)
    outside: list[F64] = []
    while len(outside) < 1000:
        pose = on_sphere(
            around_deg=rng.uniform(0.0, 180.0),
            azimuth=rng.uniform(0.0, 2.0 * np.pi),
            tilt_deg=rng.uniform(0.0, 180.0),
            winding_mm=rng.uniform(-15.0, 80.0),
            yaw=rng.uniform(0.0, 2.0 * np.pi),
        )
        if not is_inside(pose, margin=-GRID_ERROR_MM):
            outside.append(pose)
    assert not EfieldLookup(TABLE).query_batch(np.stack(outside)).valid.any()


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.9, 1.1), flip=st.booleans())
def test_matrix_is_refused_exactly_when_geometry_calls_it_not_rigid(
    seed: int, scale: float, flip: bool
) -> None:
    rng = np.random.default_rng(seed)
    pose = PLANNED.copy()
    pose[:3, :3] = random_rotation(rng) * (-1.0 if flip else 1.0)
    pose[:3, rng.integers(3)] *= rng.choice((1.0, scale))
    pose[3, rng.integers(4)] += rng.choice((0.0, 0.0, 1e-9))
    is_refused = GUARD.fault(pose) is PoseFault.NOT_RIGID
    assert is_refused == (rigid_fault(pose) is not None)


@given(
    row=st.integers(0, 3),
    column=st.integers(0, 3),
    value=st.sampled_from((np.nan, np.inf, -np.inf)),
)
def test_pose_with_a_value_that_is_no_number_is_refused(
    row: int, column: int, value: float
) -> None:
    pose = PLANNED.copy()
    pose[row, column] = value
    assert GUARD.fault(pose) is PoseFault.NOT_FINITE


@given(seed=st.integers(0, 2**32 - 1))
def test_drawn_poses_are_inside(seed: int) -> None:
    pose = draw_pose(REGION, GUARD, np.random.default_rng(seed))
    assert rigid_fault(pose, tolerance=1e-9) is None
    assert is_inside(pose, margin=-GRID_ERROR_MM)


def test_draws_reach_every_edge_of_the_region() -> None:
    rng = np.random.default_rng(5)
    poses = [draw_pose(REGION, GUARD, rng) for _ in range(300)]
    assert max(true_offset_mm(pose) for pose in poses) > 28.0
    assert max(true_tilt_deg(pose) for pose in poses) > 28.0
    assert min(true_winding_mm(pose) for pose in poses) < 5.5
    assert max(true_winding_mm(pose) for pose in poses) > 29.0


def with_(place: tuple[float, ...] | F64, turn: F64 | None = None) -> F64:
    pose = PLANNED.copy()
    pose[:3, 3] = place
    if turn is not None:
        pose[:3, :3] = turn
    return pose


CENTRE_MM = PLANNED[:3, 3]
ASIDE = PLANNED[:3, 0]
ABOUT_Y = rotation_about(PLANNED[:3, 1], np.radians(35.0)) @ PLANNED[:3, :3]
FLIPPED = rotation_about(PLANNED[:3, 1], np.pi) @ PLANNED[:3, :3]
RAISED_MM = CENTRE_MM + 30.0 * PLANNED_DIRECTION


@pytest.mark.parametrize(
    ("pose", "reason"),
    [
        (PLANNED, None),
        (with_(CENTRE_MM + 31.0 * ASIDE), PoseFault.OUTSIDE_REGION),
        (with_(CENTRE_MM + 500.0 * ASIDE), PoseFault.OUTSIDE_REGION),
        (with_(CENTRE_MM + 1e300 * ASIDE), PoseFault.OUTSIDE_REGION),
        (with_(-CENTRE_MM), PoseFault.WRONG_SIDE),
        (with_(RAISED_MM, FLIPPED), PoseFault.FACING_AWAY),
        (with_(RAISED_MM, ABOUT_Y), PoseFault.TILTED),
        (with_(CENTRE_MM - 5.0 * PLANNED_DIRECTION), PoseFault.TOO_NEAR),
        (with_(0.5 * CENTRE_MM), PoseFault.TOO_NEAR),
        (with_(CENTRE_MM + 40.0 * PLANNED_DIRECTION), PoseFault.TOO_FAR),
    ],
)
def test_each_refusal_has_its_reason(pose: F64, reason: PoseFault | None) -> None:
    assert GUARD.fault(pose) is reason


def test_winding_beyond_the_scalp_grid_does_not_hide_a_near_one() -> None:
    scalp = REGION.scalp
    # x from −105 mm on: the far wing of the coil leaves the grid, the head does not
    cut = replace(
        scalp,
        origin_mm=scalp.origin_mm + np.array((95.0, 0.0, 0.0)),
        distance_mm=scalp.distance_mm[19:].copy(),
    )
    guard = RegionGuard(replace(REGION, scalp=cut), WINDING_MM)
    beyond = (WINDING_MM @ PLANNED[:3, :3].T + CENTRE_MM)[:, 0] < -105.0
    assert beyond.any()
    assert guard.fault(PLANNED) is None
    near = with_(CENTRE_MM - 5.0 * PLANNED_DIRECTION)
    assert guard.fault(near) is PoseFault.TOO_NEAR


def test_region_whose_planned_pose_lies_outside_its_scalp_grid_is_refused() -> None:
    far = replace(REGION, planned_head_from_coil=with_((0.0, 0.0, 900.0)))
    with pytest.raises(DataError, match="planned centre"):
        RegionGuard(far, WINDING_MM)


def test_empty_region_says_so_instead_of_drawing_for_ever() -> None:
    empty = replace(REGION, min_winding_mm=400.0, max_winding_mm=401.0)
    with pytest.raises(DataError, match="no pose"):
        draw_pose(empty, RegionGuard(empty, WINDING_MM), np.random.default_rng(0))
