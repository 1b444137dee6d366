"""A committee as a model file: a network's own file with columns beside its features.

The network's part stays as it was, its weights under their names and its own prior
kept, so that it can be taken out again and refitted. The graph knows the trials that
the columns were fitted to: it answers those as it would have without them, for the last
layer learns the same trials, and would otherwise take the columns' errors for smaller
than they are.
"""

import hashlib

import msgspec
import numpy as np
import onnx
from onnx import numpy_helper

from m2m_rt.adapters.onnx_predictor import OnnxPredictor
from m2m_rt.learning import LastLayerPrior
from m2m_rt.model import FEATURES_NAME, INPUT_NAME
from m2m_rt.nets.committee import (
    CURVES_SHARES,
    NETWORK_SHARE,
    PROCESS_SHARE,
    Columns,
)
from m2m_rt.nets.graph import AddedNodes
from m2m_rt.nets.onnx_file import read_weights, with_outputs
from m2m_rt.nets.recruitment import LEAST_LOG10_UV, SHARPNESS, Curves, Recruited
from m2m_rt.nets.recruitment_shared import AdditiveCurves
from m2m_rt.units import F64, Bools

_PREFIX = "committee."
_NETWORK_FEATURES = "network.features"
_NETWORK_PRIOR = "network.prior."
_PRIOR_PARTS = ("mean", "factor", "log_noise")

FACTOR_SHARE = 0.5
"""How far subjects differ from the committee, over how far they differ from the
population; chosen, with the exact trials' corrections, on subjects of both simulators
that nothing is judged on."""

_SAME_FIELD = 1e-3
"""How near a field's first components are to a trial's if it is that trial's, in the
trials' standard deviations; float32 puts the same field within 1e-5."""

_N_COMPARED = 4
_LN10 = float(np.log(10.0))


def with_columns(network_bytes: bytes, columns: Columns, learnt: Bools) -> bytes:
    """Return a network's file with columns added; the network's own prior is kept.

    Parameters
    ----------
    network_bytes
        A model that is no committee.
    columns
        Of all muscles.
    learnt
        (n_muscles,): muscles whose column is used; others stay with the network.

    Raises
    ------
    ModelRefused
        If the new file does not load or breaks the contract.
    """
    predictor = _predictor(network_bytes)
    prior, contract = predictor.prior, predictor.contract
    model = onnx.load_model_from_string(network_bytes)
    _rename(model, FEATURES_NAME, _NETWORK_FEATURES)
    for part in _PRIOR_PARTS:
        values = getattr(prior, part).astype(np.float32)
        stored = numpy_helper.from_array(values, _NETWORK_PRIOR + part)
        model.graph.initializer.append(stored)
    _add_columns(AddedNodes(model, _PREFIX), columns)
    whole = msgspec.structs.replace(
        contract,
        producer="m2m_rt nets.committee_file",
        n_features=contract.n_features + prior.n_muscles,
    )
    return with_outputs(model, _prior(prior, learnt), whole)


def network_part(model_bytes: bytes) -> bytes:
    """Return the network in a model file, with its own prior, as a file of its own.

    A file that holds nothing else is returned as it is.

    Raises
    ------
    ModelRefused
        If it does not load.
    """
    weights = read_weights(model_bytes)
    if _NETWORK_PRIOR + "mean" not in weights:
        return model_bytes
    predictor = _predictor(model_bytes)
    own = {part: weights[_NETWORK_PRIOR + part] for part in _PRIOR_PARTS}
    model = onnx.load_model_from_string(model_bytes)
    _drop_columns(model)
    _rename(model, _NETWORK_FEATURES, FEATURES_NAME)
    alone = msgspec.structs.replace(
        predictor.contract,
        producer="m2m_rt nets.committee_file",
        n_features=own["mean"].shape[1],
        n_latent=own["factor"].shape[2],
    )
    prior = LastLayerPrior(
        **{part: values.astype(np.float64) for part, values in own.items()},
        scale_dof=predictor.prior.scale_dof,
    )
    return with_outputs(model, prior, alone)


def _predictor(model_bytes: bytes) -> OnnxPredictor:
    model_hash = hashlib.sha256(model_bytes).hexdigest()
    return OnnxPredictor(model_bytes, expected_hash=model_hash)


def _prior(network: LastLayerPrior, learnt: Bools) -> LastLayerPrior:
    """Return the committee's prior: its column counts once, the network in part."""
    muscles = np.arange(network.n_muscles)
    columns = np.zeros((network.n_muscles, network.n_muscles))
    columns[muscles, muscles] = learnt
    share = np.where(learnt, NETWORK_SHARE, 1.0)[:, np.newaxis]
    spread = np.where(learnt, FACTOR_SHARE, 1.0)[:, np.newaxis, np.newaxis]
    no_spread = np.zeros((*columns.shape, network.n_latent))
    return LastLayerPrior(
        mean=np.hstack((share * network.mean, columns)),
        factor=np.concatenate((spread * network.factor, no_spread), axis=1),
        log_noise=np.hstack((network.log_noise, np.zeros_like(columns))),
        scale_dof=network.scale_dof,
    )


def _add_columns(graph: AddedNodes, columns: Columns) -> None:
    """Add everything from the field to the features."""
    shape, parts = columns.curves[0].features, columns.parts
    flat = graph.op("Flatten", INPUT_NAME, axis=1)
    every = columns.basis @ np.hstack((shape.axes, parts.axes))
    seen = graph.op("MatMul", flat, graph.constant(every))  # one pass over the field
    n_shape, n_all = shape.axes.shape[1], every.shape[1]
    of_shape = graph.columns(seen, 0, n_shape)
    of_field = graph.columns(seen, n_shape, n_all)
    axis = graph.constant(np.array([1]), np.int64)
    size = graph.op("ReduceL2", flat, axis)
    place = graph.op("Div", of_shape, size)
    place = graph.op("Sub", place, graph.constant(shape.centre @ shape.axes))
    component = graph.op("Sub", of_field, graph.constant(parts.centre @ parts.axes))
    said = [_recruitment(graph, model, size, place) for model in columns.curves]
    said.append(_process(graph, columns, component))
    expected = [
        graph.op("Mul", one, graph.constant(share))
        for one, share in zip(said, (*CURVES_SHARES, PROCESS_SHARE), strict=True)
    ]
    expected.append(_correction(graph, columns, component))
    graph.join((_NETWORK_FEATURES, graph.op("Sum", *expected)), FEATURES_NAME)


def _recruitment(graph: AddedNodes, model: Recruited, size: str, place: str) -> str:
    """Return what curves expect, (n, n_muscles), as their `profile` means it.

    `place` is where a field's shape lies among the trials' shapes.
    """
    shape, curves = model.features, model.curves
    place = graph.op("Div", place, graph.constant(shape.length))
    weights = shape.mix @ _array(curves, "drive") * curves.spread
    drive = _smooth(graph, place, shape.known / shape.length, weights)
    scaled = graph.op("Div", size, graph.constant(shape.typical_size))
    log_size = graph.op("Log", scaled)
    log_drive = graph.op("Add", drive, graph.constant(_array(curves, "offset")))
    return _curves(graph, curves, graph.op("Add", log_drive, log_size))


def _curves(graph: AddedNodes, curves: Curves, log_drive: str) -> str:
    nodes = curves.nodes.numpy().astype(np.float64)  # (n_nodes, 1, 1)
    floor = 2.0 * _LN10 * _array(curves, "floor")
    foot = 1.0 / (1.0 + np.exp(0.4 - _array(curves, "foot_logit")))
    reach_of_all = graph.constant(SHARPNESS * (1.0 - foot))
    step = graph.constant(np.exp(_array(curves, "log_before")) * nodes)
    if isinstance(curves, AdditiveCurves):
        noisy = graph.op("Add", graph.op("Exp", log_drive), step)
    else:
        noisy = graph.op("Exp", graph.op("Add", log_drive, step))
    over = graph.op("Sub", noisy, graph.constant(foot))  # (n_nodes, n, n_muscles)
    reach = graph.op("Softplus", graph.op("Mul", over, graph.constant(SHARPNESS)))
    reach = graph.op("Div", reach, reach_of_all)
    log_reach = graph.op("Log", graph.op("Add", reach, graph.constant(1e-6)))
    steepness = graph.constant(np.exp(_array(curves, "log_steepness")))
    rise = graph.op("Sigmoid", graph.op("Mul", log_reach, steepness))
    height = 2.0 * _LN10 * (_array(curves, "top") - LEAST_LOG10_UV)
    over_floor = graph.op(
        "Add",
        graph.op("Mul", rise, graph.constant(height)),
        graph.constant(2.0 * _LN10 * LEAST_LOG10_UV - floor),
    )
    above = graph.op("Softplus", over_floor)  # log of evoked and floor as squares
    weights = 0.5 / _LN10 * curves.weights.numpy().astype(np.float64)
    weighed = graph.op("Mul", above, graph.constant(weights))
    axis = graph.constant(np.array([0]), np.int64)
    mean = graph.op("ReduceSum", weighed, axis, keepdims=0)
    return graph.op("Add", mean, graph.constant(_array(curves, "floor")))


def _process(graph: AddedNodes, columns: Columns, component: str) -> str:
    process = columns.process
    lengths = process.settings.lengths
    place = graph.op("Div", component, graph.constant(lengths))
    pull = _smooth(graph, place, process.known / lengths, process.pull)
    return graph.op("Add", pull, graph.constant(process.mean))


def _correction(graph: AddedNodes, columns: Columns, component: str) -> str:
    """Return what makes a trial's own field answered as if it had not been learnt."""
    known = columns.process.known[:, :_N_COMPARED]
    n_compared = known.shape[1]
    first = graph.columns(component, 0, n_compared)
    middle = graph.constant(np.array([1]), np.int64)
    apart = graph.op("Sub", graph.op("Unsqueeze", first, middle), graph.constant(known))
    last = graph.constant(np.array([2]), np.int64)
    squared = graph.op("ReduceSumSquare", apart, last, keepdims=0)  # (n, n_trials)
    scale = graph.constant(-0.5 / _SAME_FIELD**2)
    same = graph.op("Exp", graph.op("Mul", squared, scale))
    total = graph.op("MatMul", same, graph.constant(columns.correction))
    count = graph.op("ReduceSum", same, middle)
    one = graph.constant(1.0)  # a stimulus given twice is answered by the mean
    return graph.op("Div", total, graph.op("Max", count, one))


def _smooth(graph: AddedNodes, place: str, known: F64, weights: F64) -> str:
    """Return kernels of places (n, k) to known ones (n_known, k), times weights.

    In double precision: large weights of either sign meet in the sum.
    """
    place = graph.op("Cast", place, to=onnx.TensorProto.DOUBLE)
    axis = graph.constant(np.array([1]), np.int64)
    square = graph.op("ReduceSumSquare", place, axis)
    square = graph.op(
        "Add", square, graph.constant(np.sum(known**2, axis=1), np.float64)
    )
    both = graph.op("MatMul", place, graph.constant(-2.0 * known.T, np.float64))
    apart = graph.op("Add", square, both)
    apart = graph.op("Max", apart, graph.constant(0.0, np.float64))
    half = graph.op("Mul", apart, graph.constant(-0.5, np.float64))
    near = graph.op("Exp", half)
    said = graph.op("MatMul", near, graph.constant(weights, np.float64))
    return graph.op("Cast", said, to=onnx.TensorProto.FLOAT)


def _array(curves: Curves, name: str) -> F64:
    return curves.get_parameter(name).detach().numpy().astype(np.float64)


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    """Let an array of the graph have another name."""
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


def _drop_columns(model: onnx.ModelProto) -> None:
    for items in (model.graph.node, model.graph.initializer):
        kept = [
            one for one in items if not one.name.startswith((_PREFIX, _NETWORK_PRIOR))
        ]
        del items[:]
        items.extend(kept)
