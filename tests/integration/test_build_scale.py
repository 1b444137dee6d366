"""Builds that are killed, capped in memory or spread over processes: the same table."""

import os
import subprocess
import sys
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.errors import ConfigError
from m2m_rt.fem import BuildMeans, BuiltTable, build_from_setup
from m2m_rt.fem.dask_blocks import dask_client
from m2m_rt.fem.memory import (
    ProblemSize,
    blocks_within,
    stated_gb,
)
from m2m_rt.fem.work_folder import WorkFolder
from tests.support.scaled import SETTINGS, ball_setup, build, largest_difference

ROOT = Path(__file__).resolve().parents[2]
DEMO_HEAD = ProblemSize(
    n_tets=950_000,
    n_unknowns=460_000,
    n_roi=1818,
    n_sources=1900,
    n_modes=400,
    n_training_poses=1500,
    has_reference=True,
)
ROUNDING = 2e-7
"""Relative to the largest entry: one last bit of float32. The same blocks usually give
the same bits, but the solver's library rounds by how its memory happens to lie."""


@pytest.fixture(scope="module")
def whole() -> BuiltTable:
    return build(BuildMeans())


def test_a_build_that_is_killed_goes_on_where_it_was_to_the_same_table(
    whole: BuiltTable, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.support.scaled", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as child:
        assert child.stdout is not None
        said = next(
            line
            for line in child.stdout
            if line.startswith("direct") and float(line.split()[-1]) > 0.0
        )
        child.kill()
    assert float(said.split()[-1]) < 1.0
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("work-*/modes-*")}
    steps: list[tuple[str, float]] = []
    setup, mesh = ball_setup()
    again = build_from_setup(
        setup,
        mesh,
        SETTINGS,
        lambda *step: steps.append(step),
        BuildMeans(cache=tmp_path),
    )
    assert len(kept) == 3  # 120 modes in blocks of 50
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert "source modes" not in {step for step, _ in steps}
    assert next(done for step, done in steps if step == "direct solves") > 0.1
    assert largest_difference(again.table, whole.table) < ROUNDING
    assert again.table.self_error == pytest.approx(whole.table.self_error, rel=ROUNDING)
    assert again.work is not None
    again.work.remove()
    assert not list(tmp_path.iterdir())


def test_workers_that_are_killed_in_the_middle_change_nothing(
    whole: BuiltTable,
) -> None:
    killed: list[str] = []

    def kill_one(step: str, done: float) -> None:
        """Once in the modes and once in the direct solves."""
        if step in {"source modes", "direct solves"} and 0.1 < done < 1.0:
            if step not in killed:
                active_children()[0].kill()
                killed.append(step)

    setup, mesh = ball_setup()
    means = BuildMeans(dask="local:2")
    spread = build_from_setup(setup, mesh, SETTINGS, kill_one, means).table
    assert killed == ["source modes", "direct solves"]
    assert largest_difference(spread, whole.table) < ROUNDING
    assert spread.self_error == pytest.approx(whole.table.self_error, rel=ROUNDING)


def test_smaller_blocks_change_a_table_by_rounding_only(whole: BuiltTable) -> None:
    capped = build(BuildMeans(max_memory_gb=0.6))
    assert largest_difference(capped.table, whole.table) < ROUNDING


@pytest.mark.parametrize("max_gb", [12.0, 12.5, 16.0, 64.0])
def test_blocks_stay_within_the_memory_that_is_allowed(max_gb: float) -> None:
    sizes = blocks_within(max_gb, DEMO_HEAD)
    assert stated_gb(DEMO_HEAD, sizes) <= max_gb
    assert sizes.modes_at_once >= 1


def test_too_little_memory_is_refused_in_one_line_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match=r"--max-memory: found 2 GB.* at least \d+"):
        blocks_within(2.0, DEMO_HEAD)


@pytest.mark.parametrize("where", ["local:0", "local:many", "127.0.0.1:1"])
def test_a_cluster_that_is_none_is_refused_in_one_line(where: str) -> None:
    with pytest.raises(ConfigError, match="--dask"), dask_client(where, 1.0):
        pass


def test_a_block_that_was_damaged_or_of_other_inputs_counts_as_not_there(
    tmp_path: Path,
) -> None:
    work = WorkFolder(tmp_path, "one")
    work.write("modes", np.arange(6.0).reshape(2, 3))
    found = work.read("modes")
    assert found is not None
    assert (found == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]).all()
    assert WorkFolder(tmp_path, "other").read("modes") is None
    path = tmp_path / "modes.npy"
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    assert work.read("modes") is None
    path.write_bytes(content[:50])
    assert work.read("modes") is None
