"""The exporter's graph without what differs between machines and runs."""

import logging
import warnings

import numpy as np
import onnx
import torch

from m2m_rt.errors import ModelRefused
from m2m_rt.units import F32

OPSET = 20


def bare_graph(
    net: torch.nn.Module, example: F32, *, input_name: str, output_name: str
) -> onnx.ModelProto:
    """Return a network's graph for any number of rows of `example` (n, …).

    Not optimised, so that no weight is folded away; without the exporter's notes
    (stack traces with paths of the machine), so that the same weights give the same
    bytes.

    Raises
    ------
    ModelRefused
        If the exporter makes nothing.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            net.eval(),
            (torch.tensor(np.concatenate((example, example))),),
            dynamo=True,
            optimize=False,
            verbose=False,
            opset_version=OPSET,
            input_names=[input_name],
            output_names=[output_name],
            dynamic_shapes=({0: torch.export.Dim("n_poses")},),
        )
    if program is None:
        raise ModelRefused("the exporter made nothing")
    model: onnx.ModelProto = program.model_proto
    _drop_notes(model)
    return model


def _drop_notes(model: onnx.ModelProto) -> None:
    """Remove what differs between machines and runs."""
    del model.graph.value_info[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    model.producer_version = ""
    model.doc_string = model.graph.doc_string = ""
    values = (*model.graph.input, *model.graph.output, *model.graph.initializer)
    for item in (*model.graph.node, *values):
        del item.metadata_props[:]
        item.doc_string = ""
    for function in model.functions:
        del function.metadata_props[:]
        for node in function.node:
            del node.metadata_props[:]
