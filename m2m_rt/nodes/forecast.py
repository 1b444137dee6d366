"""Pose and intensity → E-field → features → mean and spread of log10 MEP."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import DataError, ModelRefused
from m2m_rt.learning import (
    LastLayerPrior,
    Posterior,
    ResponseMap,
    first_posterior,
    learn,
    predict,
    predict_mean,
    rebuild,
    response_map,
)
from m2m_rt.model import FLOOR_UV, relative_efield
from m2m_rt.nodes.candidates import look_up
from m2m_rt.ports import ModelLibrary, Predictor
from m2m_rt.units import F32, F64, Bools


@dataclass(frozen=True, slots=True)
class Stimulus:
    """What was, or would be, given."""

    head_from_coil: F64
    intensity_pct_mso: float


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the muscles answered to a stimulus, as far as it may be learnt.

    Each is itself and equal to no other, so that it can be looked up by.
    """

    stimulus: Stimulus
    log10_uv: F64
    """(n_muscles,), with the amplifier's floor put in."""

    valid: Bools
    """(n_muscles,)"""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Distributions of log10 MEP, log10 µV, one value a muscle."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    p05: tuple[float, ...]
    p95: tuple[float, ...]
    prior: tuple[float, ...]
    """Mean of the shipped model without learning."""

    @property
    def is_finite(self) -> bool:
        """Whether all are numbers; a network may leave them on a field it never saw."""
        parts = (self.mean, self.sd, self.p05, self.p95, self.prior)
        return all(math.isfinite(value) for part in parts for value in part)


def answer_of(
    stimulus: Stimulus, mep_p2p_uv: Sequence[float | None], valid: Sequence[bool]
) -> Answer:
    """Return what may be learnt from measured amplitudes."""
    usable = [
        ok and size is not None for size, ok in zip(mep_p2p_uv, valid, strict=True)
    ]
    sizes_uv = np.array([size if size is not None else 0.0 for size in mep_p2p_uv])
    log10_uv = np.log10(np.maximum(sizes_uv, FLOOR_UV))
    return Answer(stimulus, log10_uv, np.array(usable))


class Forecaster:
    """The model in use, what it has learnt, and the table that feeds it."""

    def __init__(
        self,
        lookup: EfieldLookup,
        library: ModelLibrary,
        *,
        model_hash: str,
        rmt_pct_mso: float,
    ) -> None:
        """Begin with the shipped model and nothing learnt.

        Raises
        ------
        ModelRefused
            If the model fails its checks.
        """
        self._lookup = lookup
        self._library = library
        self._rmt_pct_mso = rmt_pct_mso
        self._shipped = library.load(model_hash)
        self._before = first_posterior(self._shipped.prior)
        self._predictor: Predictor = self._shipped
        self._posterior = self._before
        # Kept, for looking all of them up again takes longer with every trial.
        self._fields: dict[Answer, F32] = {}  # (1, n_roi, 3) each
        self._features: dict[Answer, F32] = {}  # (n_features,) of the model in use
        self.posterior_seq = 0
        """Number of changes of the posterior."""

    @property
    def model_hash(self) -> str:
        """The model in use."""
        return self._predictor.model_hash

    @property
    def n_muscles(self) -> int:
        """Number of muscles predicted."""
        return self._shipped.prior.n_muscles

    def field(self, stimulus: Stimulus) -> F32 | str:
        """Return the model's input (1, n_roi, 3), or why the table has none."""
        answer = self._lookup.query(stimulus.head_from_coil)
        if answer.unit_efield_v_per_m is None:
            return str(answer.reason)
        return relative_efield(
            answer.unit_efield_v_per_m,
            planned_peak_v_per_m=self._lookup.table.planned_peak_v_per_m,
            intensity_pct_rmt=100.0 * stimulus.intensity_pct_mso / self._rmt_pct_mso,
        )

    def forecast(self, field: F32) -> Forecast:
        """Return what the muscles will answer."""
        features = self._predictor.features(field)
        predicted = predict(self._posterior, features)
        shipped = features
        if self._predictor is not self._shipped:
            shipped = self._shipped.features(field)
        return Forecast(
            mean=_floats(predicted.mean),
            sd=_floats(predicted.sd),
            p05=_floats(predicted.quantile(0.05)),
            p95=_floats(predicted.quantile(0.95)),
            prior=_floats(predict_mean(self._before, shipped)),
        )

    def candidate_features(self, head_from_coil: F64, intensity_pct_rmt: float) -> F32:
        """Return features (n, n_features) of poses (n, 4, 4), of the model in use."""
        fields = look_up(self._lookup, head_from_coil)
        return fields.features(self._predictor, intensity_pct_rmt)

    def answers_at(self, features: F32) -> ResponseMap:
        """Return the answers expected at features (n, n_features)."""
        return response_map(self._posterior, features)

    def learn(self, answer: Answer) -> None:
        """Take one more answer into the posterior."""
        field = self.field(answer.stimulus)
        if isinstance(field, str):
            raise DataError(f"a stimulus that was predicted has no field: {field}")
        (features,) = self._predictor.features(field)
        self._fields[answer], self._features[answer] = field, features
        self._posterior = learn(
            self._posterior, features, log10_uv=answer.log10_uv, valid=answer.valid
        )
        self.posterior_seq += 1

    def relearn(self, answers: Sequence[Answer]) -> None:
        """Forget all but these, which were learnt before, and learn them one by one."""
        self._fields = {one: self._fields[one] for one in answers}
        self._features = {one: self._features[one] for one in answers}
        self._posterior = _learnt(self._predictor.prior, self._features)
        self.posterior_seq += 1

    def switch(self, model_hash: str) -> None:
        """Use another model, with all that was learnt so far.

        Raises
        ------
        ModelRefused
            If the model fails its checks, is of other muscles, or gives no numbers for
            what was learnt so far; then nothing has changed.
        """
        predictor = self._library.load(model_hash)
        if predictor.prior.n_muscles != self.n_muscles:
            found = f"{predictor.prior.n_muscles} muscles, not {self.n_muscles}"
            raise ModelRefused(f"model {model_hash[:12]}: {found}")
        features = _features_of(predictor, self._fields)
        posterior = _learnt(predictor.prior, features)
        if not np.all(np.isfinite(posterior.latent_mean)):
            found = "features of the trials so far are not finite"
            raise ModelRefused(f"model {model_hash[:12]}: {found}")
        self._predictor, self._posterior = predictor, posterior
        self._features = features
        self.posterior_seq += 1


def _features_of(
    predictor: Predictor, fields: Mapping[Answer, F32]
) -> dict[Answer, F32]:
    """Return a model's features of all fields, in one call of the network.

    Their last bits may not be those of one call a field; live and replay make the same
    call, so they are the same there.
    """
    if not fields:
        return {}
    rows = predictor.features(np.concatenate(list(fields.values())))
    return dict(zip(fields, rows, strict=True))


def _learnt(prior: LastLayerPrior, features: Mapping[Answer, F32]) -> Posterior:
    """Return the belief after answers, learnt one by one in order."""
    if not features:
        return first_posterior(prior)
    return rebuild(
        prior,
        np.array(list(features.values())),  # (n, n_features)
        log10_uv=np.array([one.log10_uv for one in features]),
        valid=np.array([one.valid for one in features]),
    )


def _floats(values: F64) -> tuple[float, ...]:
    return tuple(values[0].tolist())
