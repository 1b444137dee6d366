"""The study of recorded motor maps: how well past pulses tell the next ones' size.

A subject's hyper-parameters come from the other subjects of the folder and the shipped
ones; with no other subject, from the shipped ones and, for field and noise, from the
pulses that are not being judged: the other folds, or the past.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m2m_rt.adapters.motor_map_file import CombinedMap, SubjectMaps
from m2m_rt.learning import (
    ActiveSettings,
    PoseMapSettings,
    Progress,
    Recording,
)
from m2m_rt.studies.maps_active import (
    ActiveRun,
    protocol_of,
    run_active,
    run_noisy,
    run_random,
)
from m2m_rt.studies.maps_baselines import BaselineTable, baseline_table, choose_settings
from m2m_rt.studies.maps_data import (
    DRIFT,
    FREE,
    POSITION,
    POSITION_MAP,
    MapStep,
    ShippedMapSettings,
    average_every_model,
    fit_every_model,
    pooled_r2,
    recording_of,
)
from m2m_rt.studies.maps_own import own_folds, own_progress
from m2m_rt.studies.maps_scores import (
    ProgressScore,
    folded_r2,
    noise_ceiling,
    progressive,
    repeats_ceiling,
    running_mean_score,
    score_progress,
)
from m2m_rt.studies.maps_truth import (
    Truth,
    fit_truth,
    fitted_length_mm,
    shipped_length_mm,
)

_GRID = "GRID"


@dataclass(frozen=True, slots=True)
class ActiveResult:
    """Active mapping of one subject."""

    truth: Truth
    settings: ActiveSettings
    start_from: str
    active: ActiveRun
    random: ActiveRun
    noisy: ActiveRun


@dataclass(frozen=True, slots=True)
class SubjectResult:
    """Everything that the study found for one subject."""

    subject: SubjectMaps
    recording: Recording
    r2: Mapping[str, float | None]
    r2_shipped: Mapping[str, float | None]
    ceiling: Mapping[str, float | None]
    progressive: ProgressScore
    progressive_beside: Mapping[str, ProgressScore]
    progress: Progress
    active: ActiveResult | str
    """Or why there is none."""

    settings: Mapping[str, PoseMapSettings]
    baseline_settings: Mapping[str, float]
    learnt_from: tuple[str, ...]
    """The subjects that the hyper-parameters come from; none: shipped."""


def study_maps(
    subjects: Sequence[SubjectMaps],
    step: MapStep,
    *,
    truth_length_mm: float | None = None,
    shipped: ShippedMapSettings | None = None,
) -> list[SubjectResult]:
    """Return the results of all subjects.

    Parameters
    ----------
    subjects
        In the order of the results.
    step
        Told how far it is.
    truth_length_mm
        RBF length of every truth of active mapping; None for a robust fit to each. The
        mapper is not told.
    shipped
        Hyper-parameters to begin with.
    """
    shipped = shipped or ShippedMapSettings()
    recordings = [recording_of(subject) for subject in subjects]
    fitted, tables = [], []
    for row, recording in enumerate(recordings):
        fitted.append(fit_every_model(recording, shipped))
        tables.append(baseline_table(recording))
        step("hyper-parameters and baselines", row + 1, len(subjects))
    lengths_mm = [
        None if s.combined is None else fitted_length_mm(s.combined) for s in subjects
    ]
    truths = [
        None if s.combined is None else fit_truth(s.combined, truth_length_mm or length)
        for s, length in zip(subjects, lengths_mm, strict=True)
    ]
    plan = _Plan(
        subjects=subjects,
        recordings=recordings,
        fitted=fitted,
        tables=tables,
        truths=truths,
        lengths_mm=lengths_mm,
        shipped=shipped,
    )
    return [_study_one(plan, row, step) for row in range(len(subjects))]


@dataclass(frozen=True, slots=True)
class _Plan:
    subjects: Sequence[SubjectMaps]
    recordings: list[Recording]
    fitted: list[dict[str, PoseMapSettings]]
    tables: list[BaselineTable]
    truths: list[Truth | None]
    lengths_mm: list[float | None]
    """Of each combined map by a robust fit, whatever the truths' lengths are."""

    shipped: ShippedMapSettings

    def others(self, row: int) -> list[int]:
        return [other for other in range(len(self.subjects)) if other != row]

    def settings(self, row: int) -> dict[str, PoseMapSettings]:
        """Return settings of a subject that never saw it."""
        others = [self.fitted[other] for other in self.others(row)]
        return average_every_model(self.shipped, others)


def _study_one(plan: _Plan, row: int, step: MapStep) -> SubjectResult:
    subject, recording = plan.subjects[row], plan.recordings[row]
    settings = plan.settings(row)
    chosen = choose_settings([plan.tables[other] for other in plan.others(row)])
    is_alone = not plan.others(row)
    r2 = {m: _r2(recording, each, own=is_alone) for m, each in settings.items()}
    r2 |= {name: plan.tables[row][name][setting] for name, setting in chosen.items()}
    scale = plan.shipped.level_scale
    progress, score = progressive(recording, settings[DRIFT], scale)
    if is_alone:
        progress = own_progress(recording, settings[DRIFT], scale)
        score = score_progress(
            progress.mean_log10_uv, progress.sd_log10_uv, recording.log10_uv
        )
    beside = {
        "running_mean": running_mean_score(recording, settings[POSITION]),
        POSITION: progressive(recording, settings[POSITION], scale)[1],
        POSITION_MAP: progressive(recording, settings[POSITION_MAP], scale)[1],
        "shipped": progressive(recording, plan.shipped.of(DRIFT), scale)[1],
    }
    return SubjectResult(
        subject=subject,
        recording=recording,
        r2=r2,
        r2_shipped={m: folded_r2(recording, plan.shipped.of(m)) for m in FREE},
        ceiling=_ceilings(subject, recording, plan.fitted[row]),
        progressive=score,
        progressive_beside=beside,
        progress=progress,
        active=_active(plan, row, step),
        settings=settings,
        baseline_settings=chosen,
        learnt_from=tuple(plan.subjects[o].subject for o in plan.others(row)),
    )


def _r2(recording: Recording, settings: PoseMapSettings, *, own: bool) -> float | None:
    """Return the 10-fold R²; `own` lets each fold's training pulses refine settings."""
    if own:
        return pooled_r2(own_folds(recording, settings), recording.log10_uv)
    return folded_r2(recording, settings)


def _ceilings(
    subject: SubjectMaps, recording: Recording, own: Mapping[str, PoseMapSettings]
) -> dict[str, float | None]:
    repeats = None
    for row, each in enumerate(subject.maps):
        if each.name == _GRID:
            of_grid = recording.pulses.map_index == row
            repeats = repeats_ceiling(each.position_mm, recording.log10_uv[of_grid])
    return {"repeats": repeats, "noise_model": noise_ceiling(recording, own[DRIFT])}


def _active_settings(plan: _Plan, row: int, combined: CombinedMap) -> ActiveSettings:
    """Return the mapper's settings: its length is the others', or shipped.

    Its prior weights are averaged over, not chosen: what was best for one subject made
    the other's error half as large again.
    """
    lengths_mm = [one for o in plan.others(row) if (one := plan.lengths_mm[o])]
    if not lengths_mm:
        return ActiveSettings(length_mm=shipped_length_mm(combined))
    return ActiveSettings(length_mm=float(np.exp(np.mean(np.log(lengths_mm)))))


def _active(plan: _Plan, row: int, step: MapStep) -> ActiveResult | str:
    subject, truth = plan.subjects[row], plan.truths[row]
    if truth is None or subject.combined is None:
        return f"no {subject.subject}_COMB.mat beside the maps"
    settings = _active_settings(plan, row, subject.combined)
    protocol = protocol_of(subject, truth)
    has_rand = any(each.name == "RAND" for each in subject.maps)
    name = subject.subject
    return ActiveResult(
        truth=truth,
        settings=settings,
        start_from="RAND" if has_rand else "all maps",
        active=run_active(protocol, settings, step, f"{name}: active mapping"),
        random=run_random(protocol, settings),
        noisy=run_noisy(protocol, settings, step, f"{name}: noisy answers"),
    )
