"""Sudden changes in a study: drawn, found by the session, and by who knows all."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from m2m_rt.learning import Change, ChangeKind
from m2m_rt.sim import SeedStream
from m2m_rt.studies.adapt_people import (
    Person,
    Pulses,
    World,
    answers_log10_uv,
    draw_person,
    draw_pulses,
    drive_over_threshold,
)
from m2m_rt.studies.adapt_rig import N_AZIMUTHS, Rig, shift_of
from m2m_rt.studies.adapt_run import SessionRun, run_session
from m2m_rt.studies.adapt_state import drift, oracle_state
from m2m_rt.studies.adapt_truth import Truth, true_curves
from m2m_rt.units import F64

CHANGE_AT = 150
"""Pulses before a change: 100 of mapping, 50 of a local baseline."""

PULSES_AFTER = 60
LOCAL_FROM = 100
UNCHANGED_PULSES = 300
RESPONSIVE_LOG10_UV = 2.3
"""Expected size, 200 µV, from which on a pose counts as responsive."""

GAIN = 0.5
SHIFT_MM = 5.0
NATURAL_DRIFT_LOG10 = 0.06
"""Standing sd of excitability in every session with a change."""

SCENES = ("gain_responsive", "gain_mapping", "shift")


@dataclass(frozen=True, slots=True)
class Scene:
    """One session that changes, or would."""

    person: Person
    pulses: Pulses
    log10_uv: F64
    drive: F64
    """(n, n_muscles), as if nothing changed."""

    kind: ChangeKind
    muscle: int
    """Whose gain changes; of no meaning for a shift."""

    shift: int
    """Number of the shift in the pool; of no meaning for a gain."""

    natural_drift_log10: float


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a change."""

    delay: float
    """Pulses until it was found and named right; infinite if it was not."""

    delay_any: float
    """Until the first alarm after the change, whatever it says."""

    kind_right: bool | None
    """Of the first alarm after the change; None without one."""

    muscle_right: bool | None
    early_alarms: int
    """Before the change."""

    rmse_acting: float
    """Of log10 MEPs from 25 pulses after the change on; of the changed muscle, or of
    all after a shift."""

    rmse_not_acting: float


def draw_scene(rig: Rig, name: str, *, seed: int, index: int) -> Scene:
    """Return a session of one of `SCENES`; indices of scenes share no person."""
    number = len(SCENES) * index + SCENES.index(name)
    person, rng = draw_person(
        rig, World.SAME, stream=SeedStream.EVALUATION, seed=seed + 1, index=number
    )
    n_pulses = CHANGE_AT + PULSES_AFTER
    pulses = draw_pulses(rig, n_pulses, rng)
    muscle = int(rng.integers(person.n_muscles))
    if name == "gain_responsive":
        pulses = responsive_pulses(rig, person, pulses, (muscle, rng))
    scene = Scene(
        person=person,
        pulses=pulses,
        log10_uv=np.zeros(0),
        drive=drive_over_threshold(rig, person, pulses),
        kind=ChangeKind.SHIFT if name == "shift" else ChangeKind.GAIN,
        muscle=muscle,
        shift=shift_of(size_mm=SHIFT_MM, azimuth=int(rng.integers(N_AZIMUTHS))),
        natural_drift_log10=NATURAL_DRIFT_LOG10,
    )
    changed, log10_gain = scene.drive.copy(), np.zeros_like(scene.drive)
    log10_gain += drift(rng, n_pulses, NATURAL_DRIFT_LOG10)[:, np.newaxis]
    if scene.kind is ChangeKind.SHIFT:
        moved = drive_over_threshold(rig, person, pulses, shift=scene.shift)
        changed[CHANGE_AT:] = moved[CHANGE_AT:]
    else:
        log10_gain[CHANGE_AT:, muscle] += np.log10(GAIN)
    answers = answers_log10_uv(person, changed, rng, log10_gain)
    return replace(scene, log10_uv=answers)


def draw_unchanged(rig: Rig, *, seed: int, index: int, drift_log10: float) -> Scene:
    """Return a session in which nothing changes at once."""
    person, rng = draw_person(
        rig, World.SAME, stream=SeedStream.EVALUATION, seed=seed + 2, index=index
    )
    pulses = draw_pulses(rig, UNCHANGED_PULSES, rng)
    drive = drive_over_threshold(rig, person, pulses)
    moves = drift(rng, UNCHANGED_PULSES, drift_log10)[:, np.newaxis]
    return Scene(
        person=person,
        pulses=pulses,
        log10_uv=answers_log10_uv(person, drive, rng, moves),
        drive=drive,
        kind=ChangeKind.GAIN if index % 2 else ChangeKind.SHIFT,
        muscle=int(rng.integers(person.n_muscles)),
        shift=shift_of(size_mm=SHIFT_MM, azimuth=int(rng.integers(N_AZIMUTHS))),
        natural_drift_log10=drift_log10,
    )


def judge_scene(rig: Rig, scene: Scene) -> Found:
    """Return how the session dealt with its change."""
    stimuli = scene.person, scene.pulses
    acting = run_session(rig, stimuli, scene.log10_uv)
    passive = run_session(rig, stimuli, scene.log10_uv, acts=False)
    late = [one for one in acting.changes if one.found_trial > CHANGE_AT]
    is_gain = scene.kind is ChangeKind.GAIN
    right = [
        one
        for one in late
        if one.kind is scene.kind and (not is_gain or _is_halved(one, scene.muscle))
    ]
    return Found(
        delay=right[0].found_trial - CHANGE_AT if right else np.inf,
        delay_any=late[0].found_trial - CHANGE_AT if late else np.inf,
        kind_right=late[0].kind is scene.kind if late else None,
        muscle_right=late[0].muscle == scene.muscle if late and is_gain else None,
        early_alarms=len(acting.changes) - len(late),
        rmse_acting=_rmse_after(acting, scene),
        rmse_not_acting=_rmse_after(passive, scene),
    )


def knowing_path(
    rig: Rig, scene: Scene, kind: ChangeKind, *, searches: bool = False
) -> F64:
    """Return the sum (n,) of the detector that knows the person and the change.

    It knows the person's moments, the drift's, and the change: likelihoods are normal
    with the true means and covariances. Of all it knows not when; if it `searches`,
    not which muscle or direction either, and the largest sum counts.
    """
    curves = true_curves(scene.person.recruitment)
    usual = curves.at(scene.drive)
    state = oracle_state(usual, scene.log10_uv, scene.natural_drift_log10)
    calm = _log_density(usual, scene.log10_uv, state.before)
    paths = [
        _running_sum(_log_density(other, scene.log10_uv, state.before) - calm)
        for other in _others(rig, scene, kind, searches=searches)
    ]
    return np.asarray(np.max(paths, axis=0))


def _others(
    rig: Rig, scene: Scene, kind: ChangeKind, *, searches: bool
) -> Iterator[Truth]:
    """Give the true moments under each change that the knowing detector considers."""
    person = scene.person
    if kind is ChangeKind.SHIFT:
        curves = true_curves(person.recruitment)
        shifts = [scene.shift]
        if searches:
            shifts = [shift_of(size_mm=SHIFT_MM, azimuth=a) for a in range(N_AZIMUTHS)]
        for shift in shifts:
            moved = drive_over_threshold(rig, person, scene.pulses, shift=shift)
            yield curves.at(moved)
        return
    usual = true_curves(person.recruitment).at(scene.drive)
    halved = true_curves(person.recruitment, float(np.log10(GAIN))).at(scene.drive)
    muscles = range(person.n_muscles) if searches else [scene.muscle]
    for muscle in muscles:
        yield usual.with_muscle(muscle, halved)


def _running_sum(ratio: F64) -> F64:
    path, total = np.zeros(len(ratio)), 0.0
    for number, step in enumerate(ratio):
        total = max(0.0, total + step)
        path[number] = total
    return path


def crossings(path: F64, threshold: float) -> int:
    """Return how often a sum crosses a threshold if it starts anew each time."""
    total, count, before = 0.0, 0, 0.0
    for value in path:
        total = max(0.0, total + value - before)
        before = value
        if total > threshold:
            total, count = 0.0, count + 1
    return count


def responsive_pulses(
    rig: Rig, person: Person, pulses: Pulses, draw: tuple[int, np.random.Generator]
) -> Pulses:
    """Return the pulses with all from the local baseline on where a muscle answers."""
    muscle, rng = draw
    tried = draw_pulses(rig, 2000, rng)
    drive = drive_over_threshold(rig, person, tried)
    expected = true_curves(person.recruitment).at(drive).mean[:, muscle]
    enough = min(RESPONSIVE_LOG10_UV, float(np.quantile(expected, 0.9)))
    n_local = len(pulses) - LOCAL_FROM
    good = np.resize(np.flatnonzero(expected >= enough), n_local)
    pose, level = pulses.pose.copy(), pulses.level.copy()
    pose[LOCAL_FROM:], level[LOCAL_FROM:] = tried.pose[good], tried.level[good]
    return Pulses(pose, level)


def _is_halved(change: Change, muscle: int) -> bool:
    return change.muscle == muscle and change.log10_gain < 0.0


def _rmse_after(run: SessionRun, scene: Scene) -> float:
    late = slice(CHANGE_AT + 25, None)
    muscles = (
        slice(None)
        if scene.kind is ChangeKind.SHIFT
        else slice(scene.muscle, scene.muscle + 1)
    )
    error = run.predicted.mean[late, muscles] - scene.log10_uv[late, muscles]
    return float(np.sqrt(np.mean(error**2)))


def _log_density(truth: Truth, log10_uv: F64, state: F64) -> F64:
    """Return (n,) normal log densities; state (n, 2): mean, variance before each."""
    covariance = truth.covariance()
    covariance += state[:, 1, np.newaxis, np.newaxis] * _outer(truth.reach)
    error = log10_uv - truth.mean - truth.reach * state[:, :1]
    whitened = np.linalg.solve(covariance, error[:, :, np.newaxis])[:, :, 0]
    _, log_det = np.linalg.slogdet(covariance)
    return np.asarray(-0.5 * (np.sum(error * whitened, axis=1) + log_det))


def _outer(rows: F64) -> F64:
    return np.asarray(rows[:, :, np.newaxis] * rows[:, np.newaxis, :])
