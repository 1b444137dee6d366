"""Training and scores of the published M2M-Net, with the paper's settings."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from m2m_rt.learning import r2_log10
from m2m_rt.model import FLOOR_UV
from m2m_rt.nets.paper import (
    N_SYNERGIES,
    DirectNet,
    FieldVolume,
    PaperHead,
    PaperInput,
    PaperNet,
    ResidualNet,
    SynergyNet,
    n_parameters,
)
from m2m_rt.nets.paper_box import box_grid
from m2m_rt.nets.paper_data import PaperData, PaperDesign, draw_paper_data
from m2m_rt.nets.paper_encoder import EncoderTask, batches, encode, train_encoder
from m2m_rt.nets.paper_export import export_paper_net
from m2m_rt.nets.paper_settings import EncoderSettings, MapperSettings
from m2m_rt.nets.sessions import HeadField, Progress
from m2m_rt.units import F32, F64, I64

PAPER_HEADS = {head.value: head for head in PaperHead}


class PaperSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """The paper's training; its box was 64³ of 1 mm, ours is the table's."""

    input: PaperInput = PaperInput.NRP
    side: int = 32
    """Voxels along the box: the table's own, or twice as many."""

    encoder: EncoderSettings = EncoderSettings()
    mapper: MapperSettings = MapperSettings()
    design: PaperDesign = PaperDesign()


SMALL_PAPER = PaperSettings(
    encoder=EncoderSettings(epochs=1, batch=8),
    mapper=MapperSettings(epochs=4),
    design=PaperDesign(n_pulses=(20, 10, 10, 10)),
)
"""A try of about a minute, not a model."""


@dataclass(frozen=True, slots=True)
class PaperRun:
    """One training of the published network."""

    kind: PaperHead
    settings: PaperSettings
    seed: int
    progress: Progress


def train_paper_net(head: HeadField, run: PaperRun, folder: Path) -> dict[str, object]:
    """Train, score on the test pulses, and write the network as `paper-KIND.onnx`."""
    data = draw_paper_data(head, run.settings.design, seed=run.seed)
    net = fit_paper_net(head, data, run)
    with torch.no_grad():
        predicted = _in_batches(net, torch.tensor(data.relative_efield))
    model_bytes = export_paper_net(net, data.relative_efield[:2])
    (folder / f"paper-{run.kind.value}.onnx").write_bytes(model_bytes)
    return {
        "net": f"paper-{run.kind.value}",
        "input": run.settings.input.value,
        "test_pulses": len(data.test),
        "parameters": n_parameters(net),
        "scores": paper_scores(predicted.numpy(), data, n_parameters(net)),
        "mean_scores": paper_scores(_training_mean(data), data, 0),
    }


def fit_paper_net(head: HeadField, data: PaperData, run: PaperRun) -> PaperNet:
    """Train autoencoder, then mapper, then for `both` the residual's mapper."""
    settings, training = run.settings, data.training
    relative = torch.tensor(data.relative_efield)
    volume, values = voxel_values(head, relative, settings, training)
    values = values[training]
    task = EncoderTask(values, volume.mask, settings.encoder, run.seed)
    autoencoder = train_encoder(task, None, run.progress)
    autoencoder.scale_code_by(encode(autoencoder, values))
    codes = autoencoder.scaled(encode(autoencoder, values))
    amplitude_uv = data.amplitude_uv[training]
    largest_uv = amplitude_uv.max(axis=0)
    nets = fit_heads(run, codes, amplitude_uv / largest_uv)[run.kind]
    return PaperNet(volume, autoencoder, nets, largest_uv).eval()


def voxel_values(
    head: HeadField, relative_efield: Tensor, settings: PaperSettings, training: I64
) -> tuple[FieldVolume, F32]:
    """Return the input volume, its scale from training rows, and all rows' values.

    The values (n, n_voxels) are those of the mask's voxels.
    """
    grid = box_grid(head.lookup.table.roi, settings.side)
    volume = FieldVolume(grid, settings.input)
    unscaled = _in_batches(volume.values, relative_efield)
    volume.scale_by(unscaled[training])
    values: F32 = (unscaled / volume.largest).numpy()
    return volume, values


def paper_scores(predicted_uv: F32, data: PaperData, k: int) -> dict[str, float]:
    """Return the paper's scores of test pulses on amplitudes scaled to training's.

    AIC = n ln(RSS/n) + 2k and BIC = n ln(RSS/n) + k ln n with n = pulses × muscles and
    k all trained numbers.
    """
    largest_uv = data.amplitude_uv[data.training].max(axis=0)
    measured = (data.amplitude_uv[data.test] / largest_uv).astype(np.float64)
    predicted = (predicted_uv[data.test] / largest_uv).astype(np.float64)
    rss, n = float(np.sum((predicted - measured) ** 2)), measured.size
    norms = np.linalg.norm(predicted, axis=1) * np.linalg.norm(measured, axis=1)
    products = np.sum(predicted * measured, axis=1)
    return {
        "mse": rss / n,
        "nrmse": math.sqrt(rss / float(np.sum(measured**2))),
        "cosine": float(np.mean(products / np.maximum(norms, 1e-12))),
        "aic": n * math.log(rss / n) + 2 * k,
        "bic": n * math.log(rss / n) + k * math.log(n),
        "r2_log10": _r2(predicted_uv[data.test], data.amplitude_uv[data.test]),
    }


def synergies_of(scaled: F32, *, seed: int = 0) -> F32:
    """Return non-negative synergies (9, n_muscles) of training MEPs (n, n_muscles)."""
    from sklearn.decomposition import NMF  # seconds to load; a refit needs none of it

    model = NMF(
        n_components=min(N_SYNERGIES, *scaled.shape),
        init="nndsvda",
        max_iter=2000,
        tol=1e-3,
        random_state=seed,
    )
    model.fit(scaled.astype(np.float64))
    synergies: F32 = model.components_.astype(np.float32)
    return synergies


def fit_heads(
    run: PaperRun, codes: Tensor, scaled: F32
) -> dict[PaperHead, tuple[nn.Module, ...]]:
    """Return, of each head that `run.kind` takes, networks that add up to scaled MEPs.

    `both` begins with the synergy net, so that its training gives that one too.
    """
    side, targets = codes.shape[-1], torch.tensor(scaled)
    torch.manual_seed(run.seed)
    if run.kind is PaperHead.DIRECT:
        direct = DirectNet(side, targets.shape[1])
        _fit_mapper(direct, codes, targets, run)
        return {PaperHead.DIRECT: (direct,)}
    synergy = SynergyNet(side, synergies_of(scaled))
    _fit_mapper(synergy, codes, targets, run)
    fitted: dict[PaperHead, tuple[nn.Module, ...]] = {PaperHead.SYNERGY: (synergy,)}
    if run.kind is PaperHead.BOTH:
        with torch.no_grad():
            left_over = targets - _in_batches(synergy.eval(), codes)
        residual = ResidualNet(side, targets.shape[1])
        _fit_mapper(residual, codes, left_over, run)
        fitted[PaperHead.BOTH] = (synergy, residual)
    return fitted


def _fit_mapper(
    net: DirectNet | SynergyNet | ResidualNet,
    codes: Tensor,
    targets: Tensor,
    run: PaperRun,
) -> None:
    settings = run.settings.mapper
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(
        optimizer, settings.rate_step_epochs, settings.rate_step
    )
    draws = torch.Generator()
    draws.manual_seed(run.seed)
    net.train()
    for epoch in range(settings.epochs):
        for rows in batches(len(codes), settings.batch, draws):
            error = nn.functional.mse_loss(net(codes[rows]), targets[rows])
            _step(optimizer, error + settings.penalty * net.mapper.penalty())
        schedule.step()
        run.progress(f"mapper ({type(net).__name__})", epoch + 1, settings.epochs)
    net.eval()


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation
    optimizer.step()


def _in_batches(
    net: Callable[[Tensor], Tensor], rows: Tensor, size: int = 32
) -> Tensor:
    return torch.cat([net(part) for part in torch.split(rows, size)])


def _training_mean(data: PaperData) -> F32:
    mean = data.amplitude_uv[data.training].mean(axis=0)
    return np.broadcast_to(mean, data.amplitude_uv.shape)


def _r2(predicted_uv: F32, measured_uv: F32) -> float:
    predicted: F64 = np.log10(np.maximum(predicted_uv, FLOOR_UV)).astype(np.float64)
    measured: F64 = np.log10(np.maximum(measured_uv, FLOOR_UV)).astype(np.float64)
    valid = np.ones(measured.shape, np.bool_)
    return r2_log10(predicted, measured=measured, valid=valid)
