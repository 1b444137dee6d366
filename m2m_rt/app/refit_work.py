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
from m2m_rt.messages import FitFinished, FitRequest, Trial, decode, unpack_f64
from m2m_rt.model import FLOOR_UV, MUSCLES, relative_efield
from m2m_rt.nets.refit import RefitSettings, Trials, refit, rehearse
from m2m_rt.units import F32


def prepare_refits(session: Path) -> Callable[[FitRequest], FitFinished]:
    """Return what carries out the refits of a session; models are stored in it."""
    folder = SessionFolder.open(session)
    config = read_session(folder)
    lookup = EfieldLookup(open_table(config))
    lookup.warm_up()
    how = RefitSettings(committee=config.protocol.learning.committee)
    rehearse(folder.model_bytes(config.model_hash))
    lowest_priority()  # from here on pulses are given; until here the session waits

    def carry_out(request: FitRequest) -> FitFinished:
        trials = list(map(decode, request.trials))
        learnt = [trial for trial in trials if isinstance(trial, Trial)]
        fitted = refit(
            folder.model_bytes(request.parent_hash),
            _training_trials(learnt, config, lookup),
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


def _training_trials(
    trials: list[Trial], config: SessionConfig, lookup: EfieldLookup
) -> Trials:
    """Return the trials as the network takes them, all its muscles in its order."""
    columns = [MUSCLES.index(muscle.name) for muscle in config.rig.emg.muscles]
    shape = (len(trials), len(MUSCLES))
    sizes_uv, valid = np.full(shape, FLOOR_UV), np.zeros(shape, bool)
    for row, trial in enumerate(trials):
        sizes_uv[row, columns] = [size or 0.0 for size in trial.mep.mep_p2p_uv]
        valid[row, columns] = trial.learnt
    return Trials(
        relative_efield=_fields(trials, config, lookup),
        log10_uv=np.log10(np.maximum(sizes_uv, FLOOR_UV)),
        valid=valid,
    )


def _fields(trials: list[Trial], config: SessionConfig, lookup: EfieldLookup) -> F32:
    """Return the model's inputs, looked up again from pose and intensity."""
    rows = []
    for trial in trials:
        prediction = trial.prediction
        if prediction is None or prediction.intensity_pct_mso is None:
            raise DataError(f"trial {trial.trial_index} was learnt but not predicted")
        answer = lookup.query(unpack_f64(prediction.head_from_coil))
        if answer.unit_efield_v_per_m is None:
            raise DataError(f"trial {trial.trial_index}: {answer.reason}")
        level = prediction.intensity_pct_mso / config.protocol.rmt_pct_mso
        rows.append(
            relative_efield(
                answer.unit_efield_v_per_m,
                planned_peak_v_per_m=lookup.table.planned_peak_v_per_m,
                intensity_pct_rmt=100.0 * level,
            )
        )
    return np.concatenate(rows)
