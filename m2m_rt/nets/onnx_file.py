"""A trained network as one ONNX file: graph, last-layer prior, golden pair, contract.

Weights keep their names: a refit reads them back from the file and writes new ones into
the same graph.
"""

import hashlib
from collections.abc import Mapping

import msgspec
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from m2m_rt.adapters.onnx_predictor import OnnxPredictor
from m2m_rt.errors import ModelRefused
from m2m_rt.learning import LastLayerPrior
from m2m_rt.model import (
    CONTRACT_KEY,
    FEATURES_NAME,
    INPUT_NAME,
    ModelContract,
    golden_fault,
)
from m2m_rt.nets.graph import bare_graph
from m2m_rt.units import F32


def export_onnx(
    net: torch.nn.Module, prior: LastLayerPrior, contract: ModelContract, golden: F32
) -> bytes:
    """Return the model file's bytes, checked against the network in torch.

    Parameters
    ----------
    net
        Relative fields (n, n_roi, 3) → features.
    prior
        Of the last layer.
    contract
        Written into the file.
    golden
        (1, n_roi, 3): the input whose output is stored with the model.

    Raises
    ------
    ModelRefused
        If ONNX Runtime does not give what torch gives.
    """
    model = bare_graph(net, golden, input_name=INPUT_NAME, output_name=FEATURES_NAME)
    with torch.no_grad():
        features = net(torch.tensor(golden)).numpy()
    _set_constants(model, _constants(prior, golden, features))
    _set_contract(model, contract)
    return _checked(model, golden, features)


def with_weights(
    model_bytes: bytes,
    weights: Mapping[str, F32],
    *,
    prior: LastLayerPrior,
    contract: ModelContract,
) -> bytes:
    """Return the same graph with other weights and prior, and its golden pair redone.

    Raises
    ------
    ModelRefused
        If the new file does not load or breaks the contract.
    """
    model = onnx.load_model_from_string(model_bytes)
    for initializer in model.graph.initializer:
        if initializer.name in weights:
            _fill(initializer, weights[initializer.name])
    golden = read_weights(model_bytes)["golden_efield_value"]
    _set_constants(model, _constants(prior, golden, None))
    _set_contract(model, contract)
    features = _run(model, golden)
    _set_constants(model, {"golden_features": features})
    return _checked(model, golden, features)


def with_outputs(
    model: onnx.ModelProto, prior: LastLayerPrior, contract: ModelContract
) -> bytes:
    """Return a changed graph with its outputs redone, checked as a daemon would.

    Parameters
    ----------
    model
        A model file's graph, changed in place; its golden input stays.
    prior, contract
        Of what it gives now.

    Raises
    ------
    ModelRefused
        If the new file does not load or breaks the contract.
    """
    stored = {one.name: one for one in model.graph.initializer}
    golden = numpy_helper.to_array(stored["golden_efield_value"]).copy()
    constants = _constants(
        prior, golden, np.zeros((1, contract.n_features), np.float32)
    )
    _drop_constants(model, set(constants))
    _set_features(model, contract.n_features)
    _set_constants(model, constants)
    _set_contract(model, contract)
    features = _run(model, golden)
    _set_constants(model, {"golden_features": features})
    return _checked(model, golden, features)


def with_parent(model_bytes: bytes, parent_hash: str) -> bytes:
    """Return the same model with another parent in its contract."""
    model = onnx.load_model_from_string(model_bytes)
    texts = {one.key: one.value for one in model.metadata_props}
    contract = msgspec.json.decode(texts[CONTRACT_KEY], type=ModelContract)
    _set_contract(model, msgspec.structs.replace(contract, parent_hash=parent_hash))
    changed: bytes = model.SerializeToString(deterministic=True)
    return changed


def read_weights(model_bytes: bytes) -> dict[str, F32]:
    """Return every named array stored in a model file."""
    model = onnx.load_model_from_string(model_bytes)
    return {
        initializer.name: numpy_helper.to_array(initializer).copy()
        for initializer in model.graph.initializer
    }


def _constants(
    prior: LastLayerPrior, golden: F32, features: F32 | None
) -> dict[str, F32]:
    """Return the outputs that do not depend on the input."""
    constants = {
        "prior_mean": prior.mean,
        "prior_factor": prior.factor,
        "prior_log_noise": prior.log_noise,
        "prior_scale_dof": np.array([prior.scale_dof]),
        "golden_efield": golden,
    }
    if features is not None:
        constants["golden_features"] = features
    return {name: values.astype(np.float32) for name, values in constants.items()}


def _set_constants(model: onnx.ModelProto, constants: Mapping[str, F32]) -> None:
    """Store arrays as initialisers, each led to an output by an Identity node."""
    stored = {initializer.name: initializer for initializer in model.graph.initializer}
    for name, values in constants.items():
        if f"{name}_value" in stored:
            _fill(stored[f"{name}_value"], values)
            continue
        model.graph.initializer.append(numpy_helper.from_array(values, f"{name}_value"))
        model.graph.node.append(
            helper.make_node("Identity", [f"{name}_value"], [name], name=name)
        )
        model.graph.output.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape)
        )


def _drop_constants(model: onnx.ModelProto, names: set[str]) -> None:
    """Remove what `_set_constants` made, so that it can have another shape."""
    for items in (model.graph.output, model.graph.node, model.graph.initializer):
        kept = [one for one in items if one.name.removesuffix("_value") not in names]
        del items[:]
        items.extend(kept)


def _set_features(model: onnx.ModelProto, n_features: int) -> None:
    """Say how wide the features are."""
    (features,) = [one for one in model.graph.output if one.name == FEATURES_NAME]
    features.type.tensor_type.shape.dim[1].dim_value = n_features


def _fill(initializer: onnx.TensorProto, values: F32) -> None:
    """Replace a stored array."""
    name = initializer.name
    initializer.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))


def _set_contract(model: onnx.ModelProto, contract: ModelContract) -> None:
    text = msgspec.json.encode(contract).decode()
    helper.set_model_props(model, {CONTRACT_KEY: text})


def _run(model: onnx.ModelProto, golden: F32) -> F32:
    """Return the graph's output, from the reference evaluator of the format."""
    (features,) = ReferenceEvaluator(model).run([FEATURES_NAME], {INPUT_NAME: golden})
    return np.asarray(features, np.float32)


def _checked(model: onnx.ModelProto, golden: F32, features: F32) -> bytes:
    """Return the bytes after loading them as a daemon would."""
    model_bytes: bytes = model.SerializeToString(deterministic=True)
    model_hash = hashlib.sha256(model_bytes).hexdigest()
    predictor = OnnxPredictor(model_bytes, expected_hash=model_hash)
    fault = golden_fault(predictor.features(golden), features)
    if fault is not None:
        raise ModelRefused(f"exported model: {fault}")
    return model_bytes
