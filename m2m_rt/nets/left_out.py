"""What a recruitment model would have said of each training row without that row."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from m2m_rt.nets.recruitment import Curves, Recruited, prior_spreads
from m2m_rt.units import F64

_MOVE_THE_MEAN = ("log_steepness", "foot_logit", "log_before", "top", "floor")
"""What the expected MEP depends on beside drive and offset."""

_MOST_LEVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class _Slopes:
    """How a muscle's expected log10 MEPs move, in prior spreads of its parameters."""

    mean: F64
    """(n, n_muscles), log10 µV."""

    variance: F64
    """(n, n_muscles): of one trial."""

    by_parameter: F64
    """(n_muscles, n, n_parameters)"""


def left_out_log10_uv(model: Recruited, rows: F64, log10_uv: F64) -> F64:
    """Return (n, n_muscles): each training row predicted from all the others.

    To first order: a row's own pull on the fit is its leverage in the linearised
    model under the parameters' prior, each muscle apart.

    Parameters
    ----------
    model
        Fitted to just these rows.
    rows
        (n, n_inputs)
    log10_uv
        (n, n_muscles)
    """
    slopes = _slopes(model, rows)
    scaled = slopes.by_parameter / np.sqrt(slopes.variance.T)[:, :, np.newaxis]
    precision = np.eye(scaled.shape[2]) + np.swapaxes(scaled, 1, 2) @ scaled
    pulled = np.linalg.solve(precision, np.swapaxes(scaled, 1, 2))
    leverage = np.einsum("mip,mpi->im", scaled, pulled)  # (n, n_muscles)
    error = log10_uv - slopes.mean
    left_out: F64 = log10_uv - error / (1.0 - np.minimum(leverage, _MOST_LEVERAGE))
    return left_out


def _slopes(model: Recruited, rows: F64) -> _Slopes:
    curves, n = model.curves, len(rows)
    features, log_size = (_tensor(part) for part in model.features.of(rows))
    # A copy of each parameter for every row: one backward pass gives all slopes.
    copies = {
        name: curves.get_parameter(name).detach().expand(n, -1).clone().requires_grad_()
        for name in _MOVE_THE_MEAN
    }
    drive = curves.offset + features @ curves.weights_of_drive
    log_drive = (log_size + drive).detach().requires_grad_()
    by_name = {f"curves.{name}": values for name, values in copies.items()}
    mean, variance = torch.func.functional_call(_Moments(curves), by_name, (log_drive,))
    by_drive, *others = torch.autograd.grad(mean.sum(), [log_drive, *copies.values()])
    spreads = prior_spreads()
    along = features * curves.spread  # (n, n_features)
    parts = [by_drive.T[:, :, None] * along, by_drive.T[:, :, None] * spreads["offset"]]
    parts += [
        slope.T[:, :, None] * spreads[name]
        for name, slope in zip(copies, others, strict=True)
    ]
    return _Slopes(
        mean=_array(mean),
        variance=_array(variance),
        by_parameter=_array(torch.cat(parts, dim=2)),
    )


class _Moments(nn.Module):
    """Mean and variance of log10 MEPs at drives (n, n_muscles)."""

    def __init__(self, curves: Curves) -> None:
        super().__init__()
        self.curves = curves

    def forward(self, log_drive: Tensor) -> tuple[Tensor, Tensor]:
        spots = self.curves.profile(log_drive)
        return spots.mean(), self.curves.variance(spots)


def _tensor(values: F64) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def _array(values: Tensor) -> F64:
    return values.detach().numpy().astype(np.float64)
