"""Figures of sudden changes: false alarms, delays, kinds, the all-knowing detector."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.learning import ChangeKind
from m2m_rt.nets.sessions import Progress
from m2m_rt.studies import adapt_changes as changes
from m2m_rt.studies.adapt_changes import Found, Scene
from m2m_rt.studies.adapt_plan import AdaptPlan, Figures, each
from m2m_rt.studies.adapt_rig import Rig
from m2m_rt.studies.adapt_run import run_session
from m2m_rt.studies.adapt_summary import most_expected, share_of
from m2m_rt.studies.adapt_undone import undone_figures
from m2m_rt.units import F64

_INFINITE = 1e6

_Thresholds = dict[tuple[ChangeKind, bool], float]
"""Of the all-knowing detector, told which change it is, and searching for it."""


def change_figures(rig: Rig, plan: AdaptPlan, progress: Progress) -> Figures:
    """Return how changes are found, and how often none is taken for one."""
    unchanged = {
        name: each(
            f"unchanged sessions: {name}",
            plan.unchanged_a_subject * plan.n_subjects,
            progress,
            _Unchanged(rig, plan.seed, drift),
        )
        for name, drift in (
            ("natural_drift", changes.NATURAL_DRIFT_LOG10),
            ("no_drift", 0.0),
        )
    }
    calm = unchanged["natural_drift"]
    thresholds = {
        (kind, searches): _knowing_threshold(rig, calm, (kind, searches), progress)
        for kind in ChangeKind
        for searches in (False, True)
    }
    scenes = {
        name: _scene(rig, name, plan, (thresholds, progress)) for name in changes.SCENES
    }
    return {
        "false_alarms": {
            name: _false_alarms(rig, sessions, progress)
            for name, sessions in unchanged.items()
        },
        **scenes,
        "gain_undone": undone_figures(rig, plan, progress),
    }


@dataclass(frozen=True, slots=True)
class _Unchanged:
    rig: Rig
    seed: int
    drift_log10: float

    def __call__(self, index: int) -> Scene:
        return changes.draw_unchanged(
            self.rig, seed=self.seed, index=index, drift_log10=self.drift_log10
        )


def _false_alarms(rig: Rig, sessions: list[Scene], progress: Progress) -> Figures:
    kinds, n_withdrawn = dict.fromkeys(ChangeKind, 0), 0
    for number, one in enumerate(sessions):
        run = run_session(rig, (one.person, one.pulses), one.log10_uv)
        for change in run.changes:
            kinds[change.kind] += 1
        n_withdrawn += len(run.withdrawing)
        progress("false alarms", number + 1, len(sessions))
    n_pulses = sum(len(one.pulses) for one in sessions)
    total = sum(kinds.values())
    return {
        "pulses": n_pulses,
        "alarms": total,
        "per_300_pulses": 300.0 * total / n_pulses,
        "per_300_pulses_high_95": 300.0 * most_expected(total) / n_pulses,
        **{str(kind): count for kind, count in kinds.items()},
        "withdrawn": n_withdrawn,
    }


def _knowing_threshold(
    rig: Rig, calm: list[Scene], what: tuple[ChangeKind, bool], progress: Progress
) -> float:
    """Return where the all-knowing detector gives one false alarm in 300 pulses."""
    kind, searches = what
    paths = each(
        f"all-knowing detector: {kind.value}{', searching' if searches else ''}",
        len(calm),
        progress,
        lambda index: changes.knowing_path(rig, calm[index], kind, searches=searches),
    )
    n_allowed = sum(map(len, paths)) / changes.UNCHANGED_PULSES
    for threshold in np.arange(1.0, 30.0, 0.1):
        if sum(changes.crossings(path, threshold) for path in paths) <= n_allowed:
            return float(threshold)
    return 30.0


def _scene(
    rig: Rig, name: str, plan: AdaptPlan, how: tuple[_Thresholds, Progress]
) -> Figures:
    thresholds, progress = how

    def judge(index: int) -> tuple[Found, float, float]:
        scene = changes.draw_scene(rig, name, seed=plan.seed, index=index)
        found = changes.judge_scene(rig, scene)
        told, searching = (
            _knowing_delay(rig, scene, thresholds, searches=searches)
            for searches in (False, True)
        )
        return found, told, searching

    judged = each(
        f"changes: {name}", plan.runs_a_subject * plan.n_subjects, progress, judge
    )
    found = [one for one, *_ in judged]
    delay = np.array([one.delay for one in found])
    told, searching = (np.array([one[who] for one in judged]) for who in (1, 2))
    kinds = [one.kind_right for one in found if one.kind_right is not None]
    muscles = [one.muscle_right for one in found if one.muscle_right is not None]
    return {
        "runs": len(found),
        **_within(delay),
        "any_alarm_within_20": share_of(
            np.array([one.delay_any for one in found]) <= 20
        ),
        "kind_right": share_of(kinds),
        **({"muscle_right": share_of(muscles)} if muscles else {}),
        "all_knowing": _within(told),
        "all_knowing_searching": _within(searching),
        "of_all_knowing_within_20": _part(delay, told),
        "of_all_knowing_searching_within_20": _part(delay, searching),
        "rmse_log10_after": {
            "acting": float(np.mean([one.rmse_acting for one in found])),
            "not_acting": float(np.mean([one.rmse_not_acting for one in found])),
        },
    }


def _knowing_delay(
    rig: Rig, scene: Scene, thresholds: _Thresholds, *, searches: bool
) -> float:
    path = changes.knowing_path(rig, scene, scene.kind, searches=searches)
    over = np.flatnonzero(path[changes.CHANGE_AT :] > thresholds[scene.kind, searches])
    return float(over[0] + 1) if len(over) else np.inf


def _within(delay: F64) -> Figures:
    return {
        **{f"within_{n}": share_of(delay <= n) for n in (10, 20, 30, 60)},
        "delay_pulses": _delays(delay),
    }


def _part(delay: F64, knowing: F64) -> float:
    return float(np.mean(delay <= 20) / max(float(np.mean(knowing <= 20)), 1e-9))


def _delays(delay: F64) -> Figures:
    """Return quantiles of delays; those never found count as endless (None)."""
    quantiles = np.quantile(np.minimum(delay, _INFINITE), (0.25, 0.5, 0.75))
    names = ("q25", "median", "q75")
    return {
        name: float(value) if value < 1e5 else None  # of endless ones
        for name, value in zip(names, quantiles, strict=True)
    }
