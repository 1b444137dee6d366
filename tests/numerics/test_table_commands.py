"""`m2m table …` on the shipped table, as a user calls it."""

import json
from pathlib import Path

import pytest

from m2m_rt.app.cli import main


def figures(arguments: list[str], json_file: Path) -> dict[str, object]:
    assert main(["table", *arguments, "--json", str(json_file)]) == 0
    found: dict[str, object] = json.loads(json_file.read_text(encoding="utf-8"))
    return found


def test_info_says_what_the_table_is_made_from(tmp_path: Path) -> None:
    found = figures(["info", "demo"], tmp_path / "info.json")
    assert found["coil"] == "demo-figure8"
    assert len(str(found["table_hash"])) == 64
    assert "fsaverage" in json.dumps(found["provenance"])


def test_the_shipped_table_agrees_with_direct_finite_elements(tmp_path: Path) -> None:
    pytest.importorskip("pypardiso", reason="minutes without a direct solver")
    arguments = ["check", "demo", "--poses", "3", "--seed", "11"]
    found = figures(arguments, tmp_path / "check.json")
    assert set(found) >= {"rel_l2", "pointwise", "peak_rel_error", "poses", "seed"}
    assert set(found) >= {"bound_coverage", "bound_over_median"}
    # The accepted limits; 40 poses gave a median of 0.0034 and at most 0.0043.
    assert found["rel_l2"]["median"] <= 0.015
    assert found["rel_l2"]["max"] <= 0.03
    assert found["pointwise"]["median"] <= 0.015
    assert found["peak_rel_error"]["max"] <= 0.03


def test_an_unknown_table_or_head_is_refused_with_exit_2(tmp_path: Path) -> None:
    assert main(["table", "info", "nobody"]) == 2
    assert main(["table", "build", "--head", "nobody", "--out", str(tmp_path)]) == 2


def test_a_table_without_its_mesh_is_not_checked_against_one_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from m2m_rt.app.table_path import TABLE_FILE, table_path

    (tmp_path / TABLE_FILE).write_bytes(table_path("demo").read_bytes())
    assert main(["table", "check", str(tmp_path), "--cache", str(tmp_path)]) == 2
    assert "mesh.h5: found no file" in capsys.readouterr().err


def test_a_table_whose_mesh_is_another_is_not_checked(tmp_path: Path) -> None:
    from support.fem_shapes import ball

    from m2m_rt.app.table_path import MESH_FILE, TABLE_FILE, table_path
    from m2m_rt.fem import write_mesh

    (tmp_path / TABLE_FILE).write_bytes(table_path("demo").read_bytes())
    write_mesh(ball(3), tmp_path / MESH_FILE)
    assert main(["table", "check", str(tmp_path)]) == 2
