"""What a model file promises: names, shapes, units, and the table it was trained on."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from m2m_rt.model.muscles import MUSCLES

INPUT_NAME = "relative_efield"
"""(n, n_roi, 3) float32; 1.0 = the planned pose's largest |E| at resting threshold."""

FEATURES_NAME = "features"
"""(n, n_features) float32, no unit."""

PRIOR_NAMES = (
    "prior_mean",
    "prior_factor",
    "prior_log_noise",
    "prior_scale_dof",
)
"""Outputs that do not depend on the input: the last layer's prior, in log10 µV."""

GOLDEN_NAMES = ("golden_efield", "golden_features")
"""Outputs that do not depend on the input: one input and what it must give."""

CONTRACT_KEY = "m2m_contract"
"""Key of the contract in the ONNX file's metadata, as JSON."""

MAX_MODEL_BYTES = 32 * 1024 * 1024

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class ModelContract(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Written into the model file itself: one file is all that a session needs."""

    format: Literal["m2m-model.v1"] = "m2m-model.v1"
    producer: str
    """Software and settings that made the weights."""

    muscles: tuple[str, ...] = MUSCLES
    n_roi: Annotated[int, Meta(gt=0)]
    n_features: Annotated[int, Meta(gt=1)]
    n_latent: Annotated[int, Meta(gt=0)]
    table_hash: Sha256
    """Of the E-field table whose ROI the input follows."""

    parent_hash: str = ""
    """sha256 of the model file this one was refitted from; empty for none."""


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One input or output; −1 in the shape is any number of poses."""

    name: str
    shape: tuple[int, ...]
    unit: str


class ModelManifest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Beside a shipped model: what it is, how it was made, and its hashes."""

    name: str
    version: str
    onnx_file: str
    onnx_sha256: Sha256
    golden_file: str
    golden_sha256: Sha256
    opset: Annotated[int, Meta(gt=0)]
    command: str
    """What makes the model again."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    contract: ModelContract


def describe_inputs(contract: ModelContract) -> tuple[TensorSpec, ...]:
    """Return the inputs that a contract means."""
    unit = "planned pose's largest |E| at resting threshold"
    return (TensorSpec(name=INPUT_NAME, shape=(-1, contract.n_roi, 3), unit=unit),)


def describe_outputs(contract: ModelContract) -> tuple[TensorSpec, ...]:
    """Return the outputs that a contract means, in the file's order."""
    n_muscles, n_features = len(contract.muscles), contract.n_features
    shapes: tuple[tuple[str, tuple[int, ...], str], ...] = (
        (FEATURES_NAME, (-1, n_features), "1"),
        ("prior_mean", (n_muscles, n_features), "log10 uV"),
        ("prior_factor", (n_muscles, n_features, contract.n_latent), "log10 uV"),
        ("prior_log_noise", (n_muscles, n_features), "ln of log10 uV"),
        ("prior_scale_dof", (1,), "pulses"),
        ("golden_efield", (1, contract.n_roi, 3), "as the input"),
        ("golden_features", (1, n_features), "1"),
    )
    return tuple(
        TensorSpec(name=name, shape=shape, unit=unit) for name, shape, unit in shapes
    )
