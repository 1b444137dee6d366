"""Graphs in ONNX: the exporter's without what differs between machines and runs.

And nodes that are added by hand.
"""

import logging
import warnings
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import ArrayLike, DTypeLike
from onnx import helper, numpy_helper

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


@dataclass(slots=True)
class AddedNodes:
    """Adds nodes to a model's graph, one at a time, in their order."""

    model: onnx.ModelProto
    prefix: str
    """Of every name that is added."""

    _count: int = 0

    def constant(self, values: ArrayLike, dtype: DTypeLike = np.float32) -> str:
        """Return the name of a stored array."""
        name = self._next("constant")
        array = np.asarray(values, dtype)
        self.model.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: int) -> str:
        """Return the name of what an operator gives."""
        name = self._next(kind.lower())
        node = helper.make_node(kind, list(inputs), [name], name=name)
        for key, value in attributes.items():
            node.attribute.append(helper.make_attribute(key, value))
        self.model.graph.node.append(node)
        return name

    def columns(self, name: str, start: int, stop: int) -> str:
        """Return the name of some columns of an array."""
        start_stop_axis = np.array([[start], [stop], [1]])
        return self.op(
            "Slice", name, *(self.constant(one, np.int64) for one in start_stop_axis)
        )

    def join(self, parts: tuple[str, ...], name: str) -> None:
        """Let arrays side by side be an array of this name."""
        node = helper.make_node(
            "Concat", list(parts), [name], name=f"{self.prefix}{name}", axis=1
        )
        self.model.graph.node.append(node)

    def _next(self, what: str) -> str:
        self._count += 1
        return f"{self.prefix}{what}.{self._count}"
