"""Many heads at a time: on workers, with one that fails, killed and called again."""

from collections.abc import Callable
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.msh_file import MshMesh
from m2m_rt.adapters.msh_write import MshForm, write_msh
from m2m_rt.adapters.table_file import read_table, write_table
from m2m_rt.app.build_heads import (
    DoneBefore,
    HeadOutcome,
    TableRow,
    build_heads,
    summary,
)
from m2m_rt.app.build_jobs import read_jobs
from m2m_rt.app.cli import main
from m2m_rt.app.table_path import TABLE_FILE
from m2m_rt.app.table_request import BuildRequest
from m2m_rt.errors import ConfigError
from m2m_rt.fem import BoundSettings, RegionSettings
from tests.support.efield import make_synthetic_table
from tests.support.fem_shapes import layered_ball
from tests.support.scaled import SETTINGS, largest_difference

ROUNDING = 2e-7
"""Relative: one last bit of float32, as for builds that are spread by blocks."""

JOBS = """
[[head]]
head = "small.msh"
target_mm = [-20.0, -10.0, 62.0]
coils = ["demo-figure8", "round"]
out = "small"

[[head]]
head = "broken.msh"
target_mm = [-20.0, -10.0, 62.0]
out = "broken"

[[head]]
head = "large.msh"
target_mm = [-20.0, -10.0, 65.0]
out = "large"
"""


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small heads and one that is none, with a file that lists them."""
    folder = tmp_path_factory.mktemp("heads")
    for name, scalp_mm in (("small", 90.0), ("large", 92.0)):
        radii = {1: 50.0, 2: 73.0, 3: 78.0, 4: 84.0, 5: scalp_mm}
        ball = layered_ball(10, radii)
        none = np.zeros((0, 3), np.int64)
        mesh = MshMesh(ball.nodes_mm, none, none[:, 0], ball.tetrahedra, ball.tissue)
        write_msh(mesh, folder / f"{name}.msh", MshForm.BINARY_2)
    (folder / "broken.msh").write_bytes(b"$MeshFormat\nnothing of the kind\n")
    (folder / "jobs.toml").write_text(JOBS, encoding="utf-8")
    return folder


def one_request(heads: Path, folder: Path) -> BuildRequest:
    return BuildRequest(
        head=str(heads / "small.msh"),
        coils=("round",),
        roi="box",
        target_mm=None,
        out=folder,
        cache=folder / "cache",
    )


def built(
    heads: Path,
    out: Path,
    dask: str | None = None,
    tell: Callable[[int, str, float], None] = lambda *_: None,
) -> list[HeadOutcome]:
    """Build all heads on workers, or the first two in this process."""
    bound = BoundSettings(n_fitted=4, n_calibrated=3)
    region = RegionSettings(scalp_grid_mm=8.0)
    common = BuildRequest(
        head="",
        coils=("round",),
        roi="box",
        target_mm=None,
        out=None,
        cache=out / "cache",
        settings=replace(SETTINGS, bound=bound, region=region),
    )
    requests = read_jobs(heads / "jobs.toml", common)
    placed = [replace(r, out=out / Path(r.head).stem, roi="box") for r in requests]
    return build_heads(placed if dask else placed[:2], dask, tell)


def test_heads_on_workers_of_which_one_is_killed_give_the_same_tables(
    heads: Path, tmp_path: Path
) -> None:
    alone = built(heads, tmp_path / "alone")
    killed: list[str] = []

    def kill_one(_: int, step: str, __: float) -> None:
        if step.startswith("direct solves") and not killed:
            killed.append(step)
            active_children()[0].kill()

    spread = built(heads, tmp_path / "spread", "local:2", kill_one)
    assert killed
    assert [bool(each.error) for each in spread] == [False, True, False]
    assert "broken.msh" in spread[1].error
    places = [row.folder for each in alone for row in each.tables]
    assert len(places) == 2
    assert len(spread[2].tables) == 1
    for place in places:
        one = read_table(Path(place) / TABLE_FILE)
        other = read_table(Path(place.replace("alone", "spread")) / TABLE_FILE)
        assert largest_difference(one, other) < ROUNDING
        assert one.provenance == other.provenance
    assert "3 heads: 1 failed, 0 were done before." in summary(spread)
    again = built(heads, tmp_path / "alone")
    assert [each.was_done for each in again] == [True, False]
    assert again[0].tables == alone[0].tables
    assert "2 heads: 1 failed, 1 were done before." in summary(again)


def test_a_head_whose_table_is_gone_or_whose_memory_is_damaged_is_built_again(
    heads: Path, tmp_path: Path
) -> None:
    request = one_request(heads, tmp_path)
    done = DoneBefore(request)
    table = write_table(make_synthetic_table(), tmp_path / TABLE_FILE)
    row = TableRow("round", str(tmp_path), table.table_hash, 3, 0.01, None)
    done.write((row,))
    assert done.rows() == (row,)
    memory = next((tmp_path / "cache").glob("built-*.json"))
    whole = memory.read_bytes()
    memory.write_bytes(whole[:-9])
    assert done.rows() is None
    memory.write_bytes(whole.replace(b"coil", b"coal"))
    assert done.rows() is None
    memory.write_bytes(whole)
    (tmp_path / TABLE_FILE).unlink()
    assert done.rows() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[head]]\nhead = 3\n", "head"),
        ("[[head]]\nhead = 'demo'\ncoil = 'round'\n", "coil"),
        ("[[head]\n", "TOML"),
        ("head = []\n", "no head"),
        ("[[head]]\nhead = 'demo'\n[[head]]\nhead = 'demo'\n", "two tables for"),
    ],
)
def test_a_file_of_jobs_that_cannot_be_meant_is_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "jobs.toml"
    path.write_text(text, encoding="utf-8")
    assert main(["table", "build", "--jobs", str(path)]) == 2
    assert said in capsys.readouterr().err
    with pytest.raises(ConfigError):
        read_jobs(
            tmp_path / "none.toml", BuildRequest("", ("x",), "box", None, None, path)
        )
