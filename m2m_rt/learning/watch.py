"""Watches a session for sudden changes, says which, and learns on without forgetting.

Two kinds are known in form: one muscle's gain halved (an electrode slipped; if that was
found, also that it is back), and a shift between the coil's reported and true place
(the head tracker moved). A muscle that is found changed keeps its map and gets a gain;
a shift moves the poses that are looked up. Both count from the trial where the evidence
began.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.learning.adaptive import Belief, foresee_mean
from m2m_rt.learning.change import Sums, TrialErrors, add_trial, no_sums
from m2m_rt.learning.shift import PROBE_MM, features_at
from m2m_rt.units import F32, F64, Bools

Positive = Annotated[float, Meta(gt=0)]

_ROUNDING = 1e-9


class WatchSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """What is watched for, and how sure it must be.

    Thresholds are those at which unchanged simulated sessions, drift of excitability
    included, gave about 0.9 claims in 300 pulses.
    """

    gains: tuple[float, ...] = (0.5,)
    """Of one muscle, each over what it was before: a halving. Where one was found, its
    undoing is watched for too."""

    n_directions: Annotated[int, Meta(gt=0)] = 8
    """Of a shift of 5 mm, evenly around."""

    gain_threshold: Positive = 8.25
    """Natural log of the likelihood ratio."""

    shift_threshold: Positive = 7.0
    first_trials: Annotated[int, Meta(ge=0)] = 50
    """Until then the subject is too new for a change to be told from learning."""

    longest_trials: Positive = 40.0
    """Evidence older than this starts anew: the weights have learnt it."""

    error_dof: Positive = 8.0
    """Of the errors' Student-t."""

    @property
    def gain_steps_log10(self) -> F64:
        """Return log10 of the gains, then of what undoes each."""
        steps = np.log10(self.gains)
        return np.concatenate((steps, -steps))

    @property
    def directions_mm(self) -> F64:
        """Return (n_directions, 2): the shifts, along the planned coil's x and y."""
        angles = 2.0 * np.pi * np.arange(self.n_directions) / self.n_directions
        return PROBE_MM * np.column_stack((np.cos(angles), np.sin(angles)))


class ChangeKind(StrEnum):
    """What has changed."""

    GAIN = "gain"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was found."""

    kind: ChangeKind
    muscle: int | None
    """Which one, of a gain."""

    log10_gain: float
    """0 for a shift."""

    shift_mm: tuple[float, float]
    """The true pose is the reported one moved by this along the planned coil's x and y
    axes; (0, 0) for a gain."""

    since_trial: int
    """Number of trials learnt before it began."""

    found_trial: int
    """Number of trials learnt when it was found."""

    log_ratio: float
    """Natural log of the likelihood ratio to no change."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The running sums of a session; never changed in place."""

    settings: WatchSettings
    gains: Sums
    shifts: Sums
    n_trials: int
    """Trials seen."""

    @property
    def is_awake(self) -> bool:
        """Whether the next trial counts as evidence."""
        return self.n_trials >= self.settings.first_trials


def first_watch(
    n_muscles: int, n_latent: int, settings: WatchSettings, n_trials: int = 0
) -> Watch:
    """Return a watch that starts after so many trials."""
    n_gains = len(settings.gain_steps_log10) * n_muscles
    return Watch(
        settings=settings,
        gains=no_sums(n_gains, n_muscles, n_latent),
        shifts=no_sums(settings.n_directions, n_muscles, n_latent),
        n_trials=n_trials,
    )


def watch_trial(watch: Watch, errors: TrialErrors, shift_effect: F64 | None) -> Watch:
    """Return the watch after a trial.

    Parameters
    ----------
    watch
        Before it.
    errors
        Of the trial.
    shift_effect
        (n_directions, n_muscles) of `shift_effects`; None where a pose beside the
        reported one has no field, and then the trial says nothing of shifts.
    """
    how = watch.settings
    counted = replace(watch, n_trials=watch.n_trials + 1)
    if not watch.is_awake:
        return counted
    gains = add_trial(
        watch.gains,
        errors,
        np.concatenate([np.diag(g * errors.reach) for g in how.gain_steps_log10]),
        dof=how.error_dof,
        max_age=how.longest_trials,
    )
    shifts = watch.shifts
    if shift_effect is None:  # no evidence, but time passes for what there is
        shifts = replace(shifts, age=shifts.age + (shifts.statistic > 0.0))
    else:
        shifts = add_trial(
            shifts,
            errors,
            shift_effect,
            dof=how.error_dof,
            max_age=how.longest_trials,
        )
    return replace(counted, gains=gains, shifts=shifts)


def shift_effects(
    belief: Belief, features: F32, probe_features: F32, settings: WatchSettings
) -> F64:
    """Return (n_directions, n_muscles): by how much each shift moves the answers.

    Parameters
    ----------
    belief
        Before the trial.
    features, probe_features
        (n_features,) at the reported pose, (4, n_features) at the probes beside it.
    settings
        Which shifts.
    """
    moved = features_at(features, probe_features, settings.directions_mm)
    rows = np.concatenate((features[np.newaxis].astype(np.float64), moved))
    mean = foresee_mean(belief, rows.astype(np.float32))
    effect: F64 = mean[1:] - mean[0]
    return effect


def found_change(watch: Watch, known: Sequence[Change]) -> Change | None:
    """Return the change that the evidence is enough for, or None.

    Parameters
    ----------
    watch
        After the last trial.
    known
        Changes that hold: a gain that none of them brought is not undone.
    """
    how = watch.settings
    gains = np.where(_may_be(watch, known), watch.gains.statistic, 0.0)
    gain, shift = int(gains.argmax()), int(watch.shifts.statistic.argmax())
    over_gain = float(gains[gain]) - how.gain_threshold
    over_shift = float(watch.shifts.statistic[shift]) - how.shift_threshold
    if max(over_gain, over_shift) <= 0.0:
        return None
    if over_gain >= over_shift:
        return _gain_change(watch, gain)
    x_mm, y_mm = how.directions_mm[shift].tolist()
    return Change(
        kind=ChangeKind.SHIFT,
        muscle=None,
        log10_gain=0.0,
        shift_mm=(x_mm, y_mm),
        since_trial=watch.n_trials - int(watch.shifts.age[shift]),
        found_trial=watch.n_trials,
        log_ratio=float(watch.shifts.statistic[shift]),
    )


def _may_be(watch: Watch, known: Sequence[Change]) -> Bools:
    """Return which gains of which muscles (n_steps x n_muscles,) may be found."""
    steps, n_muscles = watch.settings.gain_steps_log10, watch.gains.absorbed.shape[1]
    may_be = np.zeros((len(steps), n_muscles), np.bool_)
    may_be[: len(watch.settings.gains)] = True
    for muscle in range(n_muscles):
        held = sum(one.log10_gain for one in known if one.muscle == muscle)
        is_undone = np.abs(steps) <= abs(held) + _ROUNDING
        may_be[:, muscle] |= is_undone & (steps * held < 0.0)
    return may_be.ravel()


def _gain_change(watch: Watch, number: int) -> Change:
    step, muscle = divmod(number, watch.gains.absorbed.shape[1])
    return Change(
        kind=ChangeKind.GAIN,
        muscle=muscle,
        log10_gain=float(watch.settings.gain_steps_log10[step]),
        shift_mm=(0.0, 0.0),
        since_trial=watch.n_trials - int(watch.gains.age[number]),
        found_trial=watch.n_trials,
        log_ratio=float(watch.gains.statistic[number]),
    )
