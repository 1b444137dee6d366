"""Small networks and last layers, quick to make."""

import functools

import numpy as np
import torch

from m2m_rt.learning import LastLayerPrior
from m2m_rt.model import MUSCLES, ModelContract
from m2m_rt.nets.onnx_file import export_onnx
from m2m_rt.nets.realtime import PopulationPrior, RealtimeNet, RealtimeSettings
from m2m_rt.units import F32

N_ROI = 30
SMALL_NET = RealtimeSettings(n_filters=5, n_hidden=8, n_features=6, n_latent=4)


def small_prior(
    *, n_features: int = 6, n_latent: int = 4, scale_dof: float = 20.0, seed: int = 0
) -> LastLayerPrior:
    """Return a prior of 15 muscles with noise near 0.25 log10."""
    rng = np.random.default_rng(seed)
    n_muscles = len(MUSCLES)
    mean = 0.3 * rng.standard_normal((n_muscles, n_features))
    log_noise = 0.05 * rng.standard_normal((n_muscles, n_features))
    mean[:, 0], log_noise[:, 0] = 1.8, np.log(0.25)
    factor = 0.3 * rng.standard_normal((n_muscles, n_features, n_latent))
    return LastLayerPrior(
        mean=mean, factor=factor, log_noise=log_noise, scale_dof=scale_dof
    )


def draw_features(rng: np.random.Generator, n_trials: int, n_features: int = 6) -> F32:
    """Return features (n_trials, n_features) whose first is 1."""
    features = rng.standard_normal((n_trials, n_features)).astype(np.float32)
    features[:, 0] = 1.0
    return features


def small_net(seed: int = 0) -> tuple[RealtimeNet, PopulationPrior]:
    """Return an untrained network and prior."""
    torch.manual_seed(seed)
    net, prior = RealtimeNet(N_ROI, SMALL_NET), PopulationPrior(SMALL_NET)
    with torch.no_grad():
        net.filters.normal_(0.0, 0.2)
        prior.log_noise[:, 1:].normal_(0.0, 0.1)
    return net, prior


def small_contract() -> ModelContract:
    """Return what the small model's file says."""
    return ModelContract(
        producer="tests",
        n_roi=N_ROI,
        n_features=SMALL_NET.n_features,
        n_latent=SMALL_NET.n_latent,
        table_hash="0" * 64,
    )


def golden_efield() -> F32:
    """Return one relative field (1, N_ROI, 3)."""
    rng = np.random.default_rng(7)
    return rng.standard_normal((1, N_ROI, 3)).astype(np.float32)


@functools.cache
def small_model() -> bytes:
    """Return a small model file; the exporter takes seconds, so it runs once."""
    net, prior = small_net()
    return export_onnx(net, prior.as_arrays(20.0), small_contract(), golden_efield())
