"""A shipped model's folder: the ONNX file, its manifest, its golden pair."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from m2m_rt.adapters.model_sums import write_sums
from m2m_rt.adapters.onnx_predictor import OnnxPredictor, read_shipped_model
from m2m_rt.learning import first_posterior, predict
from m2m_rt.model import (
    ModelContract,
    ModelManifest,
    describe_inputs,
    describe_outputs,
)
from m2m_rt.nets.graph import OPSET
from m2m_rt.nets.npz import npz_bytes
from m2m_rt.units import F32

MODEL_NAME = "m2mnet-rt"
MODEL_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Shipment:
    """What goes into a model's folder."""

    model_bytes: bytes
    contract: ModelContract
    golden_efield: F32
    """(n, n_roi, 3)"""

    command: str
    """What makes the model again."""

    name: str = MODEL_NAME
    version: str = MODEL_VERSION


def write_bundle(folder: Path, shipment: Shipment) -> ModelManifest:
    """Write a model's folder, then read it back as a daemon's set-up would.

    Raises
    ------
    ModelRefused
        If what was written does not pass its own checks.
    """
    onnx_hash = hashlib.sha256(shipment.model_bytes).hexdigest()
    golden_bytes = _golden_bytes(shipment, onnx_hash)
    manifest = ModelManifest(
        name=shipment.name,
        version=shipment.version,
        onnx_file=f"{shipment.name}.onnx",
        onnx_sha256=onnx_hash,
        golden_file="golden.npz",
        golden_sha256=hashlib.sha256(golden_bytes).hexdigest(),
        opset=OPSET,
        command=shipment.command,
        inputs=describe_inputs(shipment.contract),
        outputs=describe_outputs(shipment.contract),
        contract=shipment.contract,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / manifest.onnx_file).write_bytes(shipment.model_bytes)
    (folder / manifest.golden_file).write_bytes(golden_bytes)
    (folder / "manifest.toml").write_bytes(msgspec.toml.encode(manifest))
    write_sums(folder)
    read_shipped_model(folder)
    return manifest


def _golden_bytes(shipment: Shipment, onnx_hash: str) -> bytes:
    """Return an .npz of inputs, features, and the prior's prediction from them."""
    predictor = OnnxPredictor(shipment.model_bytes, expected_hash=onnx_hash)
    features = predictor.features(shipment.golden_efield)
    predicted = predict(first_posterior(predictor.prior), features)
    return npz_bytes(
        {
            "relative_efield": shipment.golden_efield,
            "features": features,
            "mean_log10_uv": predicted.mean.astype(np.float32),
            "sd_log10_uv": predicted.sd.astype(np.float32),
        }
    )
