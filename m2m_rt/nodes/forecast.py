"""What is believed, in words: distributions of answers, the state, a change."""

import math
from dataclasses import dataclass

from m2m_rt.learning import (
    Belief,
    Change,
    DoubtSettings,
    doubt_of,
    foresee,
    novelty,
    with_baseline,
)
from m2m_rt.units import F32, F64

_DOUBT = DoubtSettings()


@dataclass(frozen=True, slots=True)
class Forecast:
    """Distributions of log10 MEP, log10 µV, one value a muscle."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    p05: tuple[float, ...]
    p95: tuple[float, ...]
    prior: tuple[float, ...]
    """Mean of the shipped model without learning."""

    doubt: tuple[str, ...] = ()
    """Why it is to be trusted less than its interval says."""

    @property
    def is_finite(self) -> bool:
        """Whether all are numbers; a network may leave them on a field it never saw."""
        parts = (self.mean, self.sd, self.p05, self.p95, self.prior)
        return all(math.isfinite(value) for part in parts for value in part)


@dataclass(frozen=True, slots=True)
class SeenChange:
    """A change that was found, or taken back."""

    change: Change
    withdrawn: bool
    acted_on: bool


@dataclass(frozen=True, slots=True)
class SharedState:
    """What all muscles have in common at the last trial."""

    mean_log10: float
    """Excitability over the session's usual, log10 of what is evoked."""

    sd_log10: float
    noise_scale: float
    """Trial variance over the population's."""


def forecast_of(
    belief: Belief, features: F32, *, intensity_pct_rmt: float, prior_mean: F64
) -> Forecast:
    """Return what the muscles will answer, as far as is known.

    Parameters
    ----------
    belief
        Before the pulse.
    features
        (1, n_features) of the model in use.
    intensity_pct_rmt
        What the features were made at.
    prior_mean
        (1, n_muscles) of the shipped model, nothing learnt.
    """
    predicted = foresee(belief, features)
    new = float(novelty(belief, features, predicted)[0])
    return Forecast(
        mean=_floats(predicted.mean),
        sd=_floats(predicted.sd),
        p05=_floats(predicted.quantile(0.05)),
        p95=_floats(predicted.quantile(0.95)),
        prior=_floats(prior_mean),
        doubt=tuple(map(str, doubt_of(belief, new, intensity_pct_rmt, _DOUBT))),
    )


def shared_state_of(belief: Belief) -> SharedState:
    """Return what all muscles have in common at the last trial."""
    how = belief.settings.excitability
    mean, variance = with_baseline(belief.last_excitability, how)
    return SharedState(mean, math.sqrt(variance), belief.common_scale)


def _floats(values: F64) -> tuple[float, ...]:
    return tuple(values[0].tolist())
