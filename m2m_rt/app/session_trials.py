"""What a recorded session taught, learnt again from its trials."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.adapters.mcap_reader import Flaw, LogReader
from m2m_rt.adapters.onnx_predictor import ModelFolder
from m2m_rt.adapters.rig_models import RigModels
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.compose import open_table
from m2m_rt.app.config import SessionConfig, read_session
from m2m_rt.app.stage_bars import Progress
from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import DataError
from m2m_rt.learning import Posterior, first_posterior, rebuild
from m2m_rt.messages import TOPICS, Trial, decode, unpack_f64
from m2m_rt.model import FLOOR_UV
from m2m_rt.nodes import look_up
from m2m_rt.ports import Predictor
from m2m_rt.units import F32, F64, Bools

_TRIAL_TOPIC = next(topic.name for topic in TOPICS if topic.message is Trial)


@dataclass(frozen=True, slots=True)
class LearntTrials:
    """The trials that the posterior learnt from, in order."""

    head_from_coil: F64
    """(n, 4, 4)"""

    intensity_pct_rmt: F64
    """(n,)"""

    relative_efield: F32
    """(n, n_roi, 3): the model's input."""

    log10_uv: F64
    """(n, n_muscles)"""

    valid: Bools
    """(n, n_muscles)"""


@dataclass(frozen=True, slots=True)
class LearntSession:
    """A session's belief after its last trial."""

    config: SessionConfig
    lookup: EfieldLookup
    predictor: Predictor
    """The model in use at the end."""

    trials: LearntTrials
    posterior: Posterior

    @property
    def muscles(self) -> tuple[str, ...]:
        """Names, in the order of every muscle axis."""
        return tuple(muscle.name for muscle in self.config.rig.emg.muscles)


def learn_session(folder: SessionFolder, progress: Progress) -> LearntSession:
    """Return what a recorded or running session has learnt so far.

    Raises
    ------
    ConfigError
        If the folder is none of a session, or its table is gone.
    DataError
        If its record cannot be read.
    ModelRefused
        If its model fails a check.
    """
    config = read_session(folder)
    lookup = EfieldLookup(open_table(config))
    trials = _read_trials(folder, progress)
    models = RigModels(
        ModelFolder(folder.models),
        table_hash=config.table_hash,
        muscles=[muscle.name for muscle in config.rig.emg.muscles],
    )
    last = next((t.prediction for t in reversed(trials) if t.prediction), None)
    predictor = models.load(config.model_hash if last is None else last.model_hash)
    learnt = _learnt_trials(trials, lookup, config)
    return LearntSession(
        config, lookup, predictor, learnt, _posterior(predictor, learnt)
    )


def _read_trials(folder: SessionFolder, progress: Progress) -> list[Trial]:
    """Return every trial in its highest revision."""
    found: dict[int, Trial] = {}
    reader = LogReader(folder.messages_path)
    for entry in reader:
        progress("reading the session", reader.position, reader.n_bytes)
        if entry.topic.partition("/")[0] != _TRIAL_TOPIC or entry.flaw is Flaw.CONTENT:
            continue
        trial = decode(entry.frame)
        if isinstance(trial, Trial):
            found[trial.trial_index] = trial
    return [found[index] for index in sorted(found)]


def _learnt_trials(
    trials: list[Trial], lookup: EfieldLookup, config: SessionConfig
) -> LearntTrials:
    n_muscles = len(config.rig.emg.muscles)
    known = [
        (trial, trial.prediction, trial.prediction.intensity_pct_mso)
        for trial in trials
        if any(trial.learnt)
        and trial.prediction is not None
        and trial.prediction.intensity_pct_mso is not None
    ]
    poses = np.array([unpack_f64(p.head_from_coil) for _, p, _ in known])
    poses = poses.reshape(-1, 4, 4)
    intensity = np.array([pct for _, _, pct in known]) / config.protocol.rmt_pct_mso
    fields = look_up(lookup, poses)
    rows = [
        fields.relative(slice(row, row + 1), 100.0 * level)
        for row, level in enumerate(intensity.tolist())
    ]
    n_roi = len(lookup.table.roi.points_mm)
    sizes_uv = [[size or 0.0 for size in trial.mep.mep_p2p_uv] for trial, _, _ in known]
    if any(len(row) != n_muscles for row in sizes_uv):
        raise DataError(f"a trial has not {n_muscles} muscles, as the rig says")
    log10_uv = np.log10(np.maximum(np.array(sizes_uv), FLOOR_UV))
    return LearntTrials(
        head_from_coil=poses,
        intensity_pct_rmt=100.0 * intensity,
        relative_efield=np.concatenate([np.empty((0, n_roi, 3), np.float32), *rows]),
        log10_uv=log10_uv.reshape(-1, n_muscles),
        valid=np.array([t.learnt for t, _, _ in known], bool).reshape(-1, n_muscles),
    )


def _posterior(predictor: Predictor, trials: LearntTrials) -> Posterior:
    if not len(trials.relative_efield):
        return first_posterior(predictor.prior)
    return rebuild(
        predictor.prior,
        predictor.features(trials.relative_efield),
        log10_uv=trials.log10_uv,
        valid=trials.valid,
    )
