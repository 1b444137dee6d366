"""The adapter script, run against a stand-in that has exactly the calls it makes."""

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.msh_file import MshMesh
from m2m_rt.adapters.msh_write import MshForm, write_msh
from m2m_rt.efield import EfieldTable
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem import (
    BuildSettings,
    HeadModel,
    ModeSettings,
    TableSetup,
    check_table,
    demo_coil,
    head_model,
    held_out_poses,
)
from m2m_rt.fem.build import mode_layers, table_of_modes
from m2m_rt.fem.head_file import read_head_msh
from m2m_rt.fem.mesh import outer_boundary
from m2m_rt.fem.mode_blocks import mode_fields
from m2m_rt.fem.plan import plan_region
from m2m_rt.fem.simnibs_job import (
    Arrays,
    job_arrays,
    read_fields,
    solved_by_simnibs,
    write_job,
)
from m2m_rt.fem.surfaces import grid_around, signed_distance
from m2m_rt.fem.tissues import Tissue
from m2m_rt.units import F64
from tests.support.fem_roi import roi_in_shell
from tests.support.fem_shapes import layered_ball

ROOT = Path(__file__).parents[2]
COIL = demo_coil()
KNOB_MM = np.array((-20.0, -10.0, 62.0))
N_COMPARED = 30
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


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    standin = ROOT / "tests" / "support" / "simnibs_standin"
    path = os.pathsep.join((str(standin), str(ROOT)))
    script = str(ROOT / "tools" / "simnibs_table.py")
    return subprocess.run(
        [sys.executable, script, *arguments],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@dataclass(frozen=True)
class Run:
    table: EfieldTable
    model: HeadModel
    efield: F64
    own_efield: F64
    job: Arrays
    fields: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("simnibs")
    ball = layered_ball(22, {1: 55.0, 2: 73.0, 3: 78.0, 4: 84.0, 5: 90.0})
    none = np.zeros((0, 3), np.int64)
    msh = MshMesh(ball.nodes_mm, none, none[:, 0], ball.tetrahedra, ball.tissue)
    write_msh(msh, folder / "ball.msh", MshForm.BINARY_2)
    mesh = read_head_msh(folder / "ball.msh")
    grid = grid_around(mesh.nodes_mm, margin_mm=60.0, spacing_mm=4.0)
    scalp = signed_distance(outer_boundary(mesh, Tissue.SCALP), grid)
    roi = roi_in_shell(KNOB_MM)
    region = plan_region(scalp, COIL, KNOB_MM)
    setup = TableSetup("ball", "made for a test.", COIL, region, roi, scalp)
    layers = mode_layers(setup, mesh, SMALL)
    job = job_arrays(setup, layers, folder / "ball.msh")
    write_job(job, folder / "job.npz")
    done = run_script(str(folder / "job.npz"), str(folder / "fields.npz"))
    assert done.returncode == 0, done.stderr
    answer = read_fields(folder / "fields.npz", job)
    solved = solved_by_simnibs(setup, layers, mesh, answer)
    table = table_of_modes(setup, solved, SMALL, lambda *_: None)
    model = head_model(mesh, roi.points_mm)
    few = replace(layers.modes, moments=layers.modes.moments[:, :N_COMPARED])
    own = mode_fields(model, layers.sources, few, lambda _: None)
    return Run(table, model, answer[0], own, job, folder / "fields.npz")


def test_fields_that_come_back_are_those_of_our_own_solver(run: Run) -> None:
    away = np.linalg.norm(run.efield[:, :N_COMPARED] - run.own_efield)
    assert away < 1e-6 * np.linalg.norm(
        run.own_efield
    )  # same elements, two orders of sums


def test_table_from_the_script_passes_the_checks_of_our_own_tables(run: Run) -> None:
    poses = held_out_poses(run.table, 6, np.random.default_rng(8))
    errors = check_table(run.table, run.model, COIL, poses)
    # Half the sources and modes of the shipped table.
    assert np.median(errors.rel_l2) < 0.015
    assert errors.rel_l2.max() < 0.03
    assert np.median(errors.pointwise) < 0.015


def test_table_says_that_simnibs_solved_it(run: Run) -> None:
    assert "SimNIBS stand-in" in run.table.provenance.made_from


def test_fields_of_another_job_are_refused(run: Run) -> None:
    other = run.job | {"roi_mm": run.job["roi_mm"] + 1.0}
    with pytest.raises(ConfigError, match="job_sha256"):
        read_fields(run.fields, other)


def test_damaged_fields_are_refused(run: Run, tmp_path: Path) -> None:
    raw = run.fields.read_bytes()
    (tmp_path / "cut.npz").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        read_fields(tmp_path / "cut.npz", run.job)


def test_script_says_what_is_missing(run: Run, tmp_path: Path) -> None:
    job = run.job | {"head": np.array("/nowhere/head.msh")}
    write_job(job, tmp_path / "job.npz")
    done = run_script(str(tmp_path / "job.npz"), str(tmp_path / "out.npz"))
    assert (done.returncode, "no such head mesh" in done.stderr) == (2, True)
    assert not (tmp_path / "out.npz").exists()
