from dataclasses import replace

import numpy as np
import pytest

from m2m_rt.efield import EfieldLookup, EfieldTable, PoseFault, draw_pose
from m2m_rt.efield.lookup import POSES_A_BLOCK
from m2m_rt.errors import DataError
from m2m_rt.units import F32, F64
from tests.support.efield import make_synthetic_table

TABLE = make_synthetic_table()
LOOKUP = EfieldLookup(TABLE)
RNG = np.random.default_rng(3)
POSES = np.stack([draw_pose(TABLE.region, LOOKUP.guard, RNG) for _ in range(40)])


def reference_field(table: EfieldTable, pose: F64) -> F64:
    """Return the field in plain float64 NumPy: gather by corners, then two products."""
    coil = table.coil
    in_coil_mm = (table.sensors_mm - pose[:3, 3]) @ pose[:3, :3]
    at = (in_coil_mm - coil.origin_mm) / coil.spacing_mm
    low = np.floor(at).astype(int)
    b = np.zeros_like(at)
    for corner in np.ndindex(2, 2, 2):
        weights = np.where(corner, at - low, 1.0 - (at - low)).prod(axis=1)
        values = coil.b_t_per_a_per_us[tuple((low + corner).T)]
        b += weights[:, np.newaxis] * values.astype(np.float64)
    b_head = b @ pose[:3, :3].T
    e = table.basis.astype(np.float64) @ (table.project.astype(float) @ b_head.ravel())
    return e.reshape(-1, 3)


def field(lookup: EfieldLookup, pose: F64) -> F32:
    answer = lookup.query(pose)
    assert answer.unit_efield_v_per_m is not None, answer.reason
    return answer.unit_efield_v_per_m


def relative_l2(found: F32, expected: F32 | F64) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def test_query_is_interpolation_rotation_and_two_products() -> None:
    for pose in POSES:
        expected = reference_field(TABLE, pose)
        # float32 sums of 120 and 12 terms, some of which cancel
        assert relative_l2(field(LOOKUP, pose), expected) < 1e-5


def test_batch_agrees_with_single_queries() -> None:
    answers = LOOKUP.query_batch(POSES)
    assert answers.valid.all()
    assert answers.reasons == (None,) * len(POSES)
    for pose, found in zip(POSES, answers.unit_efield_v_per_m, strict=True):
        # the same float32 sums in another order
        assert relative_l2(found, field(LOOKUP, pose)) < 1e-5


@pytest.mark.parametrize("shape", [(4, 4), (2, 3, 3), (2, 4, 3), (0,), (2, 16)])
def test_batch_of_what_are_no_poses_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"expected \(n, 4, 4\)"):
        LOOKUP.query_batch(np.zeros(shape))


def test_no_poses_have_no_answers() -> None:
    answers = LOOKUP.query_batch(np.zeros((0, 4, 4)))
    assert len(answers.valid) == len(answers.reasons) == 0


def test_batch_refuses_the_same_poses_with_the_same_reasons() -> None:
    poses = POSES[:4].copy()
    poses[1, 0, 3] = np.nan
    poses[2, :3, 3] *= 1.5
    answers = LOOKUP.query_batch(poses)
    assert answers.reasons == tuple(LOOKUP.query(pose).reason for pose in poses)
    assert answers.valid.tolist() == [True, False, False, True]
    assert not answers.unit_efield_v_per_m[[1, 2]].any()


def reference_bound(pose: F64) -> float:
    """Return the stated formula on the answer itself, in float64."""
    bound = TABLE.bound
    assert bound is not None
    coefficients = np.linalg.lstsq(
        TABLE.basis.astype(float), field(LOOKUP, pose).ravel().astype(float), rcond=None
    )[0]
    error = np.linalg.norm(bound.error_map.astype(float) @ coefficients)
    size = np.linalg.norm(coefficients)
    return bound.inflation * float(np.hypot(error / size, bound.floor))


def test_bound_is_the_formula_that_the_table_states() -> None:
    for pose in POSES:
        answer = LOOKUP.query(pose)
        # float32 coefficients
        assert answer.table_rel_error == pytest.approx(reference_bound(pose), rel=1e-4)


def test_batch_has_the_bounds_of_single_queries_and_none_where_refused() -> None:
    poses = POSES.copy()
    poses[5, 0, 3] = np.nan
    expected = [LOOKUP.query(pose).table_rel_error for pose in poses]
    found = LOOKUP.query_batch(poses).table_rel_error
    assert np.isnan(expected).nonzero()[0].tolist() == [5]
    # the same float32 sums in another order
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_table_without_a_bound_answers_with_no_number() -> None:
    lookup = EfieldLookup(replace(TABLE, bound=None))
    assert lookup.query(POSES[0]).valid
    assert np.isnan(lookup.query(POSES[0]).table_rel_error)
    assert np.isnan(lookup.query_batch(POSES).table_rel_error).all()


def test_batch_longer_than_a_block_agrees_with_single_queries() -> None:
    poses = np.resize(POSES, (2 * POSES_A_BLOCK + 5, 4, 4))  # over and over again
    found = LOOKUP.query_batch(poses).unit_efield_v_per_m
    for row in (0, POSES_A_BLOCK - 1, POSES_A_BLOCK, len(poses) - 1):
        # the same float32 sums in another order
        assert relative_l2(found[row], field(LOOKUP, poses[row])) < 1e-5


def test_batch_fills_the_buffer_it_is_given() -> None:
    out = np.full((len(POSES), 200, 3), np.nan, np.float32)
    answers = LOOKUP.query_batch(POSES, out=out)
    assert answers.unit_efield_v_per_m is out
    fresh = LOOKUP.query_batch(POSES).unit_efield_v_per_m
    np.testing.assert_array_equal(out, fresh)


@pytest.mark.parametrize("shape", [(39, 200, 3), (40, 600), (3, 200, 40)])
def test_buffer_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="out: found shape"):
        LOOKUP.query_batch(POSES, out=np.empty(shape, np.float32))


def test_coils_field_at_the_sensors_is_what_a_query_starts_from() -> None:
    b = np.ones((len(POSES), TABLE.project.shape[1]), np.float32)
    LOOKUP.coil_b(POSES, b)
    found = b @ TABLE.project.T @ TABLE.basis.T
    for pose, each in zip(POSES, found, strict=True):
        # the same float32 sums in another order
        assert relative_l2(each, field(LOOKUP, pose).ravel()) < 1e-5


def test_batch_of_no_poses_is_empty() -> None:
    answers = LOOKUP.query_batch(np.empty((0, 4, 4)))
    assert answers.unit_efield_v_per_m.shape == (0, 200, 3)


def test_same_pose_gives_the_same_bytes_in_any_memory_layout() -> None:
    pose = POSES[0]
    expected = field(LOOKUP, pose).tobytes()
    storage = np.empty((9, 4, 4))
    for offset in range(8):
        shifted = storage.ravel()[offset : offset + 16].reshape(4, 4)
        shifted[:] = pose
        assert field(EfieldLookup(TABLE), shifted).tobytes() == expected
    assert field(LOOKUP, np.asfortranarray(pose)).tobytes() == expected


def test_an_answer_does_not_change_when_the_next_pose_is_asked() -> None:
    first = field(LOOKUP, POSES[0])
    kept = first.copy()
    LOOKUP.query(POSES[1])
    np.testing.assert_array_equal(first, kept)


def test_pose_given_is_not_changed_and_may_be_read_only() -> None:
    pose = POSES[0].copy()
    pose.flags.writeable = False
    assert LOOKUP.query(pose).valid


def test_planned_pose_has_the_peak_that_the_table_states() -> None:
    planned = field(LOOKUP, TABLE.region.planned_head_from_coil)
    peak = np.linalg.norm(planned, axis=1).max()
    # the factory takes the coil grid's nearest node
    assert peak == pytest.approx(TABLE.planned_peak_v_per_m, rel=0.2)


def test_sensor_beyond_the_coil_grid_is_refused_not_extrapolated() -> None:
    coil = TABLE.coil
    small = replace(coil, b_t_per_a_per_us=coil.b_t_per_a_per_us[:, :, :8].copy())
    lookup = EfieldLookup(replace(TABLE, coil=small))
    planned = TABLE.region.planned_head_from_coil
    assert lookup.query(planned).reason is PoseFault.OUTSIDE_COIL_GRID
    assert lookup.query(planned).unit_efield_v_per_m is None
    batch = lookup.query_batch(planned[np.newaxis])
    assert batch.reasons == (PoseFault.OUTSIDE_COIL_GRID,)
    assert not batch.unit_efield_v_per_m.any()


def test_sensor_on_the_far_face_of_the_coil_grid_is_answered() -> None:
    planned = TABLE.region.planned_head_from_coil
    far_mm = TABLE.coil.origin_mm + 8.0 * (np.array((45, 45, 26)) - 1)
    at_corner = planned[:3, :3] @ far_mm + planned[:3, 3]
    inside = at_corner - 1e-9 * planned[:3, :3].sum(axis=1)
    sensors_mm = np.repeat(inside[np.newaxis], len(TABLE.sensors_mm), axis=0)
    assert EfieldLookup(replace(TABLE, sensors_mm=sensors_mm)).query(planned).valid


def test_warm_up_changes_no_answer() -> None:
    lookup = EfieldLookup(TABLE)
    before = field(lookup, POSES[0]).tobytes()
    lookup.warm_up()
    assert field(lookup, POSES[0]).tobytes() == before


@pytest.mark.parametrize("shape", [(3, 4), (16,), (2, 4, 4)])
def test_anything_but_a_4_by_4_matrix_is_refused(shape: tuple[int, ...]) -> None:
    answer = LOOKUP.query(np.zeros(shape))
    assert (answer.valid, answer.reason) == (False, PoseFault.NOT_RIGID)
