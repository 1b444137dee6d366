"""Slow excitability in a study: how it moves, and how well it can be followed."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.learning import (
    ExcitabilitySettings,
    first_excitability,
    one_pulse_later,
    see,
)
from m2m_rt.sim import SeedStream
from m2m_rt.studies.adapt_people import (
    World,
    answers_log10_uv,
    draw_person,
    draw_pulses,
    drive_over_threshold,
)
from m2m_rt.studies.adapt_rig import Rig
from m2m_rt.studies.adapt_run import run_session
from m2m_rt.studies.adapt_truth import Truth, true_curves
from m2m_rt.units import F64

TIME_CONSTANT_PULSES = 60.0
DRIFTS = {
    "slow_0.05": (0.05, 60.0),
    "slow_0.10": (0.10, 60.0),
    "quicker_0.10": (0.10, 30.0),
}
"""Standing sd in log10 of evoked size, and time constant in pulses."""

FIRST_PULSE = 100
"""Until then the maps are too new; the filter that knows them is not."""

RAMP_PULSES = 90
RAMP_FROM = 150
RAMP_GAIN = 1.5
N_PULSES = 300


@dataclass(frozen=True, slots=True)
class OracleState:
    """Excitability by the filter that knows the true means, spreads and process."""

    before: F64
    """(n, 2): mean and variance before each pulse."""

    after: F64
    """(n, 2)"""


@dataclass(frozen=True, slots=True)
class StateScore:
    """One session's excitability, log10, from `FIRST_PULSE` on.

    Errors are about the session's own mean error: the usual level is a matter of
    definition.
    """

    rmse: float
    rmse_oracle: float
    rmse_none: float
    """Of saying that nothing moves."""

    coverage_90: float
    """Of the interval about the usual level."""


def drift(
    rng: np.random.Generator,
    n_pulses: int,
    spread_log10: float,
    time_constant_pulses: float = TIME_CONSTANT_PULSES,
) -> F64:
    """Return a first-order process (n_pulses,) of a standing sd."""
    keep = np.exp(-1.0 / time_constant_pulses)
    noise = rng.standard_normal(n_pulses)
    values = np.empty(n_pulses)
    values[0] = noise[0]
    for number in range(1, n_pulses):
        values[number] = keep * values[number - 1]
        values[number] += np.sqrt(1.0 - keep**2) * noise[number]
    return np.asarray(spread_log10 * values)


def oracle_state(
    truth: Truth,
    log10_uv: F64,
    spread_log10: float,
    time_constant_pulses: float = TIME_CONSTANT_PULSES,
) -> OracleState:
    """Return excitability as who knows everything else would follow it."""
    how = ExcitabilitySettings(
        spreads_log10=(spread_log10,), time_constant_pulses=time_constant_pulses
    )
    both = np.stack((truth.reach, log10_uv - truth.mean), axis=-1)  # (n, m, 2)
    whitened = np.linalg.solve(truth.covariance(), both)
    pulls = np.einsum("nm,nmk->nk", truth.reach, whitened)  # precision, pull
    state = first_excitability(how)
    before, after = [], []
    for precision, pull in pulls:
        before.append(state.moments())
        state = see(state, pull=float(pull), precision=float(precision))
        after.append(state.moments())
        state = one_pulse_later(state, how)
    return OracleState(np.array(before), np.array(after))


def judge_drift(rig: Rig, name: str, *, seed: int, index: int) -> StateScore:
    """Return how one session's drift was followed."""
    spread_log10, time_constant = DRIFTS[name]
    number = len(DRIFTS) * index + list(DRIFTS).index(name)
    person, rng = draw_person(
        rig, World.SAME, stream=SeedStream.EVALUATION, seed=seed + 3, index=number
    )
    pulses = draw_pulses(rig, N_PULSES, rng)
    drive = drive_over_threshold(rig, person, pulses)
    true = drift(rng, N_PULSES, spread_log10, time_constant)
    log10_uv = answers_log10_uv(person, drive, rng, true[:, np.newaxis])
    run = run_session(rig, (person, pulses), log10_uv)
    truth = true_curves(person.recruitment).at(drive)
    oracle = oracle_state(truth, log10_uv, spread_log10, time_constant)
    said = run.excitability[FIRST_PULSE:]
    error = said[:, 0] - true[FIRST_PULSE:]
    inside = np.abs(error) <= 1.645 * np.sqrt(said[:, 2])
    return StateScore(
        rmse=float(np.std(error)),
        rmse_oracle=float(np.std(oracle.after[FIRST_PULSE:, 0] - true[FIRST_PULSE:])),
        rmse_none=float(np.std(true[FIRST_PULSE:])),
        coverage_90=float(np.mean(inside)),
    )


def follow_ramp(rig: Rig, *, seed: int, index: int) -> F64:
    """Return what was said (N_PULSES,) while excitability rose by half in 90 pulses."""
    person, rng = draw_person(
        rig, World.SAME, stream=SeedStream.EVALUATION, seed=seed + 4, index=index
    )
    pulses = draw_pulses(rig, N_PULSES, rng)
    drive = drive_over_threshold(rig, person, pulses)
    moves = true_ramp()[:, np.newaxis]
    log10_uv = answers_log10_uv(person, drive, rng, moves)
    run = run_session(rig, (person, pulses), log10_uv)
    return np.asarray(run.excitability[:, 0])


def true_ramp() -> F64:
    """Return the rise (N_PULSES,), log10."""
    part = np.clip((np.arange(N_PULSES) - RAMP_FROM) / RAMP_PULSES, 0.0, 1.0)
    return np.asarray(np.log10(RAMP_GAIN) * part)
