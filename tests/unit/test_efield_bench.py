from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.table_file import write_table
from m2m_rt.app.cli import main
from m2m_rt.app.first_query import first_query_s
from m2m_rt.app.table_bench import bench_table, direct_b
from m2m_rt.efield import EfieldLookup, draw_pose
from m2m_rt.fem import demo_coil, didt_b
from m2m_rt.geometry import inverse, transform_points
from tests.support.efield import make_synthetic_table

TABLE = make_synthetic_table()


def test_direct_evaluation_is_the_coils_field_at_the_sensors() -> None:
    coil = demo_coil()
    guard = EfieldLookup(TABLE).guard
    pose = draw_pose(TABLE.region, guard, np.random.default_rng(0))
    sensors_mm = transform_points(inverse(pose), TABLE.sensors_mm)
    expected = didt_b(coil, sensors_mm) @ pose[:3, :3].T
    found = direct_b(TABLE, coil, pose).astype(np.float64)
    found *= np.linalg.norm(expected) / np.linalg.norm(found)
    # float32 sums of a thousand terms that partly cancel
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_bench_gives_every_stated_figure() -> None:
    steps: list[str] = []
    figures = bench_table(
        TABLE,
        demo_coil(),
        lambda step, _: steps.append(step),
        np.random.default_rng(0),
    )
    assert figures["points"] == 200
    assert {
        "query_ms",
        "query_paced_ms",
        "batch_ms_per_pose",
        "batch_floor_ms_per_pose",
        "direct_dipole_ms",
        "bandwidth_floor_ms",
    } <= figures.keys()
    assert figures["query_ms"].keys() == {"p50", "p99"}
    assert len(steps) == len(set(steps)) > 3


def test_first_answer_of_a_new_process_is_timed_from_its_start(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "table.h5")
    found = first_query_s(tmp_path / "table.h5", n_starts=1)
    assert found.keys() == {"wall", "processor"}
    assert found["wall"] > 0.0
    assert found["processor"] > 0.0


def test_bench_of_a_table_of_another_coil_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(TABLE, tmp_path / "table.h5")
    assert main(["table", "bench", str(tmp_path)]) == 2
    assert "coil synthetic-figure8" in capsys.readouterr().err
