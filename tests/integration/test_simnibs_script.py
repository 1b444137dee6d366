"""The adapter script, run against a stand-in that has exactly the calls it makes."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.msh_file import MshMesh
from m2m_rt.adapters.msh_write import MshForm, write_msh
from m2m_rt.adapters.table_file import read_table, write_table
from m2m_rt.app.cli import main
from m2m_rt.app.table_path import DIRECT_FILE, TABLE_FILE
from m2m_rt.app.table_simnibs import simnibs_work
from m2m_rt.efield import EfieldLookup, EfieldTable
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem import (
    BoundSettings,
    BuildSettings,
    DirectSolves,
    FigureEightSettings,
    HeadBuild,
    HeadModel,
    ModeSettings,
    TableSetup,
    check_table,
    demo_coil,
    direct_fields,
    head_model,
    held_out_poses,
    write_direct,
)
from m2m_rt.fem.current_sources import CurrentSources
from m2m_rt.fem.head_file import read_head_msh
from m2m_rt.fem.mesh import outer_boundary
from m2m_rt.fem.mode_blocks import mode_fields
from m2m_rt.fem.npz_file import Arrays
from m2m_rt.fem.plan import plan_region
from m2m_rt.fem.simnibs_errors import with_simnibs_errors
from m2m_rt.fem.simnibs_job import (
    N_CHECKED,
    SimnibsAnswer,
    bounded_by_simnibs,
    held_out_of,
    job_sha256,
    read_fields,
    write_job,
)
from m2m_rt.fem.surfaces import grid_around, signed_distance
from m2m_rt.fem.tissues import Tissue
from m2m_rt.fem.uncertainty import DEMO_COIL_ERROR, estimate_uncertainty
from m2m_rt.units import F64
from tests.support.fem_roi import roi_in_shell
from tests.support.fem_shapes import layered_ball

ROOT = Path(__file__).parents[2]
COIL = demo_coil(FigureEightSettings(n_rings=3))  # few dipoles: quick to solve
KNOB_MM = np.array((-20.0, -10.0, 62.0))
N_COMPARED = 30
SMALL = BuildSettings(
    modes=ModeSettings(
        n_sources=700,
        source_spacing_mm=6.5,
        n_sensors=220,
        sensor_spacing_mm=6.0,
        n_modes=220,
        rank=60,
        n_training_poses=300,
    ),
    bound=BoundSettings(n_fitted=30, n_calibrated=30),
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
        timeout=900,
        check=False,
    )


NO_SOLVES = np.zeros((0, 4, 4)), np.zeros((0, 120, 3))


@dataclass(frozen=True)
class Run:
    setup: TableSetup
    table: EfieldTable
    model: HeadModel
    answer: SimnibsAnswer
    own_efield: F64
    job: Arrays
    folder: Path

    @property
    def fields(self) -> Path:
        return self.folder / "fields.npz"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("simnibs")
    ball = layered_ball(20, {1: 55.0, 2: 73.0, 3: 78.0, 4: 84.0, 5: 90.0})
    none = np.zeros((0, 3), np.int64)
    msh = MshMesh(ball.nodes_mm, none, none[:, 0], ball.tetrahedra, ball.tissue)
    write_msh(msh, folder / "ball.msh", MshForm.BINARY_2)
    mesh = read_head_msh(folder / "ball.msh")
    grid = grid_around(mesh.nodes_mm, margin_mm=60.0, spacing_mm=4.0)
    scalp = signed_distance(outer_boundary(mesh, Tissue.SCALP), grid)
    roi = roi_in_shell(KNOB_MM)
    region = plan_region(scalp, COIL, KNOB_MM)
    setup = TableSetup("ball", "made for a test.", COIL, region, roi, scalp)
    build = HeadBuild(setup, mesh, SMALL, lambda *_: None)
    work = simnibs_work(build, [setup], folder / "ball.msh")
    work.write(folder / "job.npz")
    done = run_script(str(folder / "job.npz"), str(folder / "fields.npz"))
    assert done.returncode == 0, done.stderr
    ((table, left),) = work.finish(folder / "fields.npz")
    table = write_table(table, folder / TABLE_FILE)
    write_direct(left, table, folder / DIRECT_FILE)
    answer = read_fields(folder / "fields.npz", work.job)
    model = head_model(mesh, roi.points_mm)
    few = replace(work.layers.modes, moments=work.layers.modes.moments[:, :N_COMPARED])
    own = mode_fields(model, work.layers.sources, few, lambda _: None)
    return Run(setup, table, model, answer, own, work.job, folder)


def test_fields_that_come_back_are_those_of_our_own_solver(run: Run) -> None:
    away = np.linalg.norm(run.answer.efield[:, :N_COMPARED] - run.own_efield)
    assert away < 1e-6 * np.linalg.norm(
        run.own_efield
    )  # same elements, two orders of sums


def test_coil_poses_that_come_back_are_those_of_our_own_solver(run: Run) -> None:
    poses = run.job["coil0_head_from_coil"]
    assert len(run.answer.direct[0]) == len(poses) == SMALL.bound.n_poses + N_CHECKED
    own = direct_fields(run.model, COIL, poses[-2:])
    away = np.linalg.norm(run.answer.direct[0][-2:] - own)
    assert away < 1e-6 * np.linalg.norm(own)  # as above


def test_table_from_the_script_passes_the_checks_of_our_own_tables(run: Run) -> None:
    json_file = run.folder / "check.json"
    arguments = ["table", "check", str(run.folder), "--json", str(json_file)]
    assert main(arguments) == 0
    found = json.loads(json_file.read_text(encoding="utf-8"))
    assert (found["poses"], found["direct_solves"]) == (N_CHECKED, "stored")
    # Half the sources and modes of the shipped table.
    assert found["rel_l2"]["median"] < 0.015
    assert found["rel_l2"]["max"] < 0.03
    assert found["pointwise"]["median"] < 0.015
    assert found["peak_rel_error"]["max"] < 0.03
    assert found["bound_coverage"] >= 0.95
    assert found["bound_over_median"] <= 3.0
    assert found["bound_rank_correlation"] >= 0.4
    # What the table says of itself was measured at other poses.
    assert run.table.self_error == pytest.approx(found["rel_l2"]["median"], rel=0.5)


def test_table_from_the_script_is_bounded_at_poses_of_our_choice(run: Run) -> None:
    poses = held_out_poses(run.table, 12, np.random.default_rng(8))
    errors = check_table(run.table, run.model, COIL, poses)
    assert errors.rel_l2.max() < 0.03
    assert errors.bound_coverage() >= 11 / 12


def test_table_from_the_script_answers_its_region_and_nothing_else(run: Run) -> None:
    rng = np.random.default_rng(9)
    lookup = EfieldLookup(run.table)
    inside = held_out_poses(run.table, 100, rng)
    assert lookup.query_batch(inside).valid.mean() >= 0.99
    aside, deep, mirrored = inside.copy(), inside.copy(), inside.copy()
    aside[:, 1, 3] += 95.0
    deep[:, :3, 3] += 45.0 * inside[:, :3, 2]
    mirrored[:, :3, 0] *= -1.0
    for outside in (aside, deep, mirrored):
        answers = lookup.query_batch(outside)
        assert not answers.valid.any()
        assert None not in answers.reasons


def test_check_of_a_table_without_its_own_direct_solves_is_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(run.table, tmp_path / TABLE_FILE)
    assert main(["table", "check", str(tmp_path)]) == 2
    assert "direct.npz" in capsys.readouterr().err
    of_another = replace(run.table, table_hash="0" * 64)
    write_direct(DirectSolves(*NO_SOLVES), of_another, tmp_path / DIRECT_FILE)
    assert main(["table", "check", str(tmp_path)]) == 2
    assert "table_hash" in capsys.readouterr().err


def test_check_against_a_finer_mesh_is_refused(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", "check", str(run.folder), "--reference"]) == 2
    assert "solved by SimNIBS" in capsys.readouterr().err


def test_coil_that_is_more_than_dipoles_gets_a_table_without_a_bound(run: Run) -> None:
    wire = CurrentSources(np.zeros((1, 3)), np.zeros((1, 3)), ())
    setup = replace(run.setup, coil=replace(COIL, other=wire))
    poses = held_out_of(setup, SMALL.bound)
    assert poses.shape == (0, 4, 4)
    bare = replace(run.table, bound=None)
    table, left = bounded_by_simnibs(bare, SMALL.bound, poses, NO_SOLVES[1])
    assert table.bound is None
    assert len(left.poses) == 0


def test_table_says_what_conductivities_and_mesh_leave_open(run: Run) -> None:
    found = run.table.uncertainty
    assert found is not None
    moments = run.job["layer_am2"][0, 0][:, None] * run.job["source_normal"]
    layer = replace(COIL, position_mm=run.job["source_mm"], moment_am2=moments)
    own = estimate_uncertainty(run.model, layer, np.eye(4))
    for name, change in own.conductivity_rel_error.items():
        # Line integrals in float32; in a ball of shells the changes are small.
        expected = pytest.approx(change, rel=1e-3, abs=2e-5)
        assert found.conductivity_rel_error[name] == expected
    assert (found.coil_rel_error, found.coil_source) == DEMO_COIL_ERROR
    assert run.table.fem_rel_error is not None
    assert 0.02 < run.table.fem_rel_error < 0.3  # first order, edges of 9 mm
    assert "half the edges" in str(run.table.fem_source)
    read = read_table(run.folder / TABLE_FILE)
    assert read.fem_source == run.table.fem_source
    assert read.uncertainty == found


def test_an_interrupted_run_goes_on_and_may_be_spared_the_errors(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(run.fields, allow_pickle=False) as file:
        kept = {name: file[name] for name in file.files}
    for name in ("changed_efield", "finer_efield", "coil0_efield"):
        del kept[name]
    short = run.job | {"coil0_head_from_coil": run.job["coil0_head_from_coil"][:2]}
    kept["job_sha256"] = np.array(job_sha256(short))
    np.savez(tmp_path / "fields.npz", **kept)
    write_job(short, tmp_path / "job.npz")
    done = run_script(
        str(tmp_path / "job.npz"), str(tmp_path / "fields.npz"), "--table-only"
    )
    assert done.returncode == 0, done.stderr
    assert "mode 1 of" not in done.stderr
    answer = read_fields(tmp_path / "fields.npz", short)
    np.testing.assert_array_equal(answer.efield, run.answer.efield)
    assert len(answer.direct[0]) == 2
    assert answer.changed is answer.finer is None
    own = answer.fields_of(np.zeros((len(short["mode_am2"]), 3)))
    bare = with_simnibs_errors(run.table, run.setup, own, None, None)
    write_table(bare, tmp_path / TABLE_FILE)
    assert main(["table", "info", str(tmp_path)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["fem_rel_error"] is None
    assert "not measured" in said["fem_source"]
    assert said["uncertainty"]["conductivity_rel_error"] is None


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
