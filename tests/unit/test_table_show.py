"""`m2m table show`, its pictures' parts, and the page that turns."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.efield import make_synthetic_table
from support.fem_shapes import layered_ball

from m2m_rt.adapters.table_file import write_table
from m2m_rt.app.cli import main
from m2m_rt.app.table_page import page_of
from m2m_rt.app.table_path import MESH_FILE, TABLE_FILE
from m2m_rt.app.table_picture import finding
from m2m_rt.app.table_region import pose_maps
from m2m_rt.app.table_scene import (
    coil_lines,
    coil_view,
    cortex_of,
    joined,
    spread_points,
)
from m2m_rt.efield import EfieldLookup, PoseFault
from m2m_rt.fem import mesh_sha256, write_mesh

TABLE = make_synthetic_table()
PLANNED = TABLE.region.planned_head_from_coil
BALL = layered_ball(12, {1: 55.0, 2: 73.0, 3: 78.0, 4: 84.0, 5: 90.0})
PICTURES = {"field.png", "errors.png", "region.png", "singular_values.png"}


def test_show_draws_the_cortex_of_the_mesh_beside_the_table(tmp_path: Path) -> None:
    provenance = replace(TABLE.provenance, mesh_sha256=mesh_sha256(BALL))
    write_table(replace(TABLE, provenance=provenance), tmp_path / TABLE_FILE)
    write_mesh(BALL, tmp_path / MESH_FILE)
    out, figures = tmp_path / "out", tmp_path / "show.json"
    arguments = ["table", "show", str(tmp_path), "--out", str(out), "--interactive"]
    assert main([*arguments, "--json", str(figures)]) == 0
    assert {file.name for file in out.iterdir()} == {*PICTURES, "field.html"}
    for name in PICTURES:
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    found = json.loads(figures.read_text())
    peak = np.linalg.norm(found["peak"]["efield_v_per_m_per_a_per_us"])
    assert found["peak"]["v_per_m_per_a_per_us"] == pytest.approx(float(peak))
    assert found["singular_values"]["basis"]["kept"] == len(TABLE.project)


def test_a_refused_pose_is_drawn_with_its_reason(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / TABLE_FILE)
    far = PLANNED.copy()
    far[:3, 3] *= 1.5
    numbers, figures = tmp_path / "pose.txt", tmp_path / "show.json"
    np.savetxt(numbers, far)
    arguments = ["table", "show", str(tmp_path), "--out", str(tmp_path)]
    assert main([*arguments, "--pose", str(numbers), "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert (found["valid"], found["reason"]) == (False, "too_far")
    assert found["peak"] is None
    assert (tmp_path / "field.png").is_file()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--pose", "1,2,3"], "16 numbers"),
        (["--pose", ",".join(["nan"] * 16)], "16 numbers"),
        (["--pose", "no-such-file.txt"], "16 numbers"),
        (["--direct"], "mesh.h5"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str], said: str
) -> None:
    write_table(TABLE, tmp_path / TABLE_FILE)
    assert main(["table", "show", str(tmp_path), *option]) == 2
    assert said in capsys.readouterr().err


def test_cortex_has_the_values_of_its_nearest_points_and_none_far_away() -> None:
    points_mm = TABLE.roi.points_mm
    cortex = cortex_of(BALL, points_mm)
    centres_mm = cortex.corners_mm.mean(axis=1)
    assert (np.einsum("ni,ni->n", cortex.normals, centres_mm) > 0.0).all()
    values = cortex.blend(points_mm[:, 0])
    known = np.isfinite(values)
    assert 0 < known.sum() < len(values)
    # Blended from points within a few mm, so near to the place's own x.
    assert np.abs(values - centres_mm[:, 0])[known].max() < 15.0


def test_coil_is_drawn_where_it_is() -> None:
    coil = coil_lines(TABLE, PLANNED)
    np.testing.assert_allclose(coil.handle_mm[0], PLANNED[:3, 3])
    along = coil.handle_mm[1] - coil.handle_mm[0]
    assert along @ PLANNED[:3, 1] == pytest.approx(-np.linalg.norm(along))
    into = coil.axis_mm[1] - coil.axis_mm[0]
    assert into @ PLANNED[:3, 2] == pytest.approx(np.linalg.norm(into))
    # Two wings, each one closed ring.
    assert len(coil.windings_mm) == 2
    for ring_mm in coil.windings_mm:
        np.testing.assert_array_equal(ring_mm[0], ring_mm[-1])


def test_points_in_no_order_are_not_joined() -> None:
    rng = np.random.default_rng(0)
    scattered = rng.permutation(np.stack(np.indices((9, 9, 2)), -1).reshape(-1, 3))
    lines = joined(scattered.astype(float))
    assert len(lines) > len(scattered) / 2
    assert min(map(len, lines)) == 1


def test_view_along_the_coil_is_no_mirror_image() -> None:
    view = coil_view(PLANNED)
    np.testing.assert_allclose(view.toward, -PLANNED[:3, 2], atol=1e-12)
    ahead = PLANNED[:3, 3] + 10.0 * PLANNED[:3, 1]
    np.testing.assert_allclose(view.flat(ahead), (0.0, 10.0), atol=1e-9)


def test_arrows_are_drawn_at_the_foremost_point_of_a_cell() -> None:
    across = np.array(((1.0, 1.0), (2.0, 2.0), (11.0, 1.0)))
    kept = spread_points(across, np.array((0.0, 5.0, 1.0)), 10.0)
    assert sorted(kept.tolist()) == [1, 2]


def test_maps_show_where_the_region_ends_and_why() -> None:
    moved, tilted, lifted = pose_maps(EfieldLookup(TABLE))
    for each in (moved, tilted, lifted):
        middle = np.abs(each.y).argmin() * len(each.x) + np.abs(each.x).argmin()
        assert each.reasons[middle] is None
        allowed = [reason is None for reason in each.reasons]
        np.testing.assert_array_equal(np.isfinite(each.bound).ravel(), allowed)
    assert PoseFault.OUTSIDE_REGION in moved.reasons
    assert PoseFault.TILTED in tilted.reasons
    assert {PoseFault.TOO_NEAR, PoseFault.TOO_FAR} <= set(lifted.reasons)


def test_page_holds_the_field_and_asks_for_nothing() -> None:
    cortex = cortex_of(BALL, TABLE.roi.points_mm)
    page = page_of(TABLE, cortex, PLANNED, EfieldLookup(TABLE).query(PLANNED))
    assert "{{" not in page
    assert "http" not in page
    data = json.loads(page.split("const data = ")[1].split(";\n")[0])
    triangles = np.frombuffer(base64.b64decode(data["triangles"]), "<u4")
    points = np.frombuffer(base64.b64decode(data["points"]), "<f4")
    colours = np.frombuffer(base64.b64decode(data["colours"]), np.uint8)
    assert triangles.max() < len(points) / 3
    assert len(colours) == len(triangles)
    assert any(line.get("normal") for line in data["lines"])


def test_answer_is_said_with_its_bound_or_why_there_is_none() -> None:
    bounded = EfieldLookup(TABLE).query(PLANNED)
    assert "≤" in finding(bounded)
    unbounded = EfieldLookup(replace(TABLE, bound=None)).query(PLANNED)
    assert "no bound" in finding(unbounded)
    assert "not_rigid" in finding(EfieldLookup(TABLE).query(2.0 * PLANNED))


def test_page_of_a_table_without_a_mesh_shows_its_points() -> None:
    page = page_of(TABLE, None, PLANNED, EfieldLookup(TABLE).query(PLANNED))
    data = json.loads(page.split("const data = ")[1].split(";\n")[0])
    dots = [line for line in data["lines"] if len(line["points"]) == 1]
    assert len(dots) == len(TABLE.roi.points_mm)
