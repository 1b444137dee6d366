"""Builds each daemon's node from what lies in the session's folder."""

from pathlib import Path

from m2m_rt.adapters.onnx_predictor import ModelFolder
from m2m_rt.adapters.rig_models import RigModels
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.config import SessionConfig, read_session
from m2m_rt.app.table_path import table_path, tables_folder
from m2m_rt.efield import EfieldLookup, EfieldTable, pose_grid
from m2m_rt.errors import ConfigError
from m2m_rt.nodes import (
    AcquireNode,
    AcquireSettings,
    PoseNode,
    PredictNode,
    PredictSettings,
    TrainNode,
    TrainSettings,
)
from m2m_rt.ports import Node
from m2m_rt.units import F64


def build_node(daemon: str, folder: SessionFolder) -> Node:
    """Return a fresh node of a deciding daemon; live and replay both call this.

    Raises
    ------
    ConfigError
        If the session's settings, table or model do not fit.
    """
    config = read_session(folder)
    match daemon:
        case "acquired":
            return AcquireNode(_acquire_settings(config))
        case "posed":
            pose = config.rig.pose
            planned = config.planned_head_from_coil
            return PoseNode(pose.limits, pose.registration, planned)
        case "predictd":
            return _predict_node(config, folder)
        case "traind":
            return TrainNode(_train_settings(config))
        case _:
            raise ConfigError("daemon", repr(daemon), "one that has a journal")


def open_table(config: SessionConfig) -> EfieldTable:
    """Return the session's E-field table, wherever it lies now.

    Raises
    ------
    ConfigError
        If it is gone, or another table has taken its place.
    """
    path = Path(config.table_path)
    table = read_table(path if path.is_file() else table_path(config.rig.table))
    if table.table_hash != config.table_hash:
        raise ConfigError(
            f"E-field table {config.rig.table} ({tables_folder()})",
            f"hash {table.table_hash[:12]}",
            f"{config.table_hash[:12]}, as when the session was made",
        )
    return table


def predict_settings(config: SessionConfig) -> PredictSettings:
    """Return what a session's predictions stand on."""
    return PredictSettings(
        model_hash=config.model_hash,
        rmt_pct_mso=config.protocol.rmt_pct_mso,
        acts_on_changes=config.protocol.learning.acts_on_changes,
    )


def session_models(config: SessionConfig, folder: SessionFolder) -> RigModels:
    """Return every model that a session may use, by hash."""
    return RigModels(
        ModelFolder(folder.models),
        table_hash=config.table_hash,
        muscles=[muscle.name for muscle in config.rig.emg.muscles],
    )


def _acquire_settings(config: SessionConfig) -> AcquireSettings:
    emg, markers = config.rig.emg, config.rig.markers
    return AcquireSettings(
        fs_hz=emg.fs_hz,
        reading=emg.reading(),
        marker_wait_ms=markers.wait_ms if markers else 0.0,
        emg_stale_ms=emg.stale_ms,
    )


def _predict_node(config: SessionConfig, folder: SessionFolder) -> PredictNode:
    lookup = EfieldLookup(open_table(config))
    lookup.warm_up()
    models = session_models(config, folder)
    poses = _map_poses(lookup)
    return PredictNode(predict_settings(config), lookup, models, map_poses=poses)


def _map_poses(lookup: EfieldLookup) -> F64:
    """Return the poses of the live response map: every 4 mm, in five directions."""
    grid = pose_grid(
        lookup.guard,
        lookup.table.region.planned_head_from_coil,
        radius_mm=16.0,
        spacing_mm=4.0,
        yaws_deg=(-45.0, -22.5, 0.0, 22.5, 45.0),
    )
    return grid.head_from_coil


def _train_settings(config: SessionConfig) -> TrainSettings:
    learning = config.protocol.learning
    return TrainSettings(
        model_hash=config.model_hash,
        rng_seed=config.rng_seed,
        first_fit_trials=learning.first_fit_trials,
        fit_every_trials=learning.fit_every_trials,
        n_held_out=learning.n_held_out,
        promotion=learning.promotion,
    )
