"""The brain's slow state: one number that all muscles share, tracked with its spread.

Excitability multiplies what is evoked, alike in all muscles; in log10 it adds. How fast
it moves differs between people and sessions, so a small bank of first-order processes
is kept, weighed by how well each foretold the trials so far. One of them never moves.
Only changes can be told: a session's usual level is part of what the muscles' weights
learn, and the interval says how far that may have drifted along.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.units import F64


class ExcitabilitySettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How excitability may move."""

    spreads_log10: tuple[float, ...] = (0.0, 0.03, 0.06, 0.1)
    """Standing sd of each process of the bank, log10 of evoked size."""

    time_constant_pulses: Annotated[float, Meta(gt=0)] = 60.0
    forgetting: Annotated[float, Meta(gt=0, le=1)] = 0.995
    """Of the processes' weights a pulse, so that a calm hour rules out no drift."""

    @property
    def keep(self) -> float:
        """What is left of a deviation one pulse later."""
        return float(np.exp(-1.0 / self.time_constant_pulses))


@dataclass(frozen=True, slots=True)
class Excitability:
    """What is believed before the next trial; never changed in place."""

    mean: F64
    """(n_processes,), log10 of evoked size over the session's usual one."""

    variance: F64
    """(n_processes,)"""

    log_weight: F64
    """(n_processes,)"""

    n_pulses: int
    """Trials seen."""

    def moments(self) -> tuple[float, float]:
        """Return mean and variance about the usual level as it was learnt."""
        weight = np.exp(self.log_weight)
        mean = float(weight @ self.mean)
        spread = float(weight @ (self.variance + (self.mean - mean) ** 2))
        return mean, spread


def first_excitability(settings: ExcitabilitySettings) -> Excitability:
    """Return what is believed at the start of a session: the usual, by definition."""
    n = len(settings.spreads_log10)
    return Excitability(
        mean=np.zeros(n),
        variance=np.zeros(n),
        log_weight=np.full(n, -np.log(n)),
        n_pulses=0,
    )


def see(state: Excitability, *, pull: float, precision: float) -> Excitability:
    """Return the belief at the time of a trial, after it.

    Parameters
    ----------
    state
        Belief before it.
    pull, precision
        The trial's log likelihood of excitability x is `pull · x − ½ precision · x²`.
    """
    seen = replace(state, n_pulses=state.n_pulses + 1)
    if precision <= 0.0:
        return seen
    spread = state.variance + 1.0 / precision
    surprise = pull / precision - state.mean
    log_weight = state.log_weight - 0.5 * (np.log(spread) + surprise**2 / spread)
    gain = state.variance / spread
    return replace(
        seen,
        mean=state.mean + gain * surprise,
        variance=state.variance * (1.0 - gain),
        log_weight=log_weight - np.logaddexp.reduce(log_weight),
    )


def one_pulse_later(state: Excitability, how: ExcitabilitySettings) -> Excitability:
    """Return the belief before the next trial."""
    stand = np.array(how.spreads_log10) ** 2
    log_weight = how.forgetting * state.log_weight
    return replace(
        state,
        mean=how.keep * state.mean,
        variance=how.keep**2 * state.variance + (1.0 - how.keep**2) * stand,
        log_weight=log_weight - np.logaddexp.reduce(log_weight),
    )


def with_baseline(
    state: Excitability, how: ExcitabilitySettings
) -> tuple[float, float]:
    """Return mean and variance about the session's true usual level.

    The weights have learnt the mean excitability of the trials so far as the usual; of
    a first-order process that mean has this much variance itself.
    """
    mean, variance = state.moments()
    pulses = max(state.n_pulses, 1) / how.time_constant_pulses
    learnt = 2.0 * (pulses - 1.0 + np.exp(-pulses)) / pulses**2
    stand = np.array(how.spreads_log10) ** 2
    return mean, variance + float(np.exp(state.log_weight) @ stand * learnt)
