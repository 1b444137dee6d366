"""Asks for refits between pulses, and decides which network is used next."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from m2m_rt.learning import PromotionRule, promotes
from m2m_rt.messages import (
    ChangeSeen,
    FitFinished,
    FitJudged,
    FitRequest,
    Message,
    ModelPromoted,
    PromotionRefused,
    SessionEvent,
    SessionEventKind,
    Trial,
    encode,
)
from m2m_rt.nodes.known_changes import KnownChanges
from m2m_rt.units import RigNs

Count = Annotated[int, Meta(gt=0)]


class TrainSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """When to refit, and when to believe it."""

    model_hash: str
    """sha256 of the shipped model that the session begins with."""

    rng_seed: int = 0
    first_fit_trials: Count = 20
    """Trials that were learnt before the first refit."""

    fit_every_trials: Count = 20
    n_held_out: Count = 10
    """Last trials that a candidate does not see and is scored on."""

    promotion: PromotionRule = PromotionRule()


class TrainNode:
    """One fit at a time; the newest promoted model is the parent of the next.

    A promoted model that predictd refuses is taken out of the line of parents.
    """

    def __init__(self, settings: TrainSettings) -> None:
        """Begin with the shipped model and no trials."""
        self._settings = settings
        self._trials: dict[int, Trial] = {}
        self._changes = KnownChanges()
        self._lineage = [settings.model_hash]
        self._generation = 0
        self._n_fits = 0
        self._running: FitRequest | None = None
        self._n_held_out_meps = 0  # of the fit that runs
        self._next_fit_at = settings.first_fit_trials

    def step(self, now_ns: RigNs, message: Message) -> Iterable[Message]:
        """Take one message; give a fit to do or a model to use."""
        match message:
            case Trial():
                self._keep(message)
                return self._fit_if_due(now_ns)
            case ChangeSeen():
                self._changes.hear(message, len(self._learnt()))
                return ()
            case FitFinished():
                return self._finish(now_ns, message)
            case SessionEvent(kind=SessionEventKind.ROLL_BACK):
                return self._roll_back(now_ns)
            case PromotionRefused():
                self._take_back(message)
                return ()
            case _:
                return ()

    def _keep(self, trial: Trial) -> None:
        known = self._trials.get(trial.trial_index)
        if known is None or trial.revision > known.revision:
            self._trials[trial.trial_index] = trial
            self._changes.forget_after(len(self._learnt()))

    def _learnt(self) -> list[Trial]:
        """Return the trials that predictd has learnt, in order."""
        return [trial for trial in self._trials.values() if any(trial.learnt)]

    def _fit_if_due(self, now_ns: RigNs) -> Iterable[FitRequest]:
        learnt = self._learnt()
        if self._running is not None or len(learnt) < self._next_fit_at:
            return
        self._running = FitRequest(
            t_ns=now_ns,
            fit_id=self._n_fits,
            parent_hash=self._lineage[-1],
            n_trials=len(learnt),
            n_held_out=self._settings.n_held_out,
            rng_seed=self._settings.rng_seed + self._n_fits,
            trials=tuple(encode(trial) for trial in learnt),
            changes=self._changes.held,
        )
        held_out = learnt[-self._settings.n_held_out :]
        self._n_held_out_meps = sum(len(trial.learnt) for trial in held_out)
        self._n_fits += 1
        self._next_fit_at = len(learnt) + self._settings.fit_every_trials
        yield self._running

    def _finish(
        self, now_ns: RigNs, fit: FitFinished
    ) -> Iterable[FitJudged | ModelPromoted]:
        asked = self._running
        if asked is None or asked.fit_id != fit.fit_id:
            return  # not the one that runs
        self._running = None
        fault = self._fault(asked, fit)
        scores = f"log score {fit.candidate_score:.3f} over {fit.incumbent_score:.3f}"
        yield FitJudged(
            t_ns=now_ns,
            fit_id=fit.fit_id,
            parent_hash=asked.parent_hash,
            model_hash=fit.model_hash,
            promoted=fault is None,
            reason=scores if fault is None else fault,
            candidate_score=fit.candidate_score,
            incumbent_score=fit.incumbent_score,
            n_scored=fit.n_scored,
        )
        if fault is None and fit.model_hash is not None:
            yield self._use(now_ns, fit.model_hash, self._lineage[-1], scores)
            self._lineage.append(fit.model_hash)

    def _fault(self, asked: FitRequest, fit: FitFinished) -> str | None:
        """Return why a candidate is not used, or None if it is."""
        if fit.model_hash is None:
            return f"no candidate: {fit.error or 'no reason given'}"
        if asked.parent_hash != self._lineage[-1]:
            return "its parent is no longer in use"
        if asked.changes != self._changes.held:
            return "a change was found, or taken back, while it ran"
        if self._is_better(fit):
            return None
        return (
            f"not clearly better: log score {fit.candidate_score:.3f} against "
            f"{fit.incumbent_score:.3f} on {fit.n_scored} of "
            f"{self._n_held_out_meps} held-out MEPs"
        )

    def _is_better(self, fit: FitFinished) -> bool:
        return promotes(
            self._settings.promotion,
            candidate=fit.candidate_score,
            incumbent=fit.incumbent_score,
            n_scored=fit.n_scored,
            n_held_out=self._n_held_out_meps,
        )

    def _roll_back(self, now_ns: RigNs) -> Iterable[ModelPromoted]:
        if len(self._lineage) > 1:
            bad_hash = self._lineage.pop()
            yield self._use(now_ns, self._lineage[-1], bad_hash, "rolled back")

    def _take_back(self, refused: PromotionRefused) -> None:
        """Let the model that is in use be the parent, not the one that was refused."""
        if refused.model_hash == refused.kept_hash:
            return
        kept = [one for one in self._lineage if one != refused.model_hash]
        # A later promotion may be on its way, and is then what will be in use.
        is_newest = refused.generation == self._generation
        if not kept or (is_newest and kept[-1] != refused.kept_hash):
            kept.append(refused.kept_hash)
        self._lineage = kept

    def _use(
        self, now_ns: RigNs, model_hash: str, parent_hash: str, reason: str
    ) -> ModelPromoted:
        self._generation += 1
        return ModelPromoted(
            t_ns=now_ns,
            model_hash=model_hash,
            parent_hash=parent_hash,
            generation=self._generation,
            reason=reason,
        )
