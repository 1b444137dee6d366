"""The six reference systems on one fold of one recording."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from m2m_rt.nets.paper import (
    Autoencoder,
    DirectNet,
    PaperHead,
    PaperInput,
    ResidualNet,
    SynergyNet,
    n_parameters,
)
from m2m_rt.nets.paper_data import PaperData, PaperPulses
from m2m_rt.nets.paper_encoder import EncoderTask, encode, rebuild, train_encoder
from m2m_rt.nets.paper_training import (
    PaperRun,
    PaperSettings,
    fit_heads,
    voxel_values,
)
from m2m_rt.nets.sessions import HeadField, Progress
from m2m_rt.studies.paper_scores import floored_log10
from m2m_rt.studies.systems import Predicted
from m2m_rt.units import F32, F64, I64

_SMALL_WEIGHT = 1e-3
"""What L1 has pushed below this counts as gone."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A trained autoencoder and all pulses' codes."""

    autoencoder: Autoencoder
    codes: Tensor
    """(n, 1, side, side, side), unscaled."""

    explained: float
    """Part of the test pulses' voxel variance that the reconstruction explains."""


@dataclass(slots=True)
class EncoderBank:
    """Autoencoders of one recording's pulses, trained when they are first asked for."""

    head: HeadField
    pulses: PaperPulses
    settings: PaperSettings
    seed: int
    cache: Path | None
    _coded: dict[tuple[PaperInput, bytes], Coded] = field(default_factory=dict)

    def coded(self, kind: PaperInput, seen_fields: I64, progress: Progress) -> Coded:
        """Return all pulses' codes, the autoencoder trained on the fields of a few."""
        key = (kind, seen_fields.tobytes())
        if key not in self._coded:
            self._coded[key] = self._train(kind, seen_fields, progress)
        return self._coded[key]

    def _train(self, kind: PaperInput, seen_fields: I64, progress: Progress) -> Coded:
        settings = msgspec.structs.replace(self.settings, input=kind)
        relative = torch.tensor(self.pulses.relative_efield)
        volume, values = voxel_values(self.head, relative, settings, seen_fields)
        task = EncoderTask(
            values[seen_fields], volume.mask, settings.encoder, self.seed
        )

        def named(_stage: str, done: int, total: int) -> None:
            progress(f"autoencoder ({kind.value}, {task.key[:6]})", done, total)

        autoencoder = train_encoder(task, self.cache, named)
        unseen = np.setdiff1d(np.arange(len(values)), seen_fields)
        return Coded(
            autoencoder,
            encode(autoencoder, values),
            _explained(autoencoder, values[unseen], values[seen_fields].mean(axis=0)),
        )


@dataclass(frozen=True, slots=True)
class FittedNetworks:
    """One head's trained networks, and how to decode them."""

    autoencoder: Autoencoder
    nets: tuple[nn.Module, ...]
    codes: Tensor
    """Of all pulses, scaled by training's range."""

    largest_uv: F32
    """(n_muscles,): training maximum."""

    log10_line: F64
    """(2, n_muscles): intercept and slope from log10 of the predicted amplitude to the
    mean log10, fitted on training pulses. The networks give amplitudes alone, and the
    log of a mean is not the mean of the log."""

    k_readout: float

    @property
    def n_parameters(self) -> int:
        """All trained numbers, the autoencoder's included."""
        return sum(n_parameters(net) for net in (self.autoencoder, *self.nets))

    @property
    def n_effective(self) -> int:
        """Those larger than 1e-3."""
        return n_effective((self.autoencoder, *self.nets))

    @property
    def hat_trace(self) -> float:
        """Rank of the last linear layer's inputs times its outputs, of all nets.

        What that layer alone could fit by least squares on the features under it.
        """
        return self.k_readout

    def predict(self, data: PaperData, rows: I64) -> Predicted:  # noqa: ARG002 - coded
        """Return what is expected of these rows."""
        amplitude_uv = _amplitude_uv(self.nets, self.codes[rows], self.largest_uv)
        intercept, slope = self.log10_line
        return Predicted(
            amplitude_uv=amplitude_uv,
            log10_uv=intercept + slope * floored_log10(amplitude_uv),
        )


def n_effective(parts: tuple[nn.Module, ...]) -> int:
    """Return how many trained numbers L1 has left larger than 1e-3."""
    large = [(p.abs() > _SMALL_WEIGHT).sum() for n in parts for p in n.parameters()]
    return int(torch.stack(large).sum())


def fit_networks(
    coded: Coded, data: PaperData, training: I64, run: PaperRun
) -> dict[PaperHead, FittedNetworks]:
    """Train the mappers of one input; `both` gives `synergy` on the way."""
    of_training = coded.codes[training]
    low, high = of_training.min(), of_training.max()
    codes = (coded.codes - low) / (high - low + 1e-12)
    amplitude_uv = data.amplitude_uv[training]
    largest_uv = amplitude_uv.max(axis=0)
    fitted = {}
    for kind, nets in fit_heads(
        run, codes[training], amplitude_uv / largest_uv
    ).items():
        said_uv = _amplitude_uv(nets, codes[training], largest_uv)
        fitted[kind] = FittedNetworks(
            autoencoder=coded.autoencoder,
            nets=nets,
            codes=codes,
            largest_uv=largest_uv,
            log10_line=_log10_line(said_uv, amplitude_uv.astype(np.float64)),
            k_readout=sum(_readout_size(net, codes[training]) for net in nets),
        )
    return fitted


def _amplitude_uv(nets: tuple[nn.Module, ...], codes: Tensor, largest_uv: F32) -> F64:
    with torch.no_grad():
        scaled = torch.stack([net(codes) for net in nets]).sum(0).clamp(min=0.0)
    return (scaled.numpy() * largest_uv).astype(np.float64)


def _log10_line(said_uv: F64, measured_uv: F64) -> F64:
    """Return each muscle's least-squares line; flat where nothing varies."""
    x, y = floored_log10(said_uv), floored_log10(measured_uv)
    x_off, y_off = x - x.mean(axis=0), y - y.mean(axis=0)
    slope = np.sum(x_off * y_off, axis=0) / np.maximum(np.sum(x_off**2, axis=0), 1e-9)
    slope = np.where(x.std(axis=0) > 1e-4, slope, 0.0)
    return np.stack((y.mean(axis=0) - slope * x.mean(axis=0), slope))


def _readout_size(net: nn.Module, codes: Tensor) -> int:
    if not isinstance(net, DirectNet | SynergyNet | ResidualNet):
        raise TypeError(f"{type(net).__name__} has no mapper")
    body = net.mapper.body
    with torch.no_grad():
        features = body[:-1](codes)
    with_one = torch.cat((features, torch.ones(len(features), 1)), dim=1)
    rank = int(torch.linalg.matrix_rank(with_one))
    n_outputs: int = net.mapper(codes[:2]).shape[1]
    return rank * n_outputs


def _explained(autoencoder: Autoencoder, values: F32, mean: F32) -> float:
    left = np.sum((rebuild(autoencoder, values) - values) ** 2)
    return float(1.0 - left / np.sum((values - mean) ** 2))
