"""What a model takes and gives."""

from m2m_rt.model.contract import (
    CONTRACT_KEY,
    FEATURES_NAME,
    GOLDEN_NAMES,
    INPUT_NAME,
    MAX_MODEL_BYTES,
    PRIOR_NAMES,
    ModelContract,
    ModelManifest,
    TensorSpec,
    describe_inputs,
    describe_outputs,
)
from m2m_rt.model.inputs import golden_fault, relative_efield
from m2m_rt.model.muscles import FLOOR_UV, MEP_PRESENT_UV, MUSCLES

__all__ = [
    "CONTRACT_KEY",
    "FEATURES_NAME",
    "FLOOR_UV",
    "GOLDEN_NAMES",
    "INPUT_NAME",
    "MAX_MODEL_BYTES",
    "MEP_PRESENT_UV",
    "MUSCLES",
    "PRIOR_NAMES",
    "ModelContract",
    "ModelManifest",
    "TensorSpec",
    "describe_inputs",
    "describe_outputs",
    "golden_fault",
    "relative_efield",
]
