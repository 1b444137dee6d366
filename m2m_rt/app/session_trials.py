"""What a recorded session taught, learnt again from its trials as predictd did."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from m2m_rt.adapters.mcap_reader import Flaw, LogReader
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.compose import open_table, predict_settings, session_models
from m2m_rt.app.config import SessionConfig, read_session
from m2m_rt.app.stage_bars import Progress
from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import DataError, ModelRefused
from m2m_rt.learning import Belief, Change, muscle_answers
from m2m_rt.messages import (
    TOPICS,
    Array,
    Message,
    ModelPromoted,
    Prediction,
    Trial,
    decode,
    unpack_f64,
)
from m2m_rt.nodes import Answer, CandidateFields, Forecaster, answer_of, stimulus_of
from m2m_rt.ports import Predictor
from m2m_rt.units import F32, F64, Bools

_TRIAL, _PROMOTED = (
    next(topic.name for topic in TOPICS if topic.message is message)
    for message in (Trial, ModelPromoted)
)


@dataclass(frozen=True, slots=True)
class LearntTrials:
    """The trials that were learnt from, in order."""

    head_from_coil: F64
    """(n, 4, 4), as reported."""

    relative_efield: F32
    """(n, n_roi, 3): the model's input, where the coil is taken to have been."""

    log10_uv: F64
    """(n, n_muscles)"""

    valid: Bools
    """(n, n_muscles)"""


@dataclass(frozen=True, slots=True)
class LearntSession:
    """What predictd believed after a session's last trial."""

    config: SessionConfig
    lookup: EfieldLookup
    trials: LearntTrials
    forecaster: Forecaster
    last_pulse_mm: F64 | None
    """(3,): the coil's centre, head frame, at the last pulse, learnt from or not; None
    without a pulse, or where it is not known."""

    @property
    def predictor(self) -> Predictor:
        """The model in use at the end."""
        return self.forecaster.predictor

    @property
    def belief(self) -> Belief:
        """After the last trial."""
        return self.forecaster.learnt.belief

    @property
    def changes(self) -> tuple[Change, ...]:
        """Those that were found and hold."""
        return self.forecaster.learnt.changes

    @property
    def muscles(self) -> tuple[str, ...]:
        """Names, in the order of every muscle axis."""
        return tuple(muscle.name for muscle in self.config.rig.emg.muscles)

    def fields(self, head_from_coil: F64) -> CandidateFields:
        """Return the fields of reported poses (n, 4, 4)."""
        return self.forecaster.candidate_fields(head_from_coil)

    def answers(self, column: int) -> F64:
        """Return one muscle's log10 MEPs (n,) as they would be with its gain of now."""
        return muscle_answers(self.trials.log10_uv[:, column], self.changes, column)


def learn_session(folder: SessionFolder, progress: Progress) -> LearntSession:
    """Return what a recorded or running session has learnt so far.

    The trials, marks and promotions of the record go through predictd's own learner, so
    that excitability, noise and changes found are those of the session.

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
    settings = predict_settings(config)
    forecaster = Forecaster(
        lookup,
        session_models(config, folder),
        model_hash=settings.model_hash,
        rmt_pct_mso=settings.rmt_pct_mso,
        acts_on_changes=settings.acts_on_changes,
    )
    last_pulse_mm = _relive(forecaster, _events(folder, progress))
    trials = _learnt_trials(forecaster, len(lookup.table.roi.points_mm))
    return LearntSession(config, lookup, trials, forecaster, last_pulse_mm)


def _events(folder: SessionFolder, progress: Progress) -> Iterable[Message | None]:
    """Give what the belief depends on, in the order of the record.

    None stands for a trial that is damaged there.
    """
    reader = LogReader(folder.messages_path)
    for entry in reader:
        progress("learning the session again", reader.position, reader.n_bytes)
        topic = entry.topic.split("/")[0]
        if topic in (_TRIAL, _PROMOTED) and entry.flaw is not Flaw.CONTENT:
            yield decode(entry.frame)
        elif topic == _TRIAL:
            yield None


def _relive(forecaster: Forecaster, events: Iterable[Message | None]) -> F64 | None:
    """Learn, forget and switch as predictd did when it met these.

    Return where the coil was at the last pulse, as `LearntSession` has it.
    """
    answers: dict[int, Answer] = {}
    last_pulse_mm: F64 | None = None
    for event in events:
        match event:
            case Trial():  # a correction, too: it is always of the newest
                _take_trial(forecaster, answers, event)
                last_pulse_mm = _centre_mm(event)
            case ModelPromoted():
                _switch(forecaster, event.model_hash)
            case None:
                last_pulse_mm = None
    return last_pulse_mm


def _centre_mm(trial: Trial) -> F64 | None:
    """Return the coil's centre (3,) at a trial's pulse; None where it is not known."""
    match trial:
        # The second: older recordings, whose trials have no pose of their own.
        case (
            Trial(head_from_coil=Array() as pose)
            | Trial(prediction=Prediction(head_from_coil=pose))
        ):
            return unpack_f64(pose)[:3, 3]
        case _:
            return None


def _take_trial(
    forecaster: Forecaster, answers: dict[int, Answer], trial: Trial
) -> None:
    if len(trial.learnt) != forecaster.n_muscles:
        found = f"trial {trial.trial_index} has {len(trial.learnt)} muscles"
        raise DataError(f"{found}, the rig has {forecaster.n_muscles}")
    known = answers.pop(trial.trial_index, None)
    if known is not None:  # a new revision of it
        forecaster.forget(known)
    stimulus = None if trial.prediction is None else stimulus_of(trial.prediction)
    if stimulus is not None and any(trial.learnt):
        answer = answer_of(stimulus, trial.mep.mep_p2p_uv, trial.learnt)
        answers[trial.trial_index] = answer
        forecaster.learn(answer)


def _switch(forecaster: Forecaster, model_hash: str) -> None:
    try:
        forecaster.switch(model_hash)
    except ModelRefused:
        return  # as predictd, which kept the model that it had


def _learnt_trials(forecaster: Forecaster, n_roi: int) -> LearntTrials:
    learnt, n_muscles = forecaster.answers, forecaster.n_muscles
    answers = [one.answer for one in learnt]
    poses = np.array([one.stimulus.head_from_coil for one in answers])
    nothing = np.empty((0, n_roi, 3), np.float32)
    return LearntTrials(
        head_from_coil=poses.reshape(-1, 4, 4),
        relative_efield=np.concatenate([nothing, *(one.field for one in learnt)]),
        log10_uv=np.array([one.log10_uv for one in answers]).reshape(-1, n_muscles),
        valid=np.array([one.valid for one in answers], bool).reshape(-1, n_muscles),
    )
