"""Makes a session's folder from a rig and a protocol, with all that replay needs."""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from m2m_rt.adapters.onnx_predictor import OnnxPredictor, read_shipped_model
from m2m_rt.adapters.session_folder import SessionFolder, unused_session_path
from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.config import RigConfig, SessionConfig, as_toml
from m2m_rt.app.model_path import model_folder
from m2m_rt.app.protocol_config import ProtocolConfig
from m2m_rt.app.table_path import table_path
from m2m_rt.app.versions import code_hash, versions
from m2m_rt.errors import ConfigError
from m2m_rt.geometry import matrix_rows
from m2m_rt.model import ModelContract

SESSIONS = Path("sessions")
"""Where sessions go that are given no folder: in the working directory."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that could begin: all parts fit, nothing is written yet."""

    config: SessionConfig
    model: bytes


def check_rig(
    rig: RigConfig, protocol: ProtocolConfig, *, rng_seed: int = 0
) -> NewSession:
    """Check that rig, table and model fit each other.

    Raises
    ------
    ConfigError
        If they do not.
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
    model_hash = _hash_of(model)
    contract = OnnxPredictor(model, expected_hash=model_hash).contract
    _check_fit(rig, contract, table.table_hash, shipped)
    config = SessionConfig(
        version=importlib.metadata.version("m2m_rt"),
        code_hash=code_hash(),
        versions=versions(),
        rig=rig,
        protocol=protocol,
        protocol_hash=_hash_of(msgspec.json.encode(protocol)),
        table_path=str(path.resolve()),
        table_hash=table.table_hash,
        planned_head_from_coil=matrix_rows(table.region.planned_head_from_coil),
        model_hash=model_hash,
        rng_seed=rng_seed,
    )
    return NewSession(config, model)


def create_session(new: NewSession, root: Path | None = None) -> SessionFolder:
    """Make a session's folder: by default one of its own in `sessions`.

    Raises
    ------
    ConfigError
        If the folder is in use, or the subject is no pseudonym.
    """
    path = root or _unused_path(new.config.protocol.subject)
    folder = SessionFolder.create(path, as_toml(new.config))
    folder.store_model(new.model)
    return folder


def _check_fit(
    rig: RigConfig, contract: ModelContract, table_hash: str, shipped: Path
) -> None:
    muscles = [muscle.name for muscle in rig.emg.muscles]
    unknown = [name for name in muscles if name not in contract.muscles]
    twice = sorted({name for name in muscles if muscles.count(name) > 1})
    if unknown or twice or not muscles:
        raise ConfigError(
            "emg.muscles",
            " ".join(unknown or twice) or "none",
            f"each once, some of {' '.join(contract.muscles)}: what {shipped} knows",
        )
    if contract.table_hash != table_hash:
        raise ConfigError(
            "model",
            f"{shipped}, made for table {contract.table_hash[:12]}",
            f"one for {rig.table!r}, {table_hash[:12]}",
        )


def _hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _unused_path(subject: str) -> Path:
    return unused_session_path(SESSIONS, started=datetime.now(UTC), subject=subject)
