"""The whole way from a mesh to a table, on a layered ball and on the shipped table."""

from dataclasses import astuple, dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.fem_shapes import exact_field_in_ball, layered_ball

from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.table_path import MESH_FILE, table_path
from m2m_rt.efield import EfieldLookup, EfieldTable, RegionOfInterest
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem import (
    BoundSettings,
    BuildSettings,
    HeadModel,
    ModeSettings,
    TableSetup,
    Tissue,
    bounded,
    check_table,
    coil_sha256,
    demo_coil,
    head_model,
    held_out_poses,
    mesh_sha256,
    mode_layers,
    read_mesh,
    tabulate,
    write_mesh,
)
from m2m_rt.fem.chain import ChainParts, chain_errors
from m2m_rt.fem.mesh import outer_boundary
from m2m_rt.fem.mesh_file import MESH_FORMAT
from m2m_rt.fem.modes import Layer
from m2m_rt.fem.plan import PLANNED_WINDING_MM, plan_region
from m2m_rt.fem.surfaces import grid_around, signed_distance

COIL = demo_coil()
KNOB_MM = np.array((-20.0, -10.0, 62.0))
SMALL = BuildSettings(
    modes=ModeSettings(
        n_sources=900,
        source_spacing_mm=5.0,
        n_sensors=250,
        sensor_spacing_mm=6.0,
        n_modes=250,
        rank=60,
        n_training_poses=300,
    )
)


@dataclass(frozen=True)
class Built:
    table: EfieldTable
    model: HeadModel
    setup: TableSetup


def roi_in_shell() -> RegionOfInterest:
    """Points of the grey shell below the coil; too few to fill a box."""
    rng = np.random.default_rng(7)
    directions = rng.normal(scale=0.3, size=(120, 3)) + KNOB_MM / np.linalg.norm(
        KNOB_MM
    )
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return RegionOfInterest(
        points_mm=64.0 * directions,
        normals=directions,
        box_index=np.full((120, 3), -1),
        box_shape=(32, 32, 32),
        box_from_head=np.eye(4),
    )


@pytest.fixture(scope="module")
def built() -> Built:
    mesh = layered_ball(22, {1: 55.0, 2: 73.0, 3: 78.0, 4: 84.0, 5: 90.0})
    surface = outer_boundary(mesh, Tissue.SCALP)
    grid = grid_around(mesh.nodes_mm, margin_mm=60.0, spacing_mm=4.0)
    scalp = signed_distance(surface, grid)
    region = plan_region(scalp, COIL, KNOB_MM)
    roi = roi_in_shell()
    model = head_model(mesh, roi.points_mm)
    setup = TableSetup("ball", "made for a test", COIL, region, roi, scalp)
    return Built(tabulate(setup, model, SMALL, lambda *_: None), model, setup)


def test_chain_of_errors_says_which_approximation_brings_how_much(
    built: Built,
) -> None:
    layers = mode_layers(built.setup, built.model.mesh, SMALL)
    parts = ChainParts(built.model, COIL, layers)
    poses = held_out_poses(built.table, 2, np.random.default_rng(8))
    found, direct = chain_errors(built.table, parts, poses, lambda *_: None)
    whole = check_table(built.table, built.model, COIL, poses)
    np.testing.assert_allclose(found.table, whole.rel_l2, rtol=1e-6)
    assert direct.shape == (2, 120, 3)
    links = (found.source_layer, found.modes, found.reduced_basis)
    # Errors of independent links add up to the whole, at most all in one direction.
    assert (sum(links) + found.coil_grid + found.float32 >= 0.99 * found.table).all()
    assert (found.coil_grid < 1e-3).all()  # 4 mm, trilinear
    assert (found.float32 < 1e-5).all()


def test_chain_of_another_mesh_is_refused(built: Built) -> None:
    layers = mode_layers(built.setup, built.model.mesh, SMALL)
    fewer = Layer(*(each[1:] for each in astuple(layers.sensors)))
    parts = ChainParts(built.model, COIL, replace(layers, sensors=fewer))
    poses = built.table.region.planned_head_from_coil[np.newaxis]
    with pytest.raises(DataError, match="sensors"):
        chain_errors(built.table, parts, poses, lambda *_: None)


def test_table_agrees_with_direct_solves_at_poses_it_never_saw(built: Built) -> None:
    poses = held_out_poses(built.table, 6, np.random.default_rng(8))
    errors = check_table(built.table, built.model, COIL, poses)
    # Half the sources and modes of the shipped table.
    assert np.median(errors.rel_l2) < 0.015
    assert errors.rel_l2.max() < 0.03
    assert np.median(errors.pointwise) < 0.015


def test_table_agrees_with_the_exact_solution_in_sign_frame_and_unit(
    built: Built,
) -> None:
    pose = held_out_poses(built.table, 1, np.random.default_rng(9))[0]
    field = EfieldLookup(built.table).query(pose).unit_efield_v_per_m
    assert field is not None
    exact = exact_field_in_ball(built.table.roi.points_mm, COIL, pose)
    # First-order elements of 8 mm: the mesh's own error, not the table's.
    assert np.linalg.norm(field - exact) < 0.12 * np.linalg.norm(exact)


def test_bound_of_a_query_holds_at_poses_it_was_not_fitted_on(built: Built) -> None:
    few = BoundSettings(n_fitted=40, n_calibrated=15)
    table = bounded(built.table, built.model, COIL, few)
    assert table.uncertainty is None
    poses = held_out_poses(table, 20, np.random.default_rng(10))
    errors = check_table(table, built.model, COIL, poses)
    assert errors.bound_coverage() >= 0.95
    assert errors.bound_coverage(0.25) >= 0.88
    assert errors.bound_over_median < 3.0
    assert errors.bound_rank_correlation > 0.4
    assert table.self_error == pytest.approx(errors.rel_l2_median, rel=0.3)


def test_planned_pose_is_over_the_knob_with_the_handle_postero_lateral(
    built: Built,
) -> None:
    region = built.table.region
    pose = region.planned_head_from_coil
    outward = KNOB_MM / np.linalg.norm(KNOB_MM)
    assert pose[:3, 2] @ outward < -0.99
    assert pose[0, 1] > 0.5  # y, away from the handle: to the right of the left side
    assert pose[1, 1] > 0.5  # and forwards
    guard = EfieldLookup(built.table).guard
    assert guard.fault(pose) is None
    assert guard.nearest_winding_mm(pose) == pytest.approx(PLANNED_WINDING_MM, abs=0.01)


def test_field_under_the_planned_coil_runs_along_its_y_axis(built: Built) -> None:
    pose = built.table.region.planned_head_from_coil
    field = EfieldLookup(built.table).query(pose).unit_efield_v_per_m
    assert field is not None
    peak = field[np.linalg.norm(field, axis=1).argmax()].astype(np.float64)
    assert peak @ pose[:3, 1] > 0.9 * np.linalg.norm(peak)
    assert np.linalg.norm(peak) == pytest.approx(
        built.table.planned_peak_v_per_m, rel=1e-3
    )


def test_a_refused_pose_ends_a_check(built: Built) -> None:
    with pytest.raises(DataError, match="refused"):
        check_table(built.table, built.model, COIL, np.eye(4)[np.newaxis])


def test_a_mesh_comes_back_from_its_file_with_the_same_hash(
    built: Built, tmp_path: Path
) -> None:
    path = tmp_path / "mesh.h5"
    sha256 = write_mesh(built.model.mesh, path)
    mesh = read_mesh(path)
    assert mesh_sha256(mesh) == sha256
    assert (mesh.tetrahedra == built.model.mesh.tetrahedra).all()
    assert (mesh.nodes_mm == built.model.mesh.nodes_mm).all()


def test_a_damaged_mesh_file_is_refused(built: Built, tmp_path: Path) -> None:
    path = tmp_path / "mesh.h5"
    write_mesh(built.model.mesh, path)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="mesh"):
        read_mesh(path)


@pytest.mark.parametrize("content", [{}, {"nodes_mm": 0}, {"tissue": "text"}])
def test_a_file_that_holds_no_mesh_is_refused(
    content: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "mesh.h5"
    with h5py.File(path, "w") as file:
        file.attrs["format"] = MESH_FORMAT
        file.attrs["sha256"] = "0" * 64
        for name, value in content.items():
            file[name] = value
        file.require_group("tetrahedra_steps")
    with pytest.raises(DataError, match="expected the arrays"):
        read_mesh(path)


def test_the_shipped_tables_mesh_and_coil_are_those_it_was_made_from() -> None:
    path = table_path("demo")
    table = read_table(path)
    mesh = read_mesh(path.parent / MESH_FILE)
    assert mesh_sha256(mesh) == table.provenance.mesh_sha256
    assert coil_sha256(COIL) == table.provenance.coil_sha256


def test_the_shipped_table_fills_the_networks_box_as_decided() -> None:
    roi = read_table(table_path("demo")).roi
    assert 1500 <= len(roi.points_mm) <= 2500
    assert roi.box_shape == (32, 32, 32)
    assert len(np.unique(roi.box_index, axis=0)) == len(roi.points_mm)
    at_box = roi.points_mm @ roi.box_from_head[:3, :3].T + roi.box_from_head[:3, 3]
    # Points are moved off tissue boundaries by up to 1 mm, half a voxel.
    assert np.abs(at_box - roi.box_index).max() <= 0.51


def test_the_shipped_table_carries_freesurfers_notice() -> None:
    path = table_path("demo")
    notice = (path.parent / "NOTICE.freesurfer.txt").read_text(encoding="utf-8")
    assert "The General Hospital Corporation" in notice
    assert "FreeSurfer" in read_table(path).provenance.made_from


def test_an_unknown_table_is_one_readable_line() -> None:
    with pytest.raises(ConfigError, match="'nobody'"):
        table_path("nobody")
