"""Direct solves that are kept with a table: what comes back, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.efield import make_synthetic_table

from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem import DirectSolves, errors_against, read_direct, write_direct
from m2m_rt.fem.npz_file import write_npz

TABLE = replace(make_synthetic_table(), table_hash="a" * 64)
N_ROI = len(TABLE.roi.points_mm)
SOLVES = DirectSolves(
    np.stack([TABLE.region.planned_head_from_coil] * 3),
    np.random.default_rng(0).normal(size=(3, N_ROI, 3)),
)


def test_solves_come_back_as_they_were(tmp_path: Path) -> None:
    write_direct(SOLVES, TABLE, tmp_path / "direct.npz")
    found = read_direct(tmp_path / "direct.npz", TABLE)
    np.testing.assert_array_equal(found.poses, SOLVES.poses)
    np.testing.assert_array_equal(found.efield, SOLVES.efield)


def test_error_of_a_table_is_its_distance_from_the_direct_field() -> None:
    errors = errors_against(TABLE, SOLVES.poses, SOLVES.efield)
    away = np.linalg.norm(errors.away, axis=1) / np.linalg.norm(errors.size, axis=1)
    np.testing.assert_allclose(errors.rel_l2, away)
    assert len(errors.bound) == len(SOLVES.poses)


def test_solves_of_another_table_are_refused(tmp_path: Path) -> None:
    write_direct(SOLVES, TABLE, tmp_path / "direct.npz")
    other = replace(TABLE, table_hash="b" * 64)
    with pytest.raises(ConfigError, match="table_hash"):
        read_direct(tmp_path / "direct.npz", other)


@pytest.mark.parametrize(
    "efield",
    [
        SOLVES.efield[:2],
        SOLVES.efield[:, :-1],
        np.full_like(SOLVES.efield, np.nan),
        SOLVES.efield.astype(np.int64),
    ],
)
def test_solves_that_do_not_fit_are_refused(tmp_path: Path, efield: np.ndarray) -> None:
    write_direct(replace(SOLVES, efield=efield), TABLE, tmp_path / "direct.npz")
    with pytest.raises(DataError, match="efield"):
        read_direct(tmp_path / "direct.npz", TABLE)


def test_damaged_or_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "direct.npz"
    with pytest.raises(ConfigError, match="no file"):
        read_direct(path, TABLE)
    write_direct(SOLVES, TABLE, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="cannot be read"):
        read_direct(path, TABLE)
    write_npz({"format": np.array("something else")}, path)
    with pytest.raises(DataError, match="format"):
        read_direct(path, TABLE)
    np.savez(path, format=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        read_direct(path, TABLE)
