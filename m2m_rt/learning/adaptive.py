"""The last layer with what muscles share: slow excitability, and a common noise scale.

Around each muscle's weights stand three things that the population knows of: what is
evoked by all muscles rises and falls slowly with excitability; one muscle's gain may
have changed at a known trial (a slipped electrode); and a noisy session is noisy in all
muscles. Each muscle then learns as in `last_layer`, from what is left.

Taking a trial's own shared noise out before the weights learn was tried: it is mistaken
for the errors that all maps of a new subject have in common, which are then not learnt.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.learning.change import TrialErrors
from m2m_rt.learning.excitability import (
    Excitability,
    ExcitabilitySettings,
    first_excitability,
    one_pulse_later,
    see,
)
from m2m_rt.learning.last_layer import (
    SCALE_RANGE,
    LastLayerPrior,
    Posterior,
    Predicted,
    Terms,
    first_posterior,
    predict,
    terms_at,
    trial_variance,
    update,
)
from m2m_rt.units import F32, F64, Bools

Share = Annotated[float, Meta(ge=0, lt=1)]


class SharedSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """What muscles have in common; chosen on simulated subjects of other seeds."""

    floor_log10_uv: float = 0.85
    """Mean of log10 MEP without any response: the amplifier's floor."""

    noise_share: Share = 0.4
    """Part of a responding muscle's trial variance that all muscles have in common."""

    map_share: Share = 0.5
    """Part of the maps' own uncertainty that all muscles have in common."""

    state_caution: Annotated[float, Meta(ge=1)] = 1.3
    """Variance of a trial's word on excitability over what the shares make of it."""

    common_scale_dof: Annotated[float, Meta(gt=0)] = 20.0
    """How many trials the population's noise is worth for the common scale."""

    common_trial_weight: Annotated[float, Meta(ge=0)] = 4.0
    """How many independent errors all muscles of one trial are worth."""

    gain_spread_log10: Annotated[float, Meta(ge=0)] = 0.15
    """Uncertainty of a gain that was found to have changed."""

    excitability: ExcitabilitySettings = ExcitabilitySettings()


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed before the next trial; never changed in place."""

    layer: Posterior
    """Weights, and each muscle's noise beside the common scale."""

    settings: SharedSettings
    common_scale: float
    """Noise variance of this session over the population's."""

    common_dof: float
    excitability: Excitability
    """Before the next trial."""

    last_excitability: Excitability
    """At the last trial, after it."""

    gain_log10: F64
    """(n_muscles,): by how much a muscle's gain has changed since its weights began."""

    gain_variance: F64
    """(n_muscles,)"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A trial that was learnt."""

    belief: Belief
    errors: TrialErrors


def first_belief(
    prior: LastLayerPrior, settings: SharedSettings | None = None
) -> Belief:
    """Return what is believed before the first pulse."""
    how = settings or SharedSettings()
    calm = first_excitability(how.excitability)
    return Belief(
        layer=first_posterior(prior),
        settings=how,
        common_scale=1.0,
        common_dof=how.common_scale_dof,
        excitability=calm,
        last_excitability=calm,
        gain_log10=np.zeros(prior.n_muscles),
        gain_variance=np.zeros(prior.n_muscles),
    )


def foresee(belief: Belief, features: F32) -> Predicted:
    """Return the distribution of the next MEPs at features (n, n_features)."""
    base = predict(session_layer(belief), features)
    reach = reach_of(belief.settings, base.mean)
    state, state_variance = belief.excitability.moments()
    variance = base.sd**2 + reach**2 * (state_variance + belief.gain_variance)
    return Predicted(
        mean=base.mean + reach * (state + belief.gain_log10),
        sd=np.sqrt(variance),
        dof=base.dof,
    )


def trial_share(belief: Belief, features: F32, predicted: Predicted) -> F64:
    """Return (n, n_muscles): the part of the variance that no learning takes away.

    `predicted` is what `foresee` says at these features.
    """
    noise = trial_variance(session_layer(belief), features)
    share: F64 = noise / predicted.sd**2
    return share


def foresee_mean(belief: Belief, features: F32) -> F64:
    """Return means (n, n_muscles) in the usual state, changed gains included."""
    prior = belief.layer.prior
    moved = prior.factor @ belief.layer.latent_mean[:, :, np.newaxis]
    mean: F64 = features.astype(np.float64) @ (prior.mean + moved[:, :, 0]).T
    return mean + reach_of(belief.settings, mean) * belief.gain_log10


def take(belief: Belief, features: F32, *, log10_uv: F64, valid: Bools) -> Taken:
    """Return what is believed after one more trial, and its errors.

    Parameters
    ----------
    belief
        Before the trial.
    features
        (n_features,) of the stimulus that was given.
    log10_uv
        (n_muscles,): measured log10 MEPs; ignored where not valid.
    valid
        (n_muscles,): muscles whose MEP may be learnt.
    """
    layer = session_layer(belief)
    terms = terms_at(layer, features)
    reach = reach_of(belief.settings, terms.mean)
    state, state_variance = belief.excitability.moments()
    expected = terms.mean + reach * (state + belief.gain_log10)
    error = np.where(valid, log10_uv - expected, 0.0)
    extra = reach**2 * (state_variance + belief.gain_variance)
    after = update(layer, terms, error=error, extra_variance=extra, valid=valid)
    share = _shared_of(belief, terms, reach, valid)
    seen = see(
        belief.excitability,
        pull=share.pull(error) + share.precision * state,
        precision=share.precision,
    )
    variance = terms.spread + terms.noise + extra
    common = _common_scale(belief, error**2 / variance, valid)
    gain_step = np.where(valid, belief.gain_variance * reach / variance, 0.0)
    learnt = Belief(
        layer=replace(after, noise_scale=after.noise_scale / belief.common_scale),
        settings=belief.settings,
        common_scale=common[0],
        common_dof=common[1],
        excitability=one_pulse_later(seen, belief.settings.excitability),
        last_excitability=seen,
        gain_log10=belief.gain_log10 + gain_step * error,
        gain_variance=belief.gain_variance * (1.0 - gain_step * reach),
    )
    weight = np.where(valid, 1.0 / variance, 0.0)
    errors = TrialErrors(
        error=error,
        weight=share.weight,
        shared=np.column_stack((share.loadings, reach * np.sqrt(state_variance))),
        loading=terms.loading,
        gain=weight[:, np.newaxis] * terms.pulled,
        reach=reach,
        own_gain=gain_step,
        state_gain=share.by_state
        * (state_variance / (1.0 + state_variance * share.precision)),
        state_keep=belief.settings.excitability.keep,
    )
    return Taken(learnt, errors)


def with_gain(belief: Belief, muscle: int, log10_gain: float) -> Belief:
    """Return the belief after one muscle's gain is said to have changed."""
    mean, variance = belief.gain_log10.copy(), belief.gain_variance.copy()
    mean[muscle] += log10_gain
    variance[muscle] += belief.settings.gain_spread_log10**2
    return replace(belief, gain_log10=mean, gain_variance=variance)


def session_layer(belief: Belief) -> Posterior:
    """Return the last layer with this session's common noise in its scales."""
    scale = belief.layer.noise_scale * belief.common_scale
    return replace(belief.layer, noise_scale=scale)


def reach_of(settings: SharedSettings, mean: F64) -> F64:
    """Return how means move with log10 of what is evoked: 0 at the floor, else near 1.

    Evoked and floor add as squares, so the part that is evoked counts.
    """
    reach: F64 = 1.0 - 10.0 ** (2.0 * (settings.floor_log10_uv - mean))
    return np.maximum(reach, 0.0)


@dataclass(frozen=True, slots=True)
class _Shared:
    """How one trial's errors hang together, excitability apart."""

    weight: F64
    """(n_muscles,): 1 over what is the muscle's own; 0 where not valid."""

    loadings: F64
    """(n_muscles, 2): of the trial's shared noise, and of the maps' shared error."""

    by_state: F64
    """(n_muscles,): errors times this are the pull on excitability."""

    precision: float
    """Of the trial about excitability."""

    def pull(self, error: F64) -> float:
        """Return the pull of errors (n_muscles,) on excitability."""
        return float(self.by_state @ error)


def _shared_of(belief: Belief, terms: Terms, reach: F64, valid: Bools) -> _Shared:
    how = belief.settings
    noise = how.noise_share * reach * terms.noise
    maps = how.map_share * terms.spread
    own = terms.spread + terms.noise - noise - maps
    weight = np.where(valid, 1.0 / own, 0.0)
    loadings = np.sqrt(np.column_stack((noise, maps)))
    weighed = loadings * weight[:, np.newaxis]
    inner = np.eye(2) + loadings.T @ weighed
    by_state = reach * weight - weighed @ np.linalg.solve(inner, weighed.T @ reach)
    by_state = by_state / how.state_caution
    return _Shared(weight, loadings, by_state, float(by_state @ reach))


def _common_scale(belief: Belief, surprise: F64, valid: Bools) -> tuple[float, float]:
    """Return the common noise scale and its degrees of freedom after a trial."""
    scale, dof = belief.common_scale, belief.common_dof
    n_valid, most = float(valid.sum()), belief.settings.common_trial_weight
    if n_valid == 0.0 or most == 0.0:
        return scale, dof
    weight = most * n_valid / (n_valid + most)
    mean = float(surprise[valid].mean())
    rescaled = scale * (dof + weight * mean) / (dof + weight)
    return min(max(rescaled, SCALE_RANGE[0]), SCALE_RANGE[1]), dof + weight
