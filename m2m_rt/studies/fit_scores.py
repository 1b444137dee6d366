"""What `m2m fit` finds for each muscle: held-out predictions and their scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m2m_rt.adapters.pose_table import PoseTable
from m2m_rt.errors import DataError
from m2m_rt.learning import (
    LevelScaleSettings,
    PoseMapSettings,
    Progress,
    Recording,
)
from m2m_rt.studies.maps_data import (
    DRIFT,
    POSITION,
    POSITION_MAP,
    ShippedMapSettings,
    average_every_model,
    fit_every_model,
    log10_of,
    pooled_r2,
)
from m2m_rt.studies.maps_own import learn_own, own_folds, own_progress
from m2m_rt.studies.maps_scores import (
    ProgressScore,
    folded_predictions,
    progressive,
    running_mean_score,
    score_progress,
)
from m2m_rt.units import F64, I64

FEWEST_PULSES = 20
"""With a valid MEP; fewer cannot be cut into ten folds that mean anything."""


@dataclass(frozen=True, slots=True)
class MuscleFit:
    """One muscle's mapper by its scores; rows are those with a valid MEP."""

    muscle: str
    rows: I64
    """(n,): of the table."""

    recording: Recording
    settings: Mapping[str, PoseMapSettings]
    r2: Mapping[str, float | None]
    folded_log10_uv: F64
    """(n,): each row predicted from the folds without it, by the process over poses
    and maps."""

    progress: Progress
    progressive: ProgressScore
    running_mean: ProgressScore


def valid_rows(table: PoseTable, muscle: str) -> I64:
    """Return the rows with a valid MEP of a muscle."""
    return np.flatnonzero(np.isfinite(table.mep_uv[muscle]))


def require_pulses(table: PoseTable) -> None:
    """Refuse a table with muscles of too few pulses, and say how to fit the others.

    Raises
    ------
    DataError
        If there are such muscles.
    """
    n_valid = {name: len(valid_rows(table, name)) for name in table.mep_uv}
    lacking = [name for name, n in n_valid.items() if n < FEWEST_PULSES]
    if not lacking:
        return
    found = ", ".join(f"{name}: {n_valid[name]}" for name in lacking)
    text = f"{found} rows with a pose and a valid MEP; expected {FEWEST_PULSES} or more"
    others = [f"--muscle {name}" for name in n_valid if name not in lacking]
    raise DataError(f"{text}, or only {' '.join(others)}" if others else text)


def muscle_recording(table: PoseTable, muscle: str) -> tuple[I64, Recording]:
    """Return the rows with a valid MEP of a muscle, and these as a recording."""
    rows = valid_rows(table, muscle)
    log10_uv = log10_of(table.mep_uv[muscle][rows])
    return rows, Recording(table.pulses.rows(rows), log10_uv)


def learnt_settings(
    others: Sequence[Recording], shipped: ShippedMapSettings
) -> dict[str, PoseMapSettings]:
    """Return settings from other subjects' recordings and the shipped ones."""
    return average_every_model(shipped, [fit_every_model(o, shipped) for o in others])


def score_muscle(
    table: PoseTable,
    muscle: str,
    settings: Mapping[str, PoseMapSettings],
    *,
    scale: LevelScaleSettings,
    own: bool,
) -> MuscleFit:
    """Return one muscle's held-out predictions and scores.

    Parameters
    ----------
    table
        Poses and MEPs.
    muscle
        Of the table.
    settings
        By model; must not have seen this recording.
    scale
        How the spread's scale is learnt.
    own
        Whether settings are learnt from this recording too: in the folds from the
        other nine, progressively from the past, for the mapper from all of it.
    """
    rows, recording = muscle_recording(table, muscle)
    models = (POSITION, POSITION_MAP, DRIFT)
    # With settings as given: those learnt below are from the whole recording.
    running_mean = running_mean_score(recording, settings[POSITION])
    if own:
        folded = {m: own_folds(recording, settings[m]) for m in models}
        progress = own_progress(recording, settings[DRIFT], scale)
        settings = {m: learn_own(recording, settings[m]) for m in models}
    else:
        folded = {m: folded_predictions(recording, settings[m]) for m in models}
        progress = progressive(recording, settings[DRIFT], scale)[0]
    score = score_progress(
        progress.mean_log10_uv, progress.sd_log10_uv, recording.log10_uv
    )
    return MuscleFit(
        muscle=muscle,
        rows=rows,
        recording=recording,
        settings=settings,
        r2={m: pooled_r2(each, recording.log10_uv) for m, each in folded.items()},
        folded_log10_uv=folded[POSITION_MAP],
        progress=progress,
        progressive=score,
        running_mean=running_mean,
    )
