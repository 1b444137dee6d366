"""Makes a session's folder from a rig and a protocol, with all that replay needs."""

import hashlib
import importlib.metadata
from datetime import UTC, datetime
from pathlib import Path

from m2m_rt.adapters.onnx_predictor import OnnxPredictor, read_shipped_model
from m2m_rt.adapters.session_folder import SessionFolder, unused_session_path
from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.config import ProtocolConfig, RigConfig, SessionConfig, as_toml
from m2m_rt.app.model_path import model_folder
from m2m_rt.app.table_path import table_path
from m2m_rt.errors import ConfigError
from m2m_rt.model import ModelContract

SESSIONS = Path("sessions")
"""Where sessions go that are given no folder: in the working directory."""


def create_session(
    rig: RigConfig,
    protocol: ProtocolConfig,
    *,
    root: Path | None = None,
    rng_seed: int = 0,
) -> SessionFolder:
    """Check that rig, table and model fit each other, and make the folder.

    Raises
    ------
    ConfigError
        If they do not, or the folder is in use.
    ModelRefused
        If the model fails its checks.
    """
    path = table_path(rig.table)
    table = read_table(path)
    if table.coil.name != rig.stimulator.coil:
        raise ConfigError(
            "stimulator.coil",
            repr(rig.stimulator.coil),
            f"{table.coil.name!r}, the coil of the E-field table {rig.table!r}",
        )
    shipped = model_folder(rig.model)
    model = read_shipped_model(shipped)
    folder = SessionFolder(root or _unused_path(protocol.subject))
    config = SessionConfig(
        version=importlib.metadata.version("m2m_rt"),
        rig=rig,
        protocol=protocol,
        table_path=str(path.resolve()),
        table_hash=table.table_hash,
        model_hash=_hash_of(model),
        rng_seed=rng_seed,
    )
    contract = OnnxPredictor(model, expected_hash=config.model_hash).contract
    _check_fit(rig, contract, table.table_hash, shipped)
    folder = SessionFolder.create(folder.root, as_toml(config))
    folder.store_model(model)
    return folder


def _check_fit(
    rig: RigConfig, contract: ModelContract, table_hash: str, shipped: Path
) -> None:
    muscles = tuple(muscle.name for muscle in rig.emg.muscles)
    if muscles != contract.muscles:
        raise ConfigError(
            "emg.muscles",
            " ".join(muscles),
            f"{' '.join(contract.muscles)}: the muscles of {shipped}, in its order",
        )
    if contract.table_hash != table_hash:
        raise ConfigError(
            "model",
            f"{shipped}, made for table {contract.table_hash[:12]}",
            f"one for {rig.table!r}, {table_hash[:12]}",
        )


def _hash_of(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()


def _unused_path(subject: str) -> Path:
    return unused_session_path(SESSIONS, started=datetime.now(UTC), subject=subject)
