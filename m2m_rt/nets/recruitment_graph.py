"""A fitted recruitment model as one ONNX graph: fields in, log10 MEPs out."""

import numpy as np
import torch
from torch import Tensor, nn

from m2m_rt.model import INPUT_NAME
from m2m_rt.nets.graph import bare_graph
from m2m_rt.nets.recruitment import Curves, Recruited, Spots
from m2m_rt.units import F32, F64

EXPECTED_NAME = "expected_log10_uv"


class RecruitmentGraph(nn.Module):
    """Relative fields (n, n_roi, 3) → mean and sd of log10 MEPs, (n, 2, n_muscles)."""

    axes: Tensor
    shift: Tensor
    known: Tensor
    weights: Tensor

    def __init__(self, model: Recruited, basis: F32) -> None:
        """Fold a model of coefficients of a basis (3 · n_roi, rank) into one of fields.

        The features' mixture and the drive's weights become one matrix.
        """
        super().__init__()
        shape = model.features
        self.typical_size = shape.typical_size
        self.curves: Curves = model.curves
        axes = shape.axes / shape.length
        self.register_buffer("axes", _tensor(basis.astype(np.float64) @ axes))
        self.register_buffer("shift", _tensor(shape.centre @ axes))
        self.register_buffer("known", _tensor((shape.known / shape.length).T))
        drive = model.curves.weights_of_drive.detach().numpy().astype(np.float64)
        self.register_buffer("weights", _tensor(shape.mix @ drive))

    def forward(self, relative_efield: Tensor) -> Tensor:
        """Return what is expected."""
        spots = self._spots(relative_efield)
        sd = torch.sqrt(self.curves.variance(spots))
        return torch.stack((spots.mean(), sd), dim=1)

    def mean(self, relative_efield: Tensor) -> Tensor:
        """Return the means alone, (n, n_muscles)."""
        return self._spots(relative_efield).mean()

    def _spots(self, relative_efield: Tensor) -> Spots:
        flat = relative_efield.flatten(1)
        size = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        places = flat @ self.axes / size - self.shift
        apart = (places**2).sum(1, keepdim=True) + (self.known**2).sum(0)
        apart = apart - 2.0 * places @ self.known
        drive = torch.exp(-0.5 * apart.clamp(min=0.0)) @ self.weights
        log_size = torch.log(size / self.typical_size)
        return self.curves.profile(log_size + self.curves.offset + drive)


def export_recruitment(model: Recruited, basis: F32, example: F32) -> bytes:
    """Return the ONNX file's bytes; `example` (n, n_roi, 3) is any field."""
    graph = bare_graph(
        RecruitmentGraph(model, basis),
        example,
        input_name=INPUT_NAME,
        output_name=EXPECTED_NAME,
    )
    model_bytes: bytes = graph.SerializeToString(deterministic=True)
    return model_bytes


def _tensor(values: F64) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)
