"""`m2m train` and `m2m export`, on a small made-up table."""

import json
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.onnx_predictor import (
    OnnxPredictor,
    read_manifest,
    read_shipped_model,
)
from m2m_rt.adapters.table_file import write_table
from m2m_rt.app.cli import main
from tests.support.efield import make_synthetic_table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.h5"
    write_table(make_synthetic_table(n_roi=60), path)
    return path


@pytest.fixture(scope="module")
def trained(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    assert main(["train", "--small", "--table", str(table), "--out", str(out)]) == 0
    return out


def test_training_leaves_weights_scores_and_picture(trained: Path) -> None:
    report = json.loads((trained / "report.json").read_text())
    rivals = {"mean", "pca_ridge", "pca_gp", "knn_pose"}
    assert rivals | {"prior", "online", "ceiling"} == set(report["r2_log10"])
    assert (trained / "learning.png").stat().st_size > 1000
    assert (trained / "weights.npz").is_file()


def test_export_makes_the_same_model_as_training(trained: Path, tmp_path: Path) -> None:
    assert main(["export", str(trained), "--out", str(tmp_path)]) == 0
    assert read_shipped_model(tmp_path) == read_shipped_model(trained / "model")
    manifest = read_manifest(tmp_path)
    assert "--seed 1 --small" in manifest.command
    predictor = OnnxPredictor(
        read_shipped_model(tmp_path), expected_hash=manifest.onnx_sha256
    )
    field = np.ones((1, manifest.contract.n_roi, 3), np.float32)
    assert np.isfinite(predictor.features(field)).all()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "missing", "shape"])
def test_a_damaged_trained_folder_is_one_line(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    for name in ("training.toml", "weights.npz"):
        (folder / name).write_bytes((trained / name).read_bytes())
    damage_weights(folder / "weights.npz", damage)
    assert main(["export", str(folder), "--out", str(tmp_path / "model")]) == 2
    said = capsys.readouterr().err.strip()
    assert f"{folder}: not a trained network" in said
    assert said.count("\n") == 0


def damage_weights(path: Path, damage: str) -> None:
    whole = path.read_bytes()
    with np.load(path) as stored:
        arrays = dict(stored)
    if damage == "missing":
        del arrays["golden"]
    if damage == "shape":
        arrays["golden"] = arrays["golden"][:, :-1]
    np.savez(path, **arrays)
    middle = len(whole) // 2
    match damage:
        case "cut":
            path.write_bytes(whole[:middle])
        case "flipped":
            flipped = bytes([whole[middle] ^ 0xFF])
            path.write_bytes(whole[:middle] + flipped + whole[middle + 1 :])
        case "empty":
            path.write_bytes(b"")


def test_the_same_seed_gives_the_same_model(
    table: Path, trained: Path, tmp_path: Path
) -> None:
    assert (
        main(["train", "--small", "--table", str(table), "--out", str(tmp_path)]) == 0
    )
    first, second = (read_manifest(folder / "model") for folder in (trained, tmp_path))
    assert first == second


def test_wrong_arguments_are_one_line_and_status_2(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong_net = ["train", "--net", "gpt", "--table", str(table), "--out", str(tmp_path)]
    for arguments in (wrong_net, ["export", str(tmp_path), "--out", str(tmp_path)]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.strip().count("\n") == 0
