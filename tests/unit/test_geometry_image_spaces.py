import numpy as np
import pytest

from m2m_rt.geometry import (
    RAS_FROM_LPS,
    InvesaliusImage,
    rigid_fault,
    scanner_from_invesalius,
    scanner_from_surface,
    surface_from_voxel,
    transform_points,
)

# A conformed FreeSurfer volume: 256³ voxels of 1 mm, voxel axes L, I, A.
CONFORMED_TKR = np.array(
    ((-1.0, 0, 0, 128), (0, 0, 1, -128), (0, -1, 0, 128), (0, 0, 0, 1))
)


def test_surface_space_of_a_conformed_volume_is_freesurfers() -> None:
    found = surface_from_voxel((256, 256, 256), np.ones(3))
    np.testing.assert_array_equal(found, CONFORMED_TKR)


def test_surface_space_agrees_with_nibabel_for_unequal_voxels() -> None:
    nibabel = pytest.importorskip("nibabel")
    header = nibabel.freesurfer.MGHImage(
        np.zeros((192, 256, 120), np.float32), np.diag((1.0, 0.8, 1.2, 1.0))
    ).header
    found = surface_from_voxel((192, 256, 120), np.array((1.0, 0.8, 1.2)))
    np.testing.assert_allclose(found, header.get_vox2ras_tkr(), atol=1e-4)  # float32


def test_surface_ras_of_a_conformed_volume_is_scanner_ras_less_its_centre() -> None:
    scanner_from_voxel = CONFORMED_TKR.copy()
    scanner_from_voxel[:3, 3] += (5.4, 18.0, 0.0)
    moved = scanner_from_surface(
        scanner_from_voxel=scanner_from_voxel, surface_from_voxel=CONFORMED_TKR
    )
    assert rigid_fault(moved) is None
    points = transform_points(moved, np.array(((-40.0, -20.0, 60.0),)))
    np.testing.assert_allclose(points, ((-34.6, -2.0, 60.0),))


def test_matrices_of_two_images_do_not_give_a_rigid_transform() -> None:
    moved = scanner_from_surface(
        scanner_from_voxel=np.diag((2.0, 2.0, 2.0, 1.0)),
        surface_from_voxel=CONFORMED_TKR,
    )
    assert rigid_fault(moved) == "shear or scale"


def test_lps_to_ras_is_a_rotation_and_its_own_inverse() -> None:
    assert rigid_fault(RAS_FROM_LPS) is None
    np.testing.assert_array_equal(RAS_FROM_LPS @ RAS_FROM_LPS, np.eye(4))
    np.testing.assert_array_equal(
        transform_points(RAS_FROM_LPS, np.array(((1.0, 2.0, 3.0),))),
        ((-1.0, -2.0, 3.0),),
    )


def test_first_row_of_invesalius_is_the_last_of_the_voxels() -> None:
    image = InvesaliusImage(256, 0.9, np.eye(4))
    found = scanner_from_invesalius(image, np.eye(4))
    assert found[:3, 3] == pytest.approx((0.0, 0.9 * 255, 0.0))
    np.testing.assert_array_equal(found[:3, :3], np.eye(3))
