"""A model file is loaded only if it is the one meant, whole, and does what it says."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from m2m_rt.adapters.onnx_predictor import (
    ModelFolder,
    OnnxPredictor,
    read_shipped_model,
)
from m2m_rt.errors import ModelRefused
from m2m_rt.model import CONTRACT_KEY, INPUT_NAME, MAX_MODEL_BYTES
from m2m_rt.nets.bundle import Shipment, write_bundle
from tests.support.models import N_ROI, golden_efield, small_contract, small_model


def sha256(model_bytes: bytes) -> str:
    return hashlib.sha256(model_bytes).hexdigest()


def changed(**metadata: str) -> onnx.ModelProto:
    model = onnx.load_model_from_string(small_model())
    if metadata:
        helper.set_model_props(model, metadata)
    return model


def load(model: onnx.ModelProto | bytes) -> OnnxPredictor:
    model_bytes = model if isinstance(model, bytes) else model.SerializeToString()
    return OnnxPredictor(model_bytes, expected_hash=sha256(model_bytes))


def test_a_good_file_gives_features_and_prior() -> None:
    predictor = load(small_model())
    assert predictor.features(np.zeros((3, N_ROI, 3), np.float32)).shape == (3, 6)
    assert predictor.prior.mean.shape == (15, 6)
    assert predictor.prior.factor.shape == (15, 6, 4)
    assert predictor.prior.scale_dof == 20.0


def test_the_same_field_gives_the_same_bytes() -> None:
    first, second = load(small_model()), load(small_model())
    field = np.random.default_rng(0).standard_normal((1, N_ROI, 3)).astype(np.float32)
    answers = {p.features(field).tobytes() for p in (first, second) for _ in range(20)}
    assert len(answers) == 1


def test_every_flipped_bit_is_refused() -> None:
    good, rng = small_model(), np.random.default_rng(0)
    for place in rng.integers(0, 8 * len(good), 300):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << (place % 8)
        with pytest.raises(ModelRefused, match="sha256"):
            OnnxPredictor(bytes(bad), expected_hash=sha256(good))


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_file_is_refused_even_under_its_own_hash(part: float) -> None:
    with pytest.raises(ModelRefused):
        load(small_model()[: int(part * len(small_model()))])


@pytest.mark.parametrize(
    "model",
    [
        b"",
        b"onnx",
        small_model().replace(INPUT_NAME.encode(), b"\xff" * len(INPUT_NAME)),
        small_model().replace(b"MatMul", b"NatMul"),
    ],
    ids=["empty", "no protobuf", "undecodable name", "unknown operator"],
)
def test_what_onnx_runtime_cannot_load_is_refused(model: bytes) -> None:
    with pytest.raises(ModelRefused, match="not a model that can be loaded"):
        load(model)


def test_a_file_above_the_cap_is_refused() -> None:
    with pytest.raises(ModelRefused, match="at most"):
        load(b"\0" * (MAX_MODEL_BYTES + 1))


def test_data_outside_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save_model(
        changed(), path, save_as_external_data=True, size_threshold=0, location="w"
    )
    with pytest.raises(ModelRefused, match="outside"):
        load(path.read_bytes())


def test_another_signature_is_refused() -> None:
    model = changed()
    del model.graph.output[1]
    with pytest.raises(ModelRefused, match="outputs"):
        load(model)


def test_a_missing_or_malformed_contract_is_refused() -> None:
    for text in ("", "{}", '{"format":"m2m-model.v9"}'):
        with pytest.raises(ModelRefused, match=CONTRACT_KEY):
            load(changed(**{CONTRACT_KEY: text}))


def test_a_model_that_misses_its_golden_output_is_refused() -> None:
    model = changed()
    for initializer in model.graph.initializer:
        if initializer.name == "readout.bias":
            values = onnx.numpy_helper.to_array(initializer) + 0.01
            new = onnx.numpy_helper.from_array(values, initializer.name)
            initializer.CopyFrom(new)
    with pytest.raises(ModelRefused, match="golden"):
        load(model)


def test_a_folder_gives_back_what_was_stored_and_nothing_else(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path / "models")
    model_hash = folder.store(small_model())
    assert folder.store(small_model()) == model_hash
    assert folder.load(model_hash).model_hash == model_hash
    with pytest.raises(ModelRefused):
        folder.load("0" * 64)


def test_a_bundle_is_refused_when_one_of_its_files_changed(tmp_path: Path) -> None:
    shipment = Shipment(small_model(), small_contract(), golden_efield(), "tests")
    manifest = write_bundle(tmp_path, shipment)
    assert read_shipped_model(tmp_path) == small_model()
    for name in (manifest.onnx_file, manifest.golden_file):
        good = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(ModelRefused, match="sha256"):
            read_shipped_model(tmp_path)
        (tmp_path / name).write_bytes(good)
