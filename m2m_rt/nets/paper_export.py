"""The published network as one ONNX file: fields in, amplitudes in µV out."""

import numpy as np
import onnxruntime as ort
import torch

from m2m_rt.errors import ModelRefused
from m2m_rt.model import INPUT_NAME
from m2m_rt.nets.graph import bare_graph
from m2m_rt.nets.paper import PaperNet
from m2m_rt.units import F32

OUTPUT_NAME = "amplitude_uv"

_TOLERANCE = 1e-3
"""Relative: sixteen thousand float32 sums in another order."""


def export_paper_net(net: PaperNet, example: F32) -> bytes:
    """Return the file's bytes; scalers are in it.

    Raises
    ------
    ModelRefused
        If ONNX Runtime does not give what torch gives for `example` (n, n_roi, 3).
    """
    model = bare_graph(net, example, input_name=INPUT_NAME, output_name=OUTPUT_NAME)
    model_bytes: bytes = model.SerializeToString(deterministic=True)
    session = ort.InferenceSession(model_bytes, providers=["CPUExecutionProvider"])
    (found,) = session.run([OUTPUT_NAME], {INPUT_NAME: example})
    with torch.no_grad():
        expected = net(torch.tensor(example)).numpy()
    if not np.allclose(found, expected, rtol=_TOLERANCE, atol=1e-2):
        worst = float(np.abs(found - expected).max())
        raise ModelRefused(f"exported network differs from torch by {worst:.3g} µV")
    return model_bytes
