import numpy as np
import pytest
from support.dipole_coil import figure_of_eight, primary_efield

from m2m_rt.errors import DataError
from m2m_rt.geometry import (
    CoilConvention,
    InvesaliusImage,
    head_from_coil_of_invesalius,
    head_from_coil_simnibs,
    matrix_from_brainsight,
    matrix_from_euler_sxyz,
    visor2_fault,
)
from m2m_rt.units import F64

CENTRE_MM = (10.0, 20.0, 100.0)
CORTEX_MM = np.random.default_rng(0).uniform((-30, -20, 50), (40, 60, 70), (60, 3))


def pose(x: tuple, y: tuple, z: tuple, centre: tuple = CENTRE_MM) -> F64:
    matrix = np.eye(4)
    matrix[:3] = np.column_stack((x, y, z, centre))
    return matrix


FORWARD, BACK, UP, DOWN = (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)
RIGHT, LEFT = (1, 0, 0), (-1, 0, 0)

# A coil on the top of the head, its handle pointing backwards.
SIMNIBS = pose(LEFT, FORWARD, DOWN)
NATIVE = {
    CoilConvention.SIMNIBS: SIMNIBS,
    CoilConvention.BRAINSIGHT: pose(RIGHT, FORWARD, UP),
    CoilConvention.NAVINIBS: pose(RIGHT, FORWARD, UP),
    CoilConvention.LOCALITE_RAS: pose(DOWN, BACK, LEFT),
    # In LPS the first two numbers of every vector change sign.
    CoilConvention.LOCALITE_LPS: pose(DOWN, FORWARD, RIGHT, (-10.0, -20.0, 100.0)),
    CoilConvention.SOFTAXIC: pose(FORWARD, RIGHT, DOWN),
    CoilConvention.VISOR2: SIMNIBS,
    CoilConvention.INVESALIUS: pose(FORWARD, RIGHT, DOWN),
    CoilConvention.CUNIBS: SIMNIBS,
}


def test_every_convention_has_a_golden_pose() -> None:
    assert set(NATIVE) == set(CoilConvention)


@pytest.mark.parametrize("convention", CoilConvention)
def test_native_pose_of_each_system_is_the_same_coil(
    convention: CoilConvention,
) -> None:
    converted = head_from_coil_simnibs(NATIVE[convention], convention)
    np.testing.assert_array_equal(converted, SIMNIBS)


@pytest.mark.parametrize("convention", CoilConvention)
def test_conversion_keeps_handedness(convention: CoilConvention) -> None:
    tilted = matrix_from_euler_sxyz(np.array(CENTRE_MM), np.array((20.0, -35.0, 70.0)))
    converted = head_from_coil_simnibs(tilted, convention)
    assert converted is not None
    assert np.linalg.det(converted[:3, :3]) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("convention", CoilConvention)
def test_rising_current_drives_e_forward_when_the_handle_points_back(
    convention: CoilConvention,
) -> None:
    converted = head_from_coil_simnibs(NATIVE[convention], convention)
    assert converted is not None
    under = np.array(((10.0, 20.0, 70.0),))
    field = primary_efield(figure_of_eight(depth_mm=3.0), converted, under)[0]
    assert field / np.linalg.norm(field) == pytest.approx((0.0, 1.0, 0.0), abs=1e-12)


def relative_change(coil: object, wrong: F64) -> float:
    right = primary_efield(coil, SIMNIBS, CORTEX_MM)
    other = primary_efield(coil, wrong, CORTEX_MM)
    return float(np.linalg.norm(other - right) / np.linalg.norm(right))


def test_wrong_handle_sign_reverses_e_and_leaves_its_strength() -> None:
    wrong = SIMNIBS @ np.diag((-1.0, -1.0, 1.0, 1.0))
    coil = figure_of_eight(depth_mm=3.0)
    right = primary_efield(coil, SIMNIBS, CORTEX_MM)
    np.testing.assert_allclose(
        primary_efield(coil, wrong, CORTEX_MM), -right, atol=1e-15
    )


def test_forgotten_flip_is_invisible_with_an_ideal_flat_coil() -> None:
    wrong = NATIVE[CoilConvention.BRAINSIGHT]
    assert relative_change(figure_of_eight(), wrong) < 1e-12


def test_forgotten_flip_shows_with_windings_behind_the_face() -> None:
    wrong = NATIVE[CoilConvention.BRAINSIGHT]
    assert relative_change(figure_of_eight(depth_mm=3.0), wrong) > 0.1


def test_forgotten_flip_shows_with_unequal_wings() -> None:
    wrong = NATIVE[CoilConvention.BRAINSIGHT]
    assert relative_change(figure_of_eight(ratio=0.5), wrong) > 0.3


@pytest.mark.parametrize(
    "convention", [CoilConvention.BRAINSIGHT, CoilConvention.LOCALITE_RAS]
)
def test_double_conversion_is_another_coil_pose(convention: CoilConvention) -> None:
    again = head_from_coil_simnibs(SIMNIBS, convention)
    assert again is not None
    assert relative_change(figure_of_eight(depth_mm=3.0, ratio=0.7), again) > 0.1


@pytest.mark.parametrize(
    "convention", [CoilConvention.LOCALITE_RAS, CoilConvention.LOCALITE_LPS]
)
def test_untracked_localite_pulse_is_no_pose(convention: CoilConvention) -> None:
    untracked = pose((0, 0, 1), (0, -1, 0), (1, 0, 0), (0, 0, 0))
    assert head_from_coil_simnibs(untracked, convention) is None


def test_reflected_pose_is_refused() -> None:
    with pytest.raises(DataError, match="reflection"):
        head_from_coil_simnibs(pose(RIGHT, FORWARD, DOWN), CoilConvention.SIMNIBS)


def test_scaled_pose_is_refused() -> None:
    with pytest.raises(DataError, match="shear or scale"):
        head_from_coil_simnibs(np.diag((1.1, 1.1, 1.1, 1.0)), CoilConvention.BRAINSIGHT)


def test_brainsight_numbers_are_read_by_axis() -> None:
    # Columns of an export: x axis, then y axis, then z axis.
    exported = np.array((0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    matrix = matrix_from_brainsight(np.array(CENTRE_MM), exported)
    np.testing.assert_array_equal(matrix, pose((0, 1, 0), (-1, 0, 0), (0, 0, 1)))


def test_invesalius_coordinates_are_degrees_and_its_y_is_flipped() -> None:
    voxel_mm_from_scanner = np.eye(4)
    voxel_mm_from_scanner[:3, 3] = (90.0, 126.0, 72.0)
    image = InvesaliusImage(
        n_voxels_y=218, spacing_y_mm=1.0, voxel_mm_from_scanner=voxel_mm_from_scanner
    )
    # y: 217 − (20 + 126) = 71; the turn by 180° about x, then by 90° about z.
    sent = np.array((100.0, 71.0, 172.0, 180.0, 0.0, 90.0))
    converted = head_from_coil_of_invesalius(sent, image)
    np.testing.assert_allclose(converted, SIMNIBS, atol=1e-12)


def test_euler_angles_turn_about_fixed_x_then_y_then_z() -> None:
    matrix = matrix_from_euler_sxyz(np.zeros(3), np.array((90.0, 90.0, 0.0)))
    # About x: y → z; then about y: z → x.
    assert matrix[:3, :3] @ (0.0, 1.0, 0.0) == pytest.approx((1, 0, 0), abs=1e-12)


def test_visor2_file_of_other_axes_or_space_is_refused() -> None:
    assert visor2_fault(coil_axes="simnibs", coordinate_system="ASSOCIATED_IMAGE") is (
        None
    )
    other = visor2_fault(coil_axes="ant", coordinate_system="ASSOCIATED_IMAGE")
    assert other is not None
    assert "'ant'" in other
    assert visor2_fault(coil_axes="simnibs", coordinate_system="MNI") is not None
