"""What becomes of an electrode that slips and is pressed on again."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.learning import ChangeKind
from m2m_rt.nets.sessions import Progress
from m2m_rt.sim import SeedStream
from m2m_rt.studies.adapt_changes import (
    CHANGE_AT,
    GAIN,
    NATURAL_DRIFT_LOG10,
    responsive_pulses,
)
from m2m_rt.studies.adapt_people import (
    Person,
    Pulses,
    World,
    answers_log10_uv,
    draw_person,
    draw_pulses,
    drive_over_threshold,
)
from m2m_rt.studies.adapt_plan import AdaptPlan, Figures, each
from m2m_rt.studies.adapt_rig import Rig
from m2m_rt.studies.adapt_run import run_session
from m2m_rt.studies.adapt_state import drift
from m2m_rt.studies.adapt_summary import share_of
from m2m_rt.units import F64

UNDONE_AT = CHANGE_AT + 40
PULSES_AFTER = 60
SESSIONS_A_SUBJECT = 2
_SETTLED = 20
"""Pulses after which errors count."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one session."""

    was_found: bool
    """Whether the halving was, before it was undone."""

    delay: float
    """Pulses until the muscle's rise was found, or its halving taken back; infinite if
    neither came."""

    muscle_right: bool | None
    """Of the first rise that was found, of any muscle; None without one."""

    rmse_before: float
    """Of the muscle's log10 MEPs, in the pulses before it all began."""

    rmse_after: float
    """From 20 pulses after its gain was as before on."""


def undone_figures(rig: Rig, plan: AdaptPlan, progress: Progress) -> Figures:
    """Return how the undoing of a halving is found where the halving was."""
    judged = each(
        "changes: gain undone",
        SESSIONS_A_SUBJECT * plan.n_subjects,
        progress,
        lambda index: judge_undone(rig, seed=plan.seed, index=index),
    )
    found = [one for one in judged if one.was_found]
    named = [one.muscle_right for one in found if one.muscle_right is not None]
    return {
        "runs": len(judged),
        "halving_found": share_of([one.was_found for one in judged]),
        **{
            f"within_{n}": share_of([one.delay <= n for one in found])
            for n in (10, 20, 30, 60)
        },
        "muscle_right": share_of(named),
        "rmse_log10": {
            "before": _mean([one.rmse_before for one in found]),
            "after": _mean([one.rmse_after for one in found]),
        },
    }


def judge_undone(rig: Rig, *, seed: int, index: int) -> Undone:
    """Return how one session goes in which a muscle's gain is halved, then is not."""
    n_pulses = UNDONE_AT + PULSES_AFTER
    person, rng = draw_person(
        rig, World.SAME, stream=SeedStream.EVALUATION, seed=seed + 6, index=index
    )
    muscle = int(rng.integers(person.n_muscles))
    drawn = draw_pulses(rig, n_pulses, rng)
    pulses = responsive_pulses(rig, person, drawn, (muscle, rng))
    answers = _answers(rig, (person, pulses), muscle, rng)
    run = run_session(rig, (person, pulses), answers)
    found = sorted((*run.changes, *run.withdrawing), key=lambda one: one.found_trial)
    gains = [one for one in found if one.kind is ChangeKind.GAIN]
    rises = [
        one for one in gains if one.log10_gain > 0.0 and one.found_trial > UNDONE_AT
    ]
    right = [one for one in rises if one.muscle == muscle]
    squares = (run.predicted.mean[:, muscle] - answers[:, muscle]) ** 2
    usual = slice(CHANGE_AT - PULSES_AFTER + _SETTLED, CHANGE_AT)
    return Undone(
        was_found=any(
            one.muscle == muscle and CHANGE_AT < one.found_trial <= UNDONE_AT
            for one in gains
        ),
        delay=right[0].found_trial - UNDONE_AT if right else np.inf,
        muscle_right=rises[0].muscle == muscle if rises else None,
        rmse_before=float(np.sqrt(squares[usual].mean())),
        rmse_after=float(np.sqrt(squares[UNDONE_AT + _SETTLED :].mean())),
    )


def _answers(
    rig: Rig, stimuli: tuple[Person, Pulses], muscle: int, rng: np.random.Generator
) -> F64:
    """Return log10 MEPs (n, n_muscles), the muscle's halved for a while."""
    person, pulses = stimuli
    drive = drive_over_threshold(rig, person, pulses)
    log10_gain = np.zeros_like(drive)
    log10_gain += drift(rng, len(pulses), NATURAL_DRIFT_LOG10)[:, np.newaxis]
    log10_gain[CHANGE_AT:UNDONE_AT, muscle] += np.log10(GAIN)
    return answers_log10_uv(person, drive, rng, log10_gain)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
