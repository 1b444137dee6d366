"""A session's refits, one request at a time: what the process that fits is there for.

The table is read, and every step of a fit taken once, before the first request comes:
what is slow the first time is slow before the session's pulses.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from m2m_rt.adapters.clock import LslClock
from m2m_rt.adapters.host import lowest_priority
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.compose import open_table
from m2m_rt.app.config import SessionConfig, read_session
from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import DataError
from m2m_rt.learning import Change, ChangeKind, answers_without_gains, shift_at
from m2m_rt.messages import FitFinished, FitRequest, KnownChange, Trial, decode
from m2m_rt.model import FLOOR_UV, MUSCLES
from m2m_rt.nets.refit import RefitSettings, Trials, refit, rehearse
from m2m_rt.nodes import FieldSource, Shift, stimulus_of
from m2m_rt.units import F32


def prepare_refits(session: Path) -> Callable[[FitRequest], FitFinished]:
    """Return what carries out the refits of a session; models are stored in it."""
    folder = SessionFolder.open(session)
    config = read_session(folder)
    lookup = EfieldLookup(open_table(config))
    lookup.warm_up()
    source = FieldSource(lookup, rmt_pct_mso=config.protocol.rmt_pct_mso)
    how = RefitSettings(committee=config.protocol.learning.committee)
    rehearse(folder.model_bytes(config.model_hash))
    lowest_priority()  # from here on pulses are given; until here the session waits

    def carry_out(request: FitRequest) -> FitFinished:
        fitted = refit(
            folder.model_bytes(request.parent_hash),
            training_trials(request, config, source),
            n_held_out=request.n_held_out,
            seed=request.rng_seed,
            settings=how,
        )
        return FitFinished(
            t_ns=LslClock().now_ns(),
            fit_id=request.fit_id,
            model_hash=folder.store_model(fitted.model_bytes),
            candidate_score=fitted.candidate_score,
            incumbent_score=fitted.incumbent_score,
            n_scored=fitted.n_scored,
        )

    return carry_out


def training_trials(
    request: FitRequest, config: SessionConfig, source: FieldSource
) -> Trials:
    """Return a request's trials as the network takes them, all muscles in its order.

    Coils are where they are now taken to have been, and gains as they were at first:
    predictions take changes into account beside the network, which must not learn them.
    """
    said = map(decode, request.trials)
    trials = [one for one in said if isinstance(one, Trial)]
    changes = tuple(map(_change, request.changes))
    muscles = config.rig.emg.muscles
    columns = [MUSCLES.index(muscle.name) for muscle in muscles]
    shape = (len(trials), len(MUSCLES))
    sizes_uv, valid = np.full(shape, FLOOR_UV), np.zeros(shape, bool)
    for row, trial in enumerate(trials):
        sizes_uv[row, columns] = [size or 0.0 for size in trial.mep.mep_p2p_uv]
        valid[row, columns] = trial.learnt
    log10_uv = np.log10(np.maximum(sizes_uv, FLOOR_UV))
    for muscle, column in enumerate(columns):
        answers = answers_without_gains(log10_uv[:, column], changes, muscle)
        log10_uv[:, column] = answers
    fields = [
        _field(trial, source, shift_at(changes, number))
        for number, trial in enumerate(trials)
    ]
    return Trials(
        relative_efield=np.concatenate(fields), log10_uv=log10_uv, valid=valid
    )


def _field(trial: Trial, source: FieldSource, shift_mm: Shift) -> F32:
    """Return the model's input, looked up again from pose and intensity."""
    prediction = trial.prediction
    stimulus = None if prediction is None else stimulus_of(prediction)
    if stimulus is None:
        raise DataError(f"trial {trial.trial_index} was learnt but not predicted")
    field = source.at(stimulus, shift_mm)
    if isinstance(field, str):
        raise DataError(f"trial {trial.trial_index}: {field}")
    return field


def _change(known: KnownChange) -> Change:
    kind = ChangeKind.SHIFT if known.muscle is None else ChangeKind.GAIN
    return Change(
        kind=kind,
        muscle=known.muscle,
        log10_gain=known.log10_gain,
        shift_mm=(known.shift_x_mm, known.shift_y_mm),
        since_trial=known.since_trial,
        found_trial=known.since_trial,
        log_ratio=0.0,
    )
