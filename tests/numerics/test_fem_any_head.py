"""Regions, quality and labels of heads other than the demo's, on layered balls."""

import contextlib
import warnings
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from m2m_rt.adapters.label_volume import LabelVolume, read_labels
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem import HeadMesh, Occupancies, RoiSettings, Tissue
from m2m_rt.fem.label_head import occupancies_of_labels
from m2m_rt.fem.quality import quality_report
from m2m_rt.fem.recover import patch_weights
from m2m_rt.fem.roi_surface import CortexSettings, box_roi, cortex_roi, patch_roi
from m2m_rt.units import F64
from tests.support.fem_shapes import ball, layered_ball

RADII = {1: 60.0, 2: 72.0, 3: 78.0, 4: 84.0, 5: 90.0}
"""At shells of the ball's tetrahedra, so that its surfaces are smooth."""

BALL = layered_ball(30, RADII)
CENTRE_MM = np.array((-40.0, 0.0, 52.0))


def radii_mm(points_mm: F64) -> F64:
    radius: F64 = np.linalg.norm(points_mm, axis=1)
    return radius


def test_whole_cortex_lies_under_the_grey_matter_s_surface_all_around() -> None:
    roi = cortex_roi(BALL, CortexSettings(spacing_mm=4.0, depth_mm=3.0))
    assert len(roi.points_mm) > 1000
    assert patch_weights(BALL, roi.points_mm, Tissue.GM)[0].shape[0] == len(
        roi.points_mm
    )
    assert (roi.points_mm.min(axis=0) < -50.0).all()
    assert (roi.points_mm.max(axis=0) > 50.0).all()
    outward = np.einsum("ni,ni->n", roi.normals, roi.points_mm)
    assert (outward > 0.0).mean() > 0.99
    assert (roi.box_index == -1).all()


def test_patch_is_the_cortex_within_its_radius() -> None:
    settings = CortexSettings(spacing_mm=4.0, depth_mm=3.0)
    roi = patch_roi(BALL, settings, centre_mm=CENTRE_MM, radius_mm=25.0)
    assert len(roi.points_mm) > 50
    assert (np.linalg.norm(roi.points_mm - CENTRE_MM, axis=1) < 26.0).all()


def test_box_s_points_lie_at_their_voxels_in_grey_matter() -> None:
    roi = box_roi(BALL, RoiSettings(band_mm=20.0), CENTRE_MM)
    at_box = roi.points_mm @ roi.box_from_head[:3, :3].T + roi.box_from_head[:3, 3]
    assert np.abs(at_box - roi.box_index).max() <= 0.51
    assert len(np.unique(roi.box_index, axis=0)) == len(roi.points_mm)
    assert np.all((radii_mm(roi.points_mm) > 54.0) & (radii_mm(roi.points_mm) < 74.0))


def test_region_away_from_the_cortex_is_refused() -> None:
    far = np.array((0.0, 0.0, 300.0))
    with pytest.raises(DataError, match="no cortex"):
        patch_roi(BALL, CortexSettings(), centre_mm=far, radius_mm=10.0)
    with pytest.raises(DataError, match="no grey matter"):
        box_roi(BALL, RoiSettings(), far)


def test_report_of_a_ball_has_its_volumes_and_one_closed_surface() -> None:
    report = quality_report(BALL)
    total_ml = 4.0 / 3.0 * np.pi * 90.0**3 / 1e3
    assert sum(report.volume_ml.values()) == pytest.approx(total_ml, rel=0.01)
    assert (report.pieces, report.outer_surfaces, report.outer_edges_open) == (1, 1, 0)
    assert 0.0 < report.dihedral_deg["min"] < report.dihedral_deg["median"] < 180.0
    assert report.edge_mm["max"] < 30.0


def test_regular_tetrahedron_has_equal_angles() -> None:
    corners = np.array(((1.0, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)))
    one = HeadMesh(corners, np.array(((0, 1, 2, 3),)), np.array((1,)))
    report = quality_report(one)
    expected = np.degrees(np.arccos(1.0 / 3.0))
    assert report.dihedral_deg["min"] == pytest.approx(expected)
    assert report.dihedral_deg["max"] == pytest.approx(expected)
    assert report.slivers == 0.0


def test_report_counts_cavities_and_loose_pieces() -> None:
    middle = radii_mm(BALL.nodes_mm[BALL.tetrahedra].mean(axis=1))
    hollow = middle > 20.0
    holed = replace(
        BALL, tetrahedra=BALL.tetrahedra[hollow], tissue=BALL.tissue[hollow]
    )
    assert quality_report(holed).outer_surfaces == 2
    far = ball(4, 10.0)
    n = len(BALL.nodes_mm)
    two = HeadMesh(
        np.concatenate((BALL.nodes_mm, far.nodes_mm + 200.0)),
        np.concatenate((BALL.tetrahedra, far.tetrahedra + n)),
        np.concatenate((BALL.tissue, far.tissue)),
    )
    assert quality_report(two).pieces == 2


SPACING_MM = np.array((1.6, 2.0, 1.8))


def labels_of_a_ball() -> LabelVolume:
    """A ball of labels on a turned grid of oblong voxels, with an air cavity."""
    turn = np.radians(20.0)
    rotation = np.array(
        (
            (np.cos(turn), -np.sin(turn), 0.0),
            (np.sin(turn), np.cos(turn), 0.0),
            (0, 0, 1),
        )
    )
    n = np.ceil(2.0 * 95.0 / SPACING_MM).astype(int)
    index = np.moveaxis(np.indices(n), 0, -1)
    radius = np.linalg.norm((index - (n - 1) / 2.0) * SPACING_MM, axis=-1)
    labels = np.zeros(n, dtype=np.int64)
    for tissue, outer in sorted(RADII.items(), reverse=True):
        labels[radius <= outer] = tissue
    labels[
        np.linalg.norm((index - (n - 1) / 2.0) * SPACING_MM - (0, 60, -50), axis=-1) < 6
    ] = 0
    affine = np.eye(4)
    affine[:3, :3] = rotation * SPACING_MM
    affine[:3, 3] = np.array((5.0, -12.0, 30.0)) - affine[:3, :3] @ ((n - 1) / 2.0)
    return LabelVolume(labels, affine)


LABELS = labels_of_a_ball()


def test_labels_come_back_from_nifti_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "labels.nii.gz"
    image = nibabel.Nifti1Image(LABELS.labels.astype(np.uint8), LABELS.head_from_voxel)
    image.to_filename(path)
    found = read_labels(path)
    assert np.array_equal(found.labels, LABELS.labels)
    np.testing.assert_allclose(found.head_from_voxel, LABELS.head_from_voxel, atol=1e-4)


@pytest.fixture(scope="module")
def tissues() -> Occupancies:
    return occupancies_of_labels(LABELS)


def test_occupancies_of_labels_are_nested_and_have_their_volumes(
    tissues: Occupancies,
) -> None:
    for tissue, radius in RADII.items():
        inside = tissues.inside[Tissue(tissue)]
        litres = inside.sum() * tissues.grid.spacing_mm**3
        assert litres == pytest.approx(4.0 / 3.0 * np.pi * radius**3, rel=0.03)
        if tissue > 1:
            assert (inside - tissues.inside[Tissue(tissue - 1)]).min() > -1e-5


def test_labels_are_found_at_their_place_in_the_head_frame(
    tissues: Occupancies,
) -> None:
    centre = np.array((5.0, -12.0, 30.0))
    directions = np.random.default_rng(1).normal(size=(200, 3))
    directions /= radii_mm(directions)[:, None]
    for tissue, radius in ((1, 30.0), (2, 66.0), (3, 75.0), (4, 81.0), (5, 87.0)):
        found = tissues.tissue_at(centre + radius * directions)
        assert (found == tissue).mean() > 0.97  # voxels of 2 mm


def test_labels_without_a_tissue_or_with_unknown_ones_are_refused() -> None:
    with pytest.raises(DataError, match="no csf"):
        occupancies_of_labels(
            replace(LABELS, labels=np.where(LABELS.labels == 3, 2, LABELS.labels))
        )
    with pytest.raises(DataError, match="517"):
        occupancies_of_labels(
            replace(LABELS, labels=np.where(LABELS.labels == 3, 517, LABELS.labels))
        )
    named = {10 + t: Tissue(t) for t in RADII}
    shifted = np.where(LABELS.labels > 0, LABELS.labels + 10, 0)
    assert (
        occupancies_of_labels(replace(LABELS, labels=shifted), named).grid.spacing_mm
        == 1.0
    )


def test_two_halves_of_white_matter_that_do_not_touch_are_both_kept() -> None:
    x, y, z = np.indices((81, 81, 81)) - 40.0  # mm
    radius = np.sqrt(x**2 + y**2 + z**2)
    labels = np.zeros(radius.shape, np.int64)
    for tissue, outer in ((5, 38.0), (4, 34.0), (3, 30.0), (2, 26.0), (1, 20.0)):
        labels[radius <= outer] = tissue
    labels[(labels == Tissue.WM) & (np.abs(x) < 2.0)] = Tissue.GM
    inside = occupancies_of_labels(LabelVolume(labels, np.eye(4))).inside[Tissue.WM]
    assert inside.sum() == pytest.approx((labels == Tissue.WM).sum(), rel=0.03)


def test_labels_whose_left_and_right_are_not_known_are_refused(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(LABELS.labels.astype(np.uint8), LABELS.head_from_voxel)
    image.header["sform_code"] = image.header["qform_code"] = 0
    image.to_filename(tmp_path / "nowhere.nii")
    raw = bytearray((tmp_path / "nowhere.nii").read_bytes())
    raw[252:256] = bytes(4)  # both codes, whatever nibabel wrote
    (tmp_path / "nowhere.nii").write_bytes(raw)
    with pytest.raises(DataError, match="left and right"):
        read_labels(tmp_path / "nowhere.nii")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_an_empty_foreign_or_damaged_nifti_is_one_of_our_errors(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    nibabel.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4)).to_filename(path)
    whole = path.read_bytes()
    changed = [bytearray(whole) for _ in range(len(whole))]
    for at, content in enumerate(changed):
        content[at] ^= 0x40
    for damaged in (b"", b"no NIfTI" * 99, whole[:-20], *changed):
        path.write_bytes(damaged)
        with contextlib.suppress(DataError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nibabel's own, of odd numbers
            read_labels(path)


def test_files_that_are_no_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        read_labels(tmp_path / "none.nii")
    (tmp_path / "bad.nii.gz").write_bytes(b"\x1f\x8b no gzip")
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(tmp_path / "bad.nii.gz")
    halves = nibabel.Nifti1Image(np.full((3, 3, 3), 0.5, np.float32), np.eye(4))
    halves.to_filename(tmp_path / "halves.nii")
    with pytest.raises(DataError, match="no labels"):
        read_labels(tmp_path / "halves.nii")
