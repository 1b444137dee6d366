"""`m2m study paper --quick`, made smaller still, on the demo's table."""

import json
from pathlib import Path

import pytest

from m2m_rt.app.cli import main

SPLITS = ("random",)
SMALLER = ("--quick", "--threads", "1", "--encoder-epochs", "1", "--mapper-epochs", "1")


def test_the_command_answers_and_draws_and_a_second_run_only_reads(
    tmp_path: Path,
) -> None:
    cache, written = tmp_path / "cache", []
    options = ["study", "paper", *SMALLER, "--cache", str(cache)]
    options += ["--report", str(tmp_path / "report"), "--splits", ",".join(SPLITS)]
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    for file in files:
        assert main([*options, "--json", str(file)]) == 0
        written.append({path: path.stat().st_mtime_ns for path in cache.iterdir()})
    assert written[0] == written[1]
    assert files[0].read_bytes() == files[1].read_bytes()
    tree = json.loads(files[0].read_bytes())
    assert tuple(tree["splits"]) == SPLITS
    assert {"mean", "pca_gp", "knn_pose"} <= set(tree["baselines"])
    assert tree["ceiling"]["nrmse"] < tree["nrp"]["both"]["nrmse"]
    assert (tmp_path / "report" / "index.html").is_file()


@pytest.mark.parametrize(
    ("option", "value"), [("--simulator", "nobody"), ("--splits", "random,random")]
)
def test_an_unknown_choice_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    arguments = ["study", "paper", "--json", str(tmp_path / "f.json"), option, value]
    assert main(arguments) == 2
    assert option in capsys.readouterr().err
    assert not (tmp_path / "f.json").exists()
