"""Pose and intensity → E-field → features → mean and spread of log10 MEP."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import DataError, ModelRefused
from m2m_rt.learning import (
    Change,
    ChangeKind,
    DoubtSettings,
    LastLayerPrior,
    Learnt,
    LearntTrial,
    ResponseMap,
    Watch,
    doubt_of,
    first_learnt,
    first_posterior,
    first_watch,
    foresee,
    learn_again,
    learn_trial,
    novelty,
    predict_mean,
    response_map_of,
    shift_at,
    with_baseline,
    with_change,
)
from m2m_rt.model import FLOOR_UV
from m2m_rt.nodes.fields import FieldSource, Shift, Stimulus
from m2m_rt.ports import ModelLibrary, Predictor
from m2m_rt.units import F32, F64, Bools


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
        acts_on_changes: bool = True,
    ) -> None:
        """Begin with the shipped model and nothing learnt.

        Raises
        ------
        ModelRefused
            If the model fails its checks.
        """
        self._source = FieldSource(lookup, rmt_pct_mso=rmt_pct_mso)
        self._library = library
        self._acts = acts_on_changes
        self._shipped = library.load(model_hash)
        self._before = first_posterior(self._shipped.prior)
        self._predictor: Predictor = self._shipped
        self._learnt = first_learnt(self._shipped.prior)
        self._doubt = DoubtSettings()
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

    @property
    def shared_state(self) -> SharedState:
        """What all muscles have in common at the last trial."""
        belief = self._learnt.belief
        how = belief.settings.excitability
        mean, variance = with_baseline(belief.last_excitability, how)
        return SharedState(mean, math.sqrt(variance), belief.common_scale)

    def field(self, stimulus: Stimulus) -> F32 | str:
        """Return the model's input (1, n_roi, 3), or why the table has none.

        A shift that was found moves the pose, unless the table has no field there.
        """
        return self._source.at(stimulus, self._learnt.shift_mm)

    def forecast(self, field: F32, intensity_pct_mso: float) -> Forecast:
        """Return what the muscles will answer."""
        features = self._predictor.features(field)
        belief = self._learnt.belief
        predicted = foresee(belief, features)
        shipped = features
        if self._predictor is not self._shipped:
            shipped = self._shipped.features(field)
        doubt = doubt_of(
            belief,
            float(novelty(belief, features, predicted)[0]),
            self._source.pct_rmt(intensity_pct_mso),
            self._doubt,
        )
        return Forecast(
            mean=_floats(predicted.mean),
            sd=_floats(predicted.sd),
            p05=_floats(predicted.quantile(0.05)),
            p95=_floats(predicted.quantile(0.95)),
            prior=_floats(predict_mean(self._before, shipped)),
            doubt=tuple(str(one) for one in doubt),
        )

    @property
    def shift_mm(self) -> Shift:
        """By how much true poses are taken to lie beside reported ones."""
        return self._learnt.shift_mm

    def candidate_features(self, head_from_coil: F64, intensity_pct_rmt: float) -> F32:
        """Return features (n, n_features) of poses (n, 4, 4), of the model in use."""
        fields = self._source.candidates(head_from_coil, self._learnt.shift_mm)
        return fields.features(self._predictor, intensity_pct_rmt)

    def answers_at(self, features: F32) -> ResponseMap:
        """Return the answers expected at features (n, n_features)."""
        return response_map_of(foresee(self._learnt.belief, features))

    def learn(self, answer: Answer) -> SeenChange | None:
        """Take one more answer in; return the change that it gave away, if any."""
        field = self.field(answer.stimulus)
        if isinstance(field, str):
            raise DataError(f"a stimulus that was predicted has no field: {field}")
        probes: tuple[F32, ...] = ()
        if self._learnt.watch.is_awake:
            probes = self._source.beside(answer.stimulus, self._learnt.shift_mm)
        rows = self._predictor.features(np.concatenate((field, *probes)))
        self._fields[answer], self._features[answer] = field, rows[0]
        trial = LearntTrial(
            features=rows[0],
            probe_features=rows[1:] if probes else None,
            log10_uv=answer.log10_uv,
            valid=answer.valid,
        )
        self._learnt, found = learn_trial(self._learnt, trial)
        self.posterior_seq += 1
        return None if found is None else self._take_change(found)

    def relearn(self, answers: Sequence[Answer]) -> None:
        """Forget all but these, which were learnt before, and learn them one by one.

        Changes that were found at what is forgotten are forgotten too.
        """
        held = self._learnt.changes
        self._fields = {one: self._fields[one] for one in answers}
        self._features = {one: self._features[one] for one in answers}
        kept = tuple(one for one in held if one.found_trial <= len(self._fields))
        if kept != held:
            first = min(one.since_trial for one in held if one not in kept)
            self._look_up_again(kept, first)
        self._learnt = self._taught(self._predictor.prior, self._features, kept)
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
        learnt = self._taught(predictor.prior, features, self._learnt.changes)
        if not np.all(np.isfinite(learnt.belief.layer.latent_mean)):
            found = "features of the trials so far are not finite"
            raise ModelRefused(f"model {model_hash[:12]}: {found}")
        self._predictor, self._learnt = predictor, learnt
        self._features = features
        self.posterior_seq += 1

    def _take_change(self, found: Change) -> SeenChange:
        """Take a change into account from where it began, or only watch anew."""
        if not self._acts:
            self._learnt = replace(self._learnt, watch=_watch_anew(self._learnt))
            return SeenChange(found, withdrawn=False, acted_on=False)
        changes, withdrawn = with_change(self._learnt.changes, found)
        one = withdrawn or found
        if one.kind is ChangeKind.SHIFT:
            self._look_up_again(changes, one.since_trial)
        self._learnt = self._taught(self._predictor.prior, self._features, changes)
        self.posterior_seq += 1
        return SeenChange(one, withdrawn=withdrawn is not None, acted_on=True)

    def _look_up_again(self, changes: Sequence[Change], first: int) -> None:
        """Look up trials from one on, each where its coil is now taken to have been."""
        for number, answer in list(enumerate(self._fields))[first:]:
            field = self._source.at(answer.stimulus, shift_at(changes, number))
            if not isinstance(field, str):
                self._fields[answer] = field
                (self._features[answer],) = self._predictor.features(field)

    def _taught(
        self,
        prior: LastLayerPrior,
        features: Mapping[Answer, F32],
        changes: Sequence[Change],
    ) -> Learnt:
        """Return what answers teach, one by one in order, changes being known."""
        trials = [
            LearntTrial(
                features=row,
                probe_features=None,
                log10_uv=answer.log10_uv,
                valid=answer.valid,
            )
            for answer, row in features.items()
        ]
        return learn_again(prior, trials, changes, self._learnt)


def _watch_anew(learnt: Learnt) -> Watch:
    prior, watch = learnt.belief.layer.prior, learnt.watch
    return first_watch(prior.n_muscles, prior.n_latent, watch.settings, watch.n_trials)


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


def _floats(values: F64) -> tuple[float, ...]:
    return tuple(values[0].tolist())
