"""A fitted committee as one ONNX graph: fields in, expected log10 MEPs out."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from m2m_rt.learning import Posterior
from m2m_rt.model import INPUT_NAME
from m2m_rt.nets.field_process import Components, FieldProcess
from m2m_rt.nets.graph import bare_graph
from m2m_rt.nets.realtime import RealtimeNet
from m2m_rt.nets.recruitment_graph import EXPECTED_NAME, RecruitmentGraph
from m2m_rt.studies.committee import STUDY_WEIGHTS
from m2m_rt.units import F32, F64


class ProcessGraph(nn.Module):
    """Relative fields (n, n_roi, 3) → expected log10 MEPs (n, n_muscles)."""

    axes: Tensor
    shift: Tensor
    known: Tensor
    pull: Tensor
    mean: Tensor

    def __init__(self, parts: Components, process: FieldProcess, basis: F32) -> None:
        """Fold basis, components and lengths into one matrix."""
        super().__init__()
        lengths = process.settings.lengths
        axes = parts.axes / lengths
        self.register_buffer("axes", _tensor(basis.astype(np.float64) @ axes))
        self.register_buffer("shift", _tensor(parts.centre @ axes))
        self.register_buffer("known", _tensor((process.known / lengths).T))
        self.register_buffer("pull", _tensor(process.pull))
        self.register_buffer("mean", _tensor(process.mean))

    def forward(self, relative_efield: Tensor) -> Tensor:
        """Return what is expected."""
        places = relative_efield.flatten(1) @ self.axes - self.shift
        apart = (places**2).sum(1, keepdim=True) + (self.known**2).sum(0)
        apart = apart - 2.0 * places @ self.known
        near = torch.exp(-0.5 * apart.clamp(min=0.0))
        expected: Tensor = self.mean + near @ self.pull
        return expected


class PopulationGraph(nn.Module):
    """The shipped network under what a last layer has learnt of a subject."""

    weights: Tensor

    def __init__(self, net: RealtimeNet, posterior: Posterior) -> None:
        """Fold prior and posterior mean into one matrix."""
        super().__init__()
        self.net = net
        moved = posterior.prior.factor @ posterior.latent_mean[:, :, np.newaxis]
        weights = posterior.prior.mean + moved[:, :, 0]  # (n_muscles, n_features)
        self.register_buffer("weights", _tensor(weights.T))

    def forward(self, relative_efield: Tensor) -> Tensor:
        """Return expected log10 MEPs (n, n_muscles)."""
        expected: Tensor = self.net(relative_efield) @ self.weights
        return expected


class CommitteeGraph(nn.Module):
    """Members averaged: each gives expected log10 MEPs."""

    def __init__(
        self, members: Sequence[nn.Module], weights: Sequence[float] = STUDY_WEIGHTS
    ) -> None:
        """Join them with the committee's weights."""
        super().__init__()
        self.members = nn.ModuleList(members)
        self.shares = [weight / sum(weights) for weight in weights]

    def forward(self, relative_efield: Tensor) -> Tensor:
        """Return expected log10 MEPs (n, n_muscles)."""
        parts = []
        for share, member in zip(self.shares, self.members, strict=True):
            means = member.mean if isinstance(member, RecruitmentGraph) else member
            parts.append(share * means(relative_efield))
        expected: Tensor = torch.stack(parts).sum(0)
        return expected


def export_committee(graph: CommitteeGraph, example: F32) -> bytes:
    """Return the ONNX file's bytes; `example` (n, n_roi, 3) is any field."""
    model = bare_graph(graph, example, input_name=INPUT_NAME, output_name=EXPECTED_NAME)
    model_bytes: bytes = model.SerializeToString(deterministic=True)
    return model_bytes


def _tensor(values: F64) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)
