"""Pose and intensity → E-field → features → mean and spread of log10 MEP."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import DataError, ModelRefused
from m2m_rt.learning import (
    Change,
    ChangeKind,
    Learnt,
    ResponseMap,
    Withdrawn,
    first_learnt,
    first_posterior,
    first_watch,
    foresee,
    known_after,
    learn_again,
    learn_trial,
    predict_mean,
    response_map_of,
    with_change,
)
from m2m_rt.nodes.answers import (
    Answer,
    LearntAnswer,
    LearntAnswers,
    as_seen_by,
    moved_from,
    without,
)
from m2m_rt.nodes.candidates import CandidateFields
from m2m_rt.nodes.fields import FieldSource, Shift, Stimulus
from m2m_rt.nodes.forecast import (
    Forecast,
    SeenChange,
    SharedState,
    forecast_of,
    shared_state_of,
)
from m2m_rt.ports import ModelLibrary, Predictor
from m2m_rt.units import F32, F64


class Forecaster:
    """The model in use, the answers it has learnt, and what they teach."""

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
        self._answers: LearntAnswers = ()
        self._learnt = first_learnt(self._shipped.prior)
        self._withdrawn: tuple[Withdrawn, ...] = ()
        self.posterior_seq = 0
        """Number of changes of the posterior."""

    @property
    def model_hash(self) -> str:
        """The model in use."""
        return self._predictor.model_hash

    @property
    def predictor(self) -> Predictor:
        """The model in use."""
        return self._predictor

    @property
    def learnt(self) -> Learnt:
        """Belief and changes after the last answer."""
        return self._learnt

    @property
    def answers(self) -> LearntAnswers:
        """What was learnt, in order, with the fields where coils are taken to be."""
        return self._answers

    @property
    def n_muscles(self) -> int:
        """Number of muscles predicted."""
        return self._shipped.prior.n_muscles

    @property
    def shared_state(self) -> SharedState:
        """What all muscles have in common at the last trial."""
        return shared_state_of(self._learnt.belief)

    @property
    def shift_mm(self) -> Shift:
        """By how much true poses are taken to lie beside reported ones."""
        return self._learnt.shift_mm

    def field(self, stimulus: Stimulus) -> F32 | str:
        """Return the model's input (1, n_roi, 3), or why the table has none.

        A shift that was found moves the pose, unless the table has no field there.
        """
        return self._source.at(stimulus, self.shift_mm)

    def forecast(self, field: F32, intensity_pct_mso: float) -> Forecast:
        """Return what the muscles will answer."""
        features = self._predictor.features(field)
        shipped = features
        if self._predictor is not self._shipped:
            shipped = self._shipped.features(field)
        return forecast_of(
            self._learnt.belief,
            features,
            intensity_pct_rmt=self._source.pct_rmt(intensity_pct_mso),
            prior_mean=predict_mean(self._before, shipped),
        )

    def candidate_features(self, head_from_coil: F64, intensity_pct_rmt: float) -> F32:
        """Return features (n, n_features) of poses (n, 4, 4), of the model in use."""
        fields = self.candidate_fields(head_from_coil)
        return fields.features(self._predictor, intensity_pct_rmt)

    def candidate_fields(self, head_from_coil: F64) -> CandidateFields:
        """Return the fields of poses (n, 4, 4), where the coil is taken to be."""
        return self._source.candidates(head_from_coil, self.shift_mm)

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
            probes = self._source.beside(answer.stimulus, self.shift_mm)
        rows = self._predictor.features(np.concatenate((field, *probes)))
        one = LearntAnswer(answer, field, rows[0])
        trial = one.as_trial(rows[1:] if probes else None)
        self._answers = (*self._answers, one)
        self._learnt, found = learn_trial(self._learnt, trial)
        self.posterior_seq += 1
        return None if found is None else self._take_change(found)

    def forget(self, answer: Answer) -> None:
        """Learn again, one by one, all but an answer that was learnt.

        Changes that were found at what is forgotten are forgotten too, and those that
        were withdrawn at it hold again.
        """
        answers, held = without(self._answers, answer), self._learnt.changes
        known, self._withdrawn = known_after(len(answers), held, self._withdrawn)
        differing = [one for one in (*held, *known) if (one in held) != (one in known)]
        if differing:
            first = min(one.since_trial for one in differing)
            answers = self._moved_from(first, answers, known)
        self._learn_again(answers, known)

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
        answers = as_seen_by(predictor, self._answers)
        trials = [one.as_trial() for one in answers]
        changes = self._learnt.changes
        learnt = learn_again(predictor.prior, trials, changes, self._learnt)
        if not np.all(np.isfinite(learnt.belief.layer.latent_mean)):
            found = "features of the trials so far are not finite"
            raise ModelRefused(f"model {model_hash[:12]}: {found}")
        self._predictor, self._answers, self._learnt = predictor, answers, learnt
        self.posterior_seq += 1

    def _take_change(self, found: Change) -> SeenChange:
        """Take a change into account from where it began, or only watch anew."""
        if not self._acts:
            self._learnt = _watching_anew(self._learnt)
            return SeenChange(found, withdrawn=False, acted_on=False)
        changes, withdrawn = with_change(self._learnt.changes, found)
        if withdrawn is not None:
            back = Withdrawn(withdrawn, at_trial=found.found_trial)
            self._withdrawn = (*self._withdrawn, back)
        one, answers = withdrawn or found, self._answers
        if one.kind is ChangeKind.SHIFT:
            answers = self._moved_from(one.since_trial, answers, changes)
        self._learn_again(answers, changes)
        return SeenChange(one, withdrawn=withdrawn is not None, acted_on=True)

    def _moved_from(
        self, first: int, answers: LearntAnswers, changes: Sequence[Change]
    ) -> LearntAnswers:
        return moved_from(
            first, answers, changes, source=self._source, predictor=self._predictor
        )

    def _learn_again(self, answers: LearntAnswers, changes: Sequence[Change]) -> None:
        trials = [one.as_trial() for one in answers]
        prior = self._predictor.prior
        self._answers = answers
        self._learnt = learn_again(prior, trials, changes, self._learnt)
        self.posterior_seq += 1


def _watching_anew(learnt: Learnt) -> Learnt:
    """Return the same, without the evidence of a change that is not acted on."""
    prior, watch = learnt.belief.layer.prior, learnt.watch
    fresh = first_watch(prior.n_muscles, prior.n_latent, watch.settings, watch.n_trials)
    return replace(learnt, watch=fresh)
