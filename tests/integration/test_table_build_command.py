"""`m2m table build` on a user's head and coil, as far as it goes within seconds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.msh_file import MshMesh
from m2m_rt.adapters.msh_write import MshForm, write_msh
from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.cli import main
from m2m_rt.app.table_build import roi_of, run_build
from m2m_rt.app.table_folder import write_folder
from m2m_rt.app.table_path import TABLE_FILE
from m2m_rt.app.table_request import BuildRequest, conductivities_of, target_of
from m2m_rt.errors import ConfigError
from m2m_rt.fem import (
    DEFAULT_CONDUCTIVITIES,
    HeadMesh,
    coil_of_table,
    coil_sha256,
    demo_coil,
    find_head_mesh,
    named_coil,
    read_head_msh,
    round_coil,
)
from tests.support.coils import HEADERS, some_dipoles, write_ccd
from tests.support.efield import make_synthetic_table
from tests.support.fem_shapes import layered_ball

TARGET = "-20,-10,62"


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads") / "m2m_ball"
    folder.mkdir()
    ball = layered_ball(20, {1: 54.0, 2: 72.0, 3: 78.0, 4: 84.0, 5: 90.0})
    none = np.zeros((0, 3), np.int64)
    mesh = MshMesh(ball.nodes_mm, none, none[:, 0], ball.tetrahedra, ball.tissue)
    write_msh(mesh, folder / "ball.msh", MshForm.BINARY_2)
    return folder


@pytest.fixture(scope="module")
def mesh(subject: Path) -> HeadMesh:
    return read_head_msh(find_head_mesh(subject))


def request_for(folder: Path, **changes: object) -> BuildRequest:
    base = BuildRequest(
        head=str(folder),
        coils=("round",),
        roi="box",
        target_mm=target_of(TARGET),
        out=folder,
        cache=folder,
    )
    return replace(base, **changes)  # type: ignore[arg-type] # fields of a test's choice


@pytest.fixture(scope="module")
def job(subject: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    coil = write_ccd(folder / "own.ccd", *some_dipoles(), HEADERS["full"])
    job = folder / "job.npz"
    options = ["--head", str(subject), "--coil", str(coil), f"--target={TARGET}"]
    options += ["--conductivity", "skull=0.02", "--conductivity", "gm=0.3"]
    assert main(["table", "build", *options, "--simnibs-job", str(job)]) == 0
    return job


def test_a_job_for_simnibs_is_written_from_a_subject_folder_and_a_users_coil(
    job: Path,
) -> None:
    with np.load(job, allow_pickle=False) as file:
        assert str(file["head"]).endswith("ball.msh")
        assert file["mode_am2"].shape[1] == len(file["source_mm"])
        assert len(file["roi_mm"]) > 100
        assert file["coil0_head_from_coil"].shape == (140, 4, 4)


def test_conductivities_of_a_request_reach_the_job(job: Path) -> None:
    with np.load(job, allow_pickle=False) as file:
        found = dict(zip(file["tags"], file["conductivity_s_per_m"], strict=True))
    # SimNIBS keeps compact and spongy bone apart: both twice as good conductors.
    assert (found[2], found[4], found[7]) == pytest.approx((0.3, 0.02, 0.016))
    assert (found[1], found[8]) == pytest.approx((0.126, 0.05))


@pytest.mark.parametrize(
    ("roi", "box"),
    [("motor", 32), ("box", 32), ("patch", 0), ("patch:15", 0), ("cortex", 0)],
)
def test_every_region_has_points_in_the_cortex(
    roi: str, box: int, subject: Path, mesh: HeadMesh
) -> None:
    found = roi_of(request_for(subject, roi=roi), mesh)
    assert len(found.points_mm) > 20
    assert found.box_shape == (box,) * 3


def test_a_region_about_a_place_over_another_tables_mesh_needs_the_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--like", "demo", "--roi", "patch", "--out", "never-made"]
    assert main(["table", "build", *options]) == 2
    assert "--target: found none" in capsys.readouterr().err


def test_a_coil_file_that_lies_in_the_tables_folder_stays_as_it_is(
    tmp_path: Path,
) -> None:
    own = write_ccd(tmp_path / "own.ccd", *some_dipoles(), HEADERS["full"])
    before = own.read_bytes()
    mesh = layered_ball(4, {1: 54.0, 2: 72.0, 3: 78.0, 4: 84.0, 5: 90.0})
    table = write_folder(tmp_path, str(own), make_synthetic_table(), mesh)
    assert own.read_bytes() == before
    assert read_table(tmp_path / TABLE_FILE).table_hash == table.table_hash
    write_folder(tmp_path / "other", str(own), table, mesh)
    assert (tmp_path / "other" / "own.ccd").read_bytes() == before


@pytest.mark.parametrize("roi", ["hand", "patch:wide", "patch:-1", "box:3"])
def test_a_region_that_nobody_knows_is_one_readable_line(
    roi: str, subject: Path, mesh: HeadMesh
) -> None:
    with pytest.raises(ConfigError, match="--roi"):
        roi_of(request_for(subject, roi=roi), mesh)


def test_a_region_that_nobody_knows_is_refused_before_a_head_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = request_for(tmp_path, head=str(tmp_path / "none.msh"), roi="hand")
    with pytest.raises(ConfigError, match="--roi"):
        run_build(request, lambda _step, _done: None)
    options = ["--head", request.head, "--roi", "hand", f"--target={TARGET}"]
    assert main(["table", "build", *options, "--out", str(tmp_path / "out")]) == 2
    assert "--roi" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["build", "--head", "none.msh", f"--target={TARGET}"],
        *(["check", "none"], ["chain", "none"], ["bench", "none"], ["sphere"]),
    ],
)
def test_a_place_for_figures_that_there_is_not_is_refused_first(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", *command, "--json", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith(
        "found a folder, expected a file to write\n"
    )


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["skull"], "tissue=S/m"),
        (["skull=low"], "tissue=S/m"),
        (["skull=0.01", "skull=0.02"], "each tissue once"),
        (["bone=0.01"], "'bone'"),
        (["skull=8"], None),
        (["skull=8000"], "0.00001 to 20|1e-05 to 20"),
    ],
)
def test_conductivities_that_no_tissue_has_are_refused(
    texts: list[str], said: str | None
) -> None:
    usual = DEFAULT_CONDUCTIVITIES
    if said is None:
        assert usual.with_values(conductivities_of(texts)).skull == 8.0
        return
    with pytest.raises(ConfigError, match=said):
        usual.with_values(conductivities_of(texts))


@pytest.mark.parametrize("text", ["1,2", "a,b,c", "1,2,nan", "1,2,9999", ""])
def test_a_target_that_is_no_place_is_one_readable_line(text: str) -> None:
    with pytest.raises(ConfigError, match="--target"):
        target_of(text)


def test_a_coil_that_nobody_knows_is_one_readable_line() -> None:
    with pytest.raises(ConfigError, match=r"demo-figure8, round, double-cone"):
        named_coil("butterfly")


def test_a_tables_coil_is_found_by_its_hash_among_names_and_files(
    tmp_path: Path,
) -> None:
    table = make_synthetic_table()

    def made_for(sha256: str) -> object:
        origin = replace(table.provenance, coil_sha256=sha256)
        return coil_of_table(replace(table, provenance=origin), tmp_path).name

    own = write_ccd(tmp_path / "own.ccd", *some_dipoles(), HEADERS["full"])
    assert made_for(coil_sha256(demo_coil())) == "demo-figure8"
    assert made_for(coil_sha256(round_coil())) == "round"
    assert made_for(coil_sha256(named_coil(str(own)))) == "T70"
    with pytest.raises(ConfigError, match="beside the table"):
        made_for("0" * 64)
