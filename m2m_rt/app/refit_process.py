"""One refit in a process of its own: `python -m … SESSION REQUEST ANSWER`.

Reads an encoded `FitRequest`, stores the candidate in the session's folder, and writes
an encoded `FitFinished`. Killing it loses nothing but the candidate; it ends when its
stdin does, as that of an orphan.
"""

import sys
from pathlib import Path

import numpy as np

from m2m_rt.adapters.clock import LslClock
from m2m_rt.adapters.host import lower_priority
from m2m_rt.adapters.parent_watch import exit_with_parent
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.compose import open_table
from m2m_rt.app.config import SessionConfig, read_session
from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import DataError
from m2m_rt.messages import FitFinished, FitRequest, Trial, decode, encode, unpack_f64
from m2m_rt.model import FLOOR_UV, MUSCLES, relative_efield
from m2m_rt.nets.refit import Trials, refit
from m2m_rt.units import F32


def main(arguments: list[str]) -> int:
    """Carry out one request."""
    exit_with_parent()
    session, request_path, answer_path = map(Path, arguments)
    lower_priority()
    request = decode(request_path.read_bytes())
    if not isinstance(request, FitRequest):
        raise DataError(f"{request_path}: not a fit request")
    answer = _carry_out(request, SessionFolder.open(session))
    answer_path.write_bytes(encode(answer))
    return 0


def _carry_out(request: FitRequest, folder: SessionFolder) -> FitFinished:
    config = read_session(folder)
    trials = list(map(decode, request.trials))
    fitted = refit(
        folder.model_bytes(request.parent_hash),
        _training_trials([t for t in trials if isinstance(t, Trial)], config),
        n_held_out=request.n_held_out,
        seed=request.rng_seed,
    )
    return FitFinished(
        t_ns=LslClock().now_ns(),
        fit_id=request.fit_id,
        model_hash=folder.store_model(fitted.model_bytes),
        candidate_score=fitted.candidate_score,
        incumbent_score=fitted.incumbent_score,
        n_scored=fitted.n_scored,
    )


def _training_trials(trials: list[Trial], config: SessionConfig) -> Trials:
    """Return the trials as the network takes them, all its muscles in its order."""
    columns = [MUSCLES.index(muscle.name) for muscle in config.rig.emg.muscles]
    shape = (len(trials), len(MUSCLES))
    sizes_uv, valid = np.full(shape, FLOOR_UV), np.zeros(shape, bool)
    for row, trial in enumerate(trials):
        sizes_uv[row, columns] = [size or 0.0 for size in trial.mep.mep_p2p_uv]
        valid[row, columns] = trial.learnt
    return Trials(
        relative_efield=_fields(trials, config),
        log10_uv=np.log10(np.maximum(sizes_uv, FLOOR_UV)),
        valid=valid,
    )


def _fields(trials: list[Trial], config: SessionConfig) -> F32:
    """Return the model's inputs, looked up again from pose and intensity."""
    lookup = EfieldLookup(open_table(config))
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
