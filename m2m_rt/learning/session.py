"""All that is learnt in one session: belief, watch, and the changes found so far.

The same trials in the same order, with the same changes, give the same bytes. Changes
are decisions and stay when trials are learnt anew; forgetting the trial at which one
was found forgets the change, and that at which one was withdrawn brings it back.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from m2m_rt.learning.adaptive import (
    Belief,
    SharedSettings,
    first_belief,
    take,
    with_gain,
)
from m2m_rt.learning.last_layer import LastLayerPrior
from m2m_rt.learning.watch import (
    Change,
    ChangeKind,
    Watch,
    WatchSettings,
    first_watch,
    found_change,
    shift_effects,
    watch_trial,
)
from m2m_rt.model import FLOOR_UV
from m2m_rt.units import F32, F64, Bools

TAKEN_BACK_MM = 4.0
"""Two shifts that leave less than this are one that was no shift, if near in time."""

TAKEN_BACK_TRIALS = 60

AT_ONCE_TRIALS = 10
"""A halved gain whose end began so soon after it was found was no halving."""


@dataclass(frozen=True, slots=True)
class LearntTrial:
    """One trial as it is learnt."""

    features: F32
    """(n_features,) where the coil is taken to have been."""

    probe_features: F32 | None
    """(4, n_features) at the probes beside it; None where one has no field."""

    log10_uv: F64
    """(n_muscles,)"""

    valid: Bools
    """(n_muscles,)"""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a session has taught; never changed in place."""

    belief: Belief
    watch: Watch
    changes: tuple[Change, ...] = ()

    @property
    def shift_mm(self) -> tuple[float, float]:
        """By how much true poses are beside reported ones now, as far as is known."""
        return shift_at(self.changes, self.watch.n_trials)


def first_learnt(
    prior: LastLayerPrior,
    shared: SharedSettings | None = None,
    watch: WatchSettings | None = None,
) -> Learnt:
    """Return what is known before the first trial."""
    how = watch or WatchSettings()
    return Learnt(
        belief=first_belief(prior, shared),
        watch=first_watch(prior.n_muscles, prior.n_latent, how),
    )


def learn_trial(learnt: Learnt, trial: LearntTrial) -> tuple[Learnt, Change | None]:
    """Return what is known after one more trial, and the change it gives away, if any.

    A change is not acted on yet: that is `learn_again` with it.
    """
    how = learnt.watch.settings
    effects = None
    if trial.probe_features is not None:
        effects = shift_effects(
            learnt.belief, trial.features, trial.probe_features, how
        )
    taken = take(
        learnt.belief, trial.features, log10_uv=trial.log10_uv, valid=trial.valid
    )
    watch = watch_trial(learnt.watch, taken.errors, effects)
    after = replace(learnt, belief=taken.belief, watch=watch)
    return after, found_change(watch, learnt.changes)


def learn_again(
    prior: LastLayerPrior,
    trials: Sequence[LearntTrial],
    changes: Sequence[Change],
    like: Learnt,
) -> Learnt:
    """Return what trials teach, one by one in order, changes being known.

    Trials after a shift began must come with the features of their moved poses. The
    watch starts anew.

    Parameters
    ----------
    prior
        Of the model in use.
    trials
        All that may be learnt.
    changes
        Found so far; those found after more trials than there are are forgotten.
    like
        Whose settings are kept.
    """
    kept = tuple(change for change in changes if change.found_trial <= len(trials))
    belief = first_belief(prior, like.belief.settings)
    for number, trial in enumerate(trials):
        belief = _at_onset(belief, kept, number)
        belief = take(
            belief, trial.features, log10_uv=trial.log10_uv, valid=trial.valid
        ).belief
    watch = first_watch(
        prior.n_muscles, prior.n_latent, like.watch.settings, len(trials)
    )
    return Learnt(_at_onset(belief, kept, len(trials)), watch, kept)


def with_change(
    changes: Sequence[Change], found: Change
) -> tuple[tuple[Change, ...], Change | None]:
    """Return the changes with one more, or without the one that it takes back.

    A shift that was no shift is soon followed by one the other way, and a halving that
    was none by its end at once: the watch then says that it was wrong. Later, a shift
    back or an electrode pressed on again is a change of its own.

    Returns
    -------
        The changes that now hold, and the one withdrawn, if any.
    """
    for one in reversed(changes):
        if _takes_back(found, one):
            return tuple(other for other in changes if other is not one), one
    return (*changes, found), None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A change that was found, and then taken back."""

    change: Change
    at_trial: int
    """Number of trials learnt when it was taken back."""


def known_after(
    n_trials: int, changes: Sequence[Change], withdrawn: Sequence[Withdrawn]
) -> tuple[tuple[Change, ...], tuple[Withdrawn, ...]]:
    """Return the changes that hold, and those withdrawn, as so many trials tell.

    What was found or withdrawn after more trials was not, by those that are left.
    """
    again = [one.change for one in withdrawn if one.at_trial > n_trials]
    known = [one for one in (*changes, *again) if one.found_trial <= n_trials]
    in_order = tuple(sorted(known, key=lambda one: one.found_trial))
    return in_order, tuple(one for one in withdrawn if one.at_trial <= n_trials)


def shift_at(changes: Sequence[Change], trial: int) -> tuple[float, float]:
    """Return by how much the pose of a trial is moved, all changes together, mm."""
    shifts = [one.shift_mm for one in changes if one.since_trial <= trial]
    return sum(x for x, _ in shifts), sum(y for _, y in shifts)


def muscle_answers(log10_uv: F64, changes: Sequence[Change], muscle: int) -> F64:
    """Return one muscle's log10 MEPs (n,) as they would be with its gain of now.

    Only what was evoked is rescaled; the amplifier's floor stays.
    """
    gain = _gain_at(changes, muscle, len(log10_uv))
    now = sum(one.log10_gain for one in changes if one.muscle == muscle)
    return np.asarray(np.maximum(_rescaled(log10_uv, now - gain), np.log10(FLOOR_UV)))


def answers_without_gains(log10_uv: F64, changes: Sequence[Change], muscle: int) -> F64:
    """Return one muscle's log10 MEPs (n,) as if its gain had never changed."""
    return _rescaled(log10_uv, -_gain_at(changes, muscle, len(log10_uv)))


def _gain_at(changes: Sequence[Change], muscle: int, n_trials: int) -> F64:
    """Return log10 of a muscle's gain at each trial (n_trials,), all changes together.

    What was halved and is back is exactly as before.
    """
    gain = np.zeros(n_trials)
    for one in changes:
        if one.muscle == muscle:
            gain[one.since_trial :] += one.log10_gain
    return gain


def _rescaled(log10_uv: F64, by_log10: F64) -> F64:
    """Return log10 MEPs (n,) whose evoked part is multiplied by 10^`by_log10` (n,).

    Evoked and floor add as squares (`reach_of`); what lies below the floor stays.
    """
    floor_power = 10.0 ** (2.0 * SharedSettings().floor_log10_uv)
    evoked_power = 10.0 ** (2.0 * log10_uv) - floor_power
    scaled = log10_uv.copy()
    moves = (evoked_power > 0.0) & (by_log10 != 0.0)
    power = evoked_power[moves] * 10.0 ** (2.0 * by_log10[moves]) + floor_power
    scaled[moves] = 0.5 * np.log10(power)
    return scaled


def _takes_back(found: Change, earlier: Change) -> bool:
    if (found.kind, found.muscle) != (earlier.kind, earlier.muscle):
        return False
    if found.kind is ChangeKind.GAIN:
        began_after = found.since_trial - earlier.found_trial
        return found.log10_gain == -earlier.log10_gain and began_after <= AT_ONCE_TRIALS
    left_mm = math.hypot(
        found.shift_mm[0] + earlier.shift_mm[0], found.shift_mm[1] + earlier.shift_mm[1]
    )
    age = found.found_trial - earlier.found_trial
    return left_mm <= TAKEN_BACK_MM and age <= TAKEN_BACK_TRIALS


def _at_onset(belief: Belief, changes: Sequence[Change], number: int) -> Belief:
    for one in changes:
        is_gain = one.kind is ChangeKind.GAIN and one.muscle is not None
        if is_gain and one.since_trial == number:
            belief = with_gain(belief, one.muscle or 0, one.log10_gain)
    return belief
