"""One session of a study: predict, answer, learn, watch, as the live loop does it."""

from dataclasses import dataclass, replace

import numpy as np

from m2m_rt.learning import (
    Belief,
    Change,
    ChangeKind,
    Learnt,
    LearntTrial,
    Predicted,
    first_learnt,
    first_watch,
    foresee,
    learn_again,
    learn_trial,
    shift_at,
    stack,
    with_baseline,
    with_change,
)
from m2m_rt.studies.adapt_people import Person, Pulses
from m2m_rt.studies.adapt_rig import LEVELS_PCT_RMT, RMT_FACTORS, Rig, moved_features
from m2m_rt.units import F64

Shift = tuple[float, float]
_NOT_MOVED: Shift = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class SessionRun:
    """What was said and found in a session."""

    predicted: Predicted
    """(n_pulses, n_muscles), each before its pulse."""

    excitability: F64
    """(n_pulses, 3): after each pulse, its mean, variance about the usual level as
    learnt, and variance about the true usual level."""

    changes: tuple[Change, ...]
    """All that were claimed, in order."""

    withdrawing: tuple[Change, ...]
    """What was found and took one of them back, in order."""

    beliefs: tuple[Belief, ...]
    """After as many trials as were asked for, in the order asked."""


def run_session(
    rig: Rig,
    stimuli: tuple[Person, Pulses],
    log10_uv: F64,
    *,
    acts: bool = True,
    keep_after: tuple[int, ...] = (),
) -> SessionRun:
    """Return the run of a person's session.

    Parameters
    ----------
    rig
        Table, model and pool.
    stimuli
        Who, and which pulses.
    log10_uv
        (n_pulses, n_muscles): the answers.
    acts
        Whether found changes are acted on, or only counted.
    keep_after
        Numbers of trials, rising, after which the belief is kept.
    """
    rows = _Rows(rig, stimuli, log10_uv)
    learnt, done = first_learnt(rig.prior), list[LearntTrial]()
    said, states, found, withdrawing = [], [], list[Change](), list[Change]()
    kept = [learnt.belief for after in keep_after if after == 0]
    for number in range(len(log10_uv)):
        trial = rows.at(number, learnt.shift_mm)
        said.append(foresee(learnt.belief, trial.features[np.newaxis]))
        learnt, change = learn_trial(learnt, trial)
        done.append(trial)
        states.append(_state(learnt))
        if change is not None:
            before = len(learnt.changes)
            learnt = _act(rows, learnt, done, change) if acts else _go_on(learnt)
            takes_back = len(learnt.changes) < before
            (withdrawing if takes_back else found).append(change)
        kept += [learnt.belief for after in keep_after if after == number + 1]
    return SessionRun(
        stack(said),
        np.array(states),
        tuple(found),
        tuple(withdrawing),
        tuple(kept),
    )


class _Rows:
    """Trials of a session, at poses moved by what is known of a shift."""

    def __init__(self, rig: Rig, stimuli: tuple[Person, Pulses], log10_uv: F64) -> None:
        person, self._pulses = stimuli
        pose, level = self._pulses.pose, self._pulses.level
        self._rig = rig
        self._log10_uv = log10_uv
        self._valid = np.ones(log10_uv.shape[1], np.bool_)
        self._features = rig.pool.features[person.rmt_factor, level, pose]
        self._probes = rig.pool.probe_features[person.rmt_factor, level, pose]
        relative = np.array(LEVELS_PCT_RMT)[level] / 100.0
        self._relative = relative * RMT_FACTORS[person.rmt_factor]
        self._moved: dict[Shift, tuple[np.ndarray, ...]] = {}

    def at(self, number: int, shift: Shift) -> LearntTrial:
        """Return one trial."""
        features, probes = self._features[number], self._probes[number]
        has_probes = True
        if shift != _NOT_MOVED:
            at, beside, fits, all_fit = self._moved_by(shift)
            has_probes = bool(all_fit[number])
            if fits[number]:
                features, probes = at[number], beside[number]
        return LearntTrial(
            features=features,
            probe_features=probes if has_probes else None,
            log10_uv=self._log10_uv[number],
            valid=self._valid,
        )

    def _moved_by(self, shift: Shift) -> tuple[np.ndarray, ...]:
        if shift not in self._moved:
            poses = self._rig.pool.head_from_coil[self._pulses.pose]
            self._moved[shift] = moved_features(self._rig, poses, self._relative, shift)
        return self._moved[shift]


def _act(
    rows: _Rows, learnt: Learnt, done: list[LearntTrial], change: Change
) -> Learnt:
    """Return what is known with a change taken into account from where it began."""
    changes, withdrawn = with_change(learnt.changes, change)
    moved = withdrawn or change
    if moved.kind is ChangeKind.SHIFT:
        for number in range(moved.since_trial, len(done)):
            done[number] = rows.at(number, shift_at(changes, number))
    prior = learnt.belief.layer.prior
    return learn_again(prior, done, changes, learnt)


def _go_on(learnt: Learnt) -> Learnt:
    """Return the same with a watch that starts anew."""
    prior, watch = learnt.belief.layer.prior, learnt.watch
    anew = first_watch(prior.n_muscles, prior.n_latent, watch.settings, watch.n_trials)
    return replace(learnt, watch=anew)


def _state(learnt: Learnt) -> tuple[float, float, float]:
    belief = learnt.belief
    mean, variance = belief.last_excitability.moments()
    _, full = with_baseline(belief.last_excitability, belief.settings.excitability)
    return mean, variance, full
