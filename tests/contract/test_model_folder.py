"""A shipped model's folder: no changed bit of any of its files goes unseen."""

import shutil
from pathlib import Path

import pytest

from m2m_rt.adapters.model_sums import SUMS_FILE, write_sums
from m2m_rt.adapters.onnx_predictor import read_shipped_model
from m2m_rt.app.cli import main
from m2m_rt.app.model_check import flip_bits
from m2m_rt.errors import ModelRefused
from m2m_rt.nets.bundle import Shipment, write_bundle
from tests.support.models import golden_efield, small_contract, small_model

SHIPPED = sorted((Path(__file__).parents[2] / "models").glob("*/*/manifest.toml"))


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""


def bundle(folder: Path) -> Path:
    shipment = Shipment(small_model(), small_contract(), golden_efield(), "tests")
    write_bundle(folder, shipment)
    (folder / "CARD.md").write_text("# small\n")
    write_sums(folder)
    return folder


def test_every_one_of_300_flipped_bits_of_every_file_is_refused(
    tmp_path: Path,
) -> None:
    folder = bundle(tmp_path / "model")
    found = flip_bits(folder, n_flips=300, seed=0, progress=quiet)
    assert set(found) == {
        "CARD.md",
        "SHA256SUMS",
        "golden.npz",
        "m2mnet-rt.onnx",
        "manifest.toml",
    }
    assert all(one.refused == one.flips == 300 for one in found.values())
    assert read_shipped_model(folder) == small_model()  # the original is untouched


def test_without_its_seal_a_model_still_has_its_manifests_hashes(
    tmp_path: Path,
) -> None:
    folder = bundle(tmp_path / "model")
    (folder / SUMS_FILE).unlink()
    assert read_shipped_model(folder) == small_model()
    found = flip_bits(folder, n_flips=20, seed=1, progress=quiet)
    for name in ("m2mnet-rt.onnx", "golden.npz"):
        assert found[name].refused == found[name].flips


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nothing\n", "no hash"),
        (f"{'0' * 64}  manifest.toml\n", "sha256"),
        (f"{'0' * 64}  ../manifest.toml\n", "does not list"),
        ("\xff\n", "codec"),
    ],
)
def test_a_wrong_seal_is_refused(tmp_path: Path, text: str, why: str) -> None:
    folder = bundle(tmp_path / "model")
    (folder / SUMS_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelRefused, match=why):
        read_shipped_model(folder)


def test_a_listed_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "model")
    (folder / "CARD.md").unlink()
    with pytest.raises(ModelRefused, match=r"CARD\.md"):
        read_shipped_model(folder)


@pytest.mark.parametrize("manifest", SHIPPED, ids=lambda path: path.parent.parent.name)
def test_shipped_models_are_sealed_and_have_a_card(manifest: Path) -> None:
    assert (manifest.parent / SUMS_FILE).is_file()
    card = (manifest.parent / "CARD.md").read_text(encoding="utf-8")
    for heading in ("## Made from", "## Figures", "## Files", "## Limits"):
        assert heading in card
    assert "ONNX Runtime − torch" in card


def test_info_shows_the_card_of_a_whole_model_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(SHIPPED[0].parent, tmp_path / "copy"))
    assert main(["model", "info", str(folder)]) == 0
    assert "## Limits" in capsys.readouterr().out
    with (folder / "CARD.md").open("a") as card:
        card.write("better than it is\n")
    assert main(["model", "info", str(folder)]) == 2
    assert "sha256" in capsys.readouterr().err
