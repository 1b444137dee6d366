"""Which poses the shipped demo table answers, judged by geometry of its own mesh."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial import cKDTree

from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.table_path import MESH_FILE, table_path
from m2m_rt.efield import EfieldLookup, draw_pose
from m2m_rt.fem import read_mesh
from m2m_rt.fem.mesh import outer_boundary
from m2m_rt.fem.tissues import Tissue
from m2m_rt.geometry import matrix_rows
from m2m_rt.messages import CoilPose, PoseReceived, pack_f64
from m2m_rt.nodes import PoseNode, PoseSettings
from m2m_rt.units import F64, NS_PER_S, RigNs

PATH = table_path("demo")
TABLE = read_table(PATH)
REGION = TABLE.region
PLANNED = REGION.planned_head_from_coil
LOOKUP = EfieldLookup(TABLE)
Z = PLANNED[:3, 2]
MARGIN_MM = 1.0
"""The scalp's own triangles against the guard's 2 mm grid of distances."""


def scalp_points() -> tuple[F64, F64]:
    """Return the scalp's triangle centres and outward normals (n, 3) near the coil."""
    scalp = outer_boundary(read_mesh(PATH.parent / MESH_FILE), Tissue.SCALP)
    corners = scalp.points_mm[scalp.triangles]  # (n, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    centres = corners.mean(axis=1)
    normals *= np.sign(np.sum(normals * (centres - scalp.points_mm.mean(axis=0)), 1))[
        :, None
    ]
    return centres, normals / np.linalg.norm(normals, axis=1, keepdims=True)


CENTRES_MM, NORMALS = scalp_points()
TREE = cKDTree(CENTRES_MM)


def turned(axis: F64, degrees: float) -> F64:
    """Return a rotation matrix (Rodrigues)."""
    x, y, z = axis / np.linalg.norm(axis)
    skew = np.array(((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0)))
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * skew @ skew


def proposal(rng: np.random.Generator) -> F64:
    """Return any pose around the planned one: 45 mm and 40 degrees about."""
    pose = PLANNED.copy()
    lean = turned(rng.normal(size=3), rng.uniform(0.0, 40.0))
    pose[:3, :3] = lean @ turned(Z, rng.uniform(0.0, 360.0)) @ PLANNED[:3, :3]
    pose[:3, 3] += rng.uniform(-32.0, 32.0, 3)
    return pose


def is_inside(pose: F64) -> bool:
    """Say whether a pose is well inside the region, by the scalp's triangles alone."""
    offset_mm = pose[:3, 3] - PLANNED[:3, 3]
    across_mm = np.linalg.norm(offset_mm - (offset_mm @ Z) * Z)
    # The guard smooths the scalp's normal over 2 mm each way; so do neighbours here.
    _, near = TREE.query(pose[:3, 3], k=30)
    normal = NORMALS[near].mean(axis=0)
    normal /= np.linalg.norm(normal)
    tilt_deg = np.degrees(np.arccos(np.clip(-pose[:3, 2] @ normal, -1.0, 1.0)))
    winding_mm = TABLE.coil.winding_mm @ pose[:3, :3].T + pose[:3, 3]
    away_mm, nearest = TREE.query(winding_mm)
    side = np.sum((winding_mm - CENTRES_MM[nearest]) * NORMALS[nearest], axis=1)
    # A triangle's centre is farther than the triangle.
    clearance_mm = np.where(side > 0.0, np.minimum(away_mm, side), -away_mm).min()
    return (
        across_mm < REGION.max_offset_mm - MARGIN_MM
        and tilt_deg < REGION.max_tilt_deg - 5.0
        and clearance_mm > REGION.min_winding_mm + MARGIN_MM
        and away_mm.min() < REGION.max_winding_mm - MARGIN_MM
    )


def test_of_1000_poses_inside_99_per_cent_are_answered() -> None:
    rng = np.random.default_rng(21)
    inside: list[F64] = []
    while len(inside) < 1000:
        pose = proposal(rng)
        if is_inside(pose):
            inside.append(pose)
    answers = [LOOKUP.query(pose) for pose in inside]
    assert sum(answer.valid for answer in answers) >= 990


def too_far_aside(pose: F64, rng: np.random.Generator) -> F64:
    across = np.cross(Z, rng.normal(size=3))
    pose[:3, 3] = PLANNED[:3, 3] + across / np.linalg.norm(across) * rng.uniform(31, 90)
    pose[:3, 3] += rng.uniform(-20.0, 20.0) * Z
    return pose


def too_far_off(pose: F64, rng: np.random.Generator) -> F64:
    pose[:3, 3] -= rng.uniform(70.0, 150.0) * Z
    return pose


def in_the_head(pose: F64, rng: np.random.Generator) -> F64:
    pose[:3, 3] += rng.uniform(40.0, 90.0) * Z
    return pose


def tilted(pose: F64, rng: np.random.Generator) -> F64:
    # The scalp's normal turns by at most 30 degrees within 10 mm of the planned place.
    pose[:3, :3] = (
        turned(np.cross(Z, rng.normal(size=3)), rng.uniform(65.0, 115.0))
        @ (PLANNED[:3, :3])
    )
    pose[:3, 3] = PLANNED[:3, 3] - rng.uniform(10.0, 40.0) * Z
    return pose


def facing_away(pose: F64, rng: np.random.Generator) -> F64:
    pose[:3, :3] = turned(PLANNED[:3, 1], 180.0) @ pose[:3, :3]
    pose[:3, 3] -= rng.uniform(0.0, 30.0) * Z
    return pose


def on_the_wrong_side(pose: F64, rng: np.random.Generator) -> F64:
    pose[:3, 3] += rng.uniform(150.0, 260.0) * Z
    return pose


def sheared(pose: F64, rng: np.random.Generator) -> F64:
    pose[rng.integers(3), rng.integers(3)] += rng.choice((-1, 1)) * rng.uniform(0.02, 1)
    return pose


def scaled(pose: F64, rng: np.random.Generator) -> F64:
    pose[:3, :3] *= rng.choice((0.001, 0.5, 0.98, 1.02, 2.0, 1000.0))
    return pose


def mirrored(pose: F64, rng: np.random.Generator) -> F64:
    pose[:3, rng.integers(3)] *= -1.0
    return pose


def not_a_number(pose: F64, rng: np.random.Generator) -> F64:
    pose[rng.integers(4), rng.integers(4)] = rng.choice((np.nan, np.inf, -np.inf))
    return pose


def in_metres(pose: F64, _: np.random.Generator) -> F64:
    pose[:3, 3] /= 1000.0
    return pose


@pytest.mark.parametrize(
    "spoil",
    [
        too_far_aside,
        too_far_off,
        in_the_head,
        tilted,
        facing_away,
        on_the_wrong_side,
        sheared,
        scaled,
        mirrored,
        not_a_number,
        in_metres,
    ],
)
def test_of_100_poses_outside_in_each_way_none_is_answered(
    spoil: Callable[[F64, np.random.Generator], F64],
) -> None:
    rng = np.random.default_rng(22)
    poses: list[F64] = []
    while len(poses) < 100:
        pose = proposal(rng)
        if is_inside(pose):
            poses.append(spoil(pose, rng))
    answers = [LOOKUP.query(pose) for pose in poses]
    assert [answer.reason for answer in answers if answer.valid] == []
    assert all(answer.unit_efield_v_per_m is None for answer in answers)
    assert all(answer.reason is not None for answer in answers)
    assert not LOOKUP.query_batch(np.stack(poses)).valid.any()


def test_winding_nearer_than_the_sources_by_the_scalps_own_points_is_refused() -> None:
    rng = np.random.default_rng(23)
    refused = 0
    while refused < 100:
        pose = proposal(rng)
        winding_mm = TABLE.coil.winding_mm @ pose[:3, :3].T + pose[:3, 3]
        away_mm, _ = TREE.query(winding_mm)
        # A distance to a triangle's centre is no less than that to the scalp.
        if away_mm.min() < REGION.min_winding_mm - 0.5:
            assert not LOOKUP.query(pose).valid
            refused += 1


def test_what_the_table_answers_the_live_checks_never_refuse() -> None:
    rng = np.random.default_rng(8)
    node = PoseNode(PoseSettings(), planned_head_from_coil=matrix_rows(PLANNED))
    for place in range(300):
        t_ns = RigNs(NS_PER_S + place)
        values = pack_f64(draw_pose(REGION, LOOKUP.guard, rng).ravel())
        received = PoseReceived(t_ns=t_ns, values=values, device_s=t_ns / NS_PER_S)
        pose, *_ = node.step(t_ns, received)
        assert isinstance(pose, CoilPose)
        assert pose.valid, pose.reason
