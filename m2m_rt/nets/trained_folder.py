"""What training leaves in a folder, and the model made from it."""

import zipfile
import zlib
from pathlib import Path

import msgspec
import numpy as np
import torch

from m2m_rt.errors import DataError
from m2m_rt.learning import LastLayerPrior
from m2m_rt.model import ModelContract, ModelManifest
from m2m_rt.nets.bundle import Shipment, write_bundle
from m2m_rt.nets.npz import npz_bytes
from m2m_rt.nets.onnx_file import export_onnx
from m2m_rt.nets.realtime import RealtimeNet, RealtimeSettings
from m2m_rt.nets.recipe import TrainedModel
from m2m_rt.nets.sessions import HeadField
from m2m_rt.units import F32

WEIGHTS_FILE = "weights.npz"
TRAINING_FILE = "training.toml"

_MALFORMED: tuple[type[Exception], ...] = (
    *(OSError, EOFError, ValueError, KeyError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, msgspec.DecodeError),
)
"""What reading a damaged folder raises: a missing array, one of another shape, …"""

_PRIOR_FIELDS = ("mean", "factor", "log_noise")


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Beside the weights: what they are the weights of."""

    command: str
    settings: RealtimeSettings
    contract: ModelContract
    scale_dof: float


def save_trained(
    folder: Path, model: TrainedModel, head: HeadField, *, command: str
) -> None:
    """Write weights, prior and golden fields (npz, no pickle) and the record."""
    table = head.lookup.table
    n_features, n_latent = model.prior.n_features, model.prior.n_latent
    contract = ModelContract(
        producer=f"m2m_rt nets.realtime; {command}",
        n_roi=len(table.roi.points_mm),
        n_features=n_features,
        n_latent=n_latent,
        table_hash=table.table_hash,
    )
    record = TrainingRecord(
        command=command,
        settings=model.settings,
        contract=contract,
        scale_dof=model.prior.scale_dof,
    )
    arrays = {f"net.{n}": p.detach().numpy() for n, p in model.net.named_parameters()}
    arrays |= {f"prior.{name}": getattr(model.prior, name) for name in _PRIOR_FIELDS}
    arrays["golden"] = model.golden_efield
    (folder / WEIGHTS_FILE).write_bytes(npz_bytes(arrays))
    (folder / TRAINING_FILE).write_bytes(msgspec.toml.encode(record))


def export_trained(trained: Path, folder: Path) -> ModelManifest:
    """Make the shipped model's folder from a trained one.

    Raises
    ------
    DataError
        If the trained folder lacks a file or holds a malformed one.
    ModelRefused
        If ONNX Runtime does not give what torch gives.
    """
    try:
        text = (trained / TRAINING_FILE).read_bytes()
        record = msgspec.toml.decode(text, type=TrainingRecord)
        with (trained / WEIGHTS_FILE).open("rb") as file, np.load(file) as stored:
            arrays = dict(stored)
        net, prior, golden = _parts(record, arrays)
    except _MALFORMED as err:
        (first, *_) = str(err).splitlines() or [type(err).__name__]
        raise DataError(f"{trained}: not a trained network: {first}") from err
    model_bytes = export_onnx(net, prior, record.contract, golden[:1])
    shipment = Shipment(
        model_bytes=model_bytes,
        contract=record.contract,
        golden_efield=golden,
        command=record.command,
    )
    return write_bundle(folder, shipment)


def _parts(
    record: TrainingRecord, arrays: dict[str, F32]
) -> tuple[RealtimeNet, LastLayerPrior, F32]:
    """Return network, prior and golden fields (n, n_roi, 3)."""
    net = RealtimeNet(record.contract.n_roi, record.settings)
    net.load_state_dict(
        {
            name.removeprefix("net."): torch.tensor(values)
            for name, values in arrays.items()
            if name.startswith("net.")
        }
    )
    prior = LastLayerPrior(
        **{name: arrays[f"prior.{name}"].astype(np.float64) for name in _PRIOR_FIELDS},
        scale_dof=record.scale_dof,
    )
    golden = arrays["golden"]
    if golden.ndim != 3 or golden.shape[1:] != (record.contract.n_roi, 3):
        expected = f"(n, {record.contract.n_roi}, 3)"
        raise ValueError(f"golden fields of shape {golden.shape}, expected {expected}")
    return net, prior, golden
