"""The cells of `trials.csv`: a trial, its state, and every muscle's answer, as texts.

A new column goes behind the last one: who counts columns still finds the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from m2m_rt.geometry import quaternion_from_matrix
from m2m_rt.messages import (
    Array,
    ChangeSeen,
    ExcitabilityTracked,
    Prediction,
    Trial,
    unpack_f64,
)

Cell = str | int | float | bool | None

TRIAL_COLUMNS = (
    "trial_index",
    "revision",  # the highest one of a trial counts
    "pulse_id",
    "t_ns",  # the pulse's edge, rig clock
    "x_mm",  # coil centre in the head frame: as predicted for, else at the edge
    "y_mm",
    "z_mm",
    "qw",  # head from coil, SimNIBS convention
    "qx",
    "qy",
    "qz",
    "intensity_pct_mso",  # that was predicted for, else set at the edge
    "marker_pulse",  # the lab's own number
    "marker_intensity_pct_mso",
    "marker_delay_ms",
    "valid",
    "reason",
    "prediction_seq",
    "lead_ms",  # from the prediction's publication to the edge
    "model_hash",
    "posterior_seq",  # updates in the posterior that predicted
)

MUSCLE_COLUMNS = (
    "mep_p2p_uv",
    "mep_latency_ms",
    "preactivation_rms_uv",
    "present",
    "valid",
    "reason",
    "predicted_log10_uv",
    "sd_log10_uv",
    "p05_log10_uv",
    "p95_log10_uv",
    "prior_log10_uv",
    "learnt",
)
"""Each muscle has these, with its name in front: `FDI_mep_p2p_uv`."""

STATE_COLUMNS = (
    "excitability_log10",  # at this pulse, over the session's usual; log10 of evoked
    "excitability_p05_log10",
    "excitability_p95_log10",
    "noise_scale",  # trial variance over the population's
    "change",  # that this pulse gave away: gain, shift; empty: none
    "change_muscle",  # whose gain
    "change_log10_gain",
    "change_shift_x_mm",  # true poses beside reported ones, planned coil's axes
    "change_shift_y_mm",
    "change_trials_ago",  # learnt trials since it began, this one included
    "change_log_ratio",  # ln of the likelihood ratio to no change
    "change_withdrawn",  # whether it takes an earlier one back
    "change_acted_on",
)
"""Behind the muscles'. Empty where nothing was learnt of the pulse."""


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One revision of a trial, and what it taught of the state."""

    trial: Trial
    state: ExcitabilityTracked | None = None
    change: ChangeSeen | None = None


def columns_of(muscles: Sequence[str]) -> tuple[str, ...]:
    """Return the table's first line."""
    of_muscles = (f"{muscle}_{name}" for muscle in muscles for name in MUSCLE_COLUMNS)
    return (*TRIAL_COLUMNS, *of_muscles, *STATE_COLUMNS)


def cells_of(row: TrialRow, muscles: Sequence[str]) -> tuple[str, ...]:
    """Return a line, in the order of `columns_of`."""
    cells = (
        *_trial_cells(row.trial),
        *_muscle_cells(row.trial),
        *_state_cells(row.state),
        *_change_cells(row.change, muscles),
    )
    return tuple(map(_text, cells))


def _trial_cells(trial: Trial) -> tuple[Cell, ...]:
    mep, prediction = trial.mep, trial.prediction
    return (
        trial.trial_index,
        trial.revision,
        mep.pulse_id,
        trial.t_ns,
        *_pose_cells((prediction or trial).head_from_coil),
        (prediction or trial).intensity_pct_mso,
        mep.marker_pulse,
        mep.marker_intensity_pct_mso,
        mep.marker_delay_ms,
        trial.valid,
        trial.reason,
        trial.prediction_seq,
        trial.lead_ms,
        prediction.model_hash if prediction else None,
        prediction.posterior_seq if prediction else None,
    )


def _pose_cells(pose: Array | None) -> tuple[Cell, ...]:
    if pose is None:
        return (None,) * 7
    head_from_coil = unpack_f64(pose)
    quaternion = quaternion_from_matrix(head_from_coil)
    return tuple(np.append(head_from_coil[:3, 3], quaternion).tolist())


def _muscle_cells(trial: Trial) -> tuple[Cell, ...]:
    """Return the muscles' cells, muscle after muscle, in `MUSCLE_COLUMNS`' order."""
    mep = trial.mep
    absent: tuple[Cell, ...] = (None,) * len(mep.valid)
    lists: tuple[Sequence[Cell], ...] = (
        mep.mep_p2p_uv,
        mep.mep_latency_ms,
        mep.preactivation_rms_uv,
        mep.present,
        mep.valid,
        mep.reason,
        *_predicted(trial.prediction, absent),
        trial.learnt or absent,
    )
    return tuple(cell for muscle in zip(*lists, strict=True) for cell in muscle)


def _predicted(
    prediction: Prediction | None, absent: tuple[Cell, ...]
) -> tuple[Sequence[Cell], ...]:
    if prediction is None or not prediction.valid:
        return (absent,) * 5
    return (
        prediction.mean_log10_uv,
        prediction.sd_log10_uv,
        prediction.p05_log10_uv,
        prediction.p95_log10_uv,
        prediction.prior_log10_uv,
    )


def _state_cells(state: ExcitabilityTracked | None) -> tuple[Cell, ...]:
    if state is None:
        return (None,) * 4
    return state.mean_log10, state.p05_log10, state.p95_log10, state.noise_scale


def _change_cells(
    change: ChangeSeen | None, muscles: Sequence[str]
) -> tuple[Cell, ...]:
    if change is None:
        return (None,) * 9
    return (
        change.kind,
        None if change.muscle is None else muscles[change.muscle],
        change.log10_gain,
        change.shift_x_mm,
        change.shift_y_mm,
        change.trials_ago,
        change.log_ratio,
        change.withdrawn,
        change.acted_on,
    )


def _text(cell: Cell) -> str:
    """Return a cell as pandas and R read it; floats keep every digit."""
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float():
            return repr(cell)
        case _:
            return str(cell)
