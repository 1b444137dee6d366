"""The published design: six networks and their rivals predict the same pulses."""

import hashlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.nets.paper import PaperHead, PaperInput
from m2m_rt.nets.paper_data import (
    PaperData,
    PaperDesign,
    PaperPulses,
    draw_paper_pulses,
    record,
)
from m2m_rt.nets.paper_settings import EncoderSettings, MapperSettings
from m2m_rt.nets.paper_training import PaperRun, PaperSettings
from m2m_rt.nets.sessions import HeadField, Progress
from m2m_rt.sim import SeedStream, subject_rng
from m2m_rt.studies.paper_networks import EncoderBank, fit_networks
from m2m_rt.studies.paper_scores import ScoredPulses, Sizes, floored_log10
from m2m_rt.studies.paper_splits import Fold, Split, SplitName, paper_split
from m2m_rt.studies.paper_store import Outcome, OutcomeStore
from m2m_rt.studies.simulators import SIMULATORS
from m2m_rt.studies.systems import Fitted, Predicted, System
from m2m_rt.units import F64

CEILING = "ceiling"
"""The subject's own expectation: nothing can predict better."""

_FORMAT = 1
"""Of what a fit does: part of every stored outcome's name."""


class StudyPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked, of whom, with which settings."""

    seed: Annotated[int, Meta(ge=0)] = 1
    """Of poses, splits, subjects and weights."""

    n_subjects: Annotated[int, Meta(gt=0)] = 1
    """Of each simulator."""

    simulators: tuple[str, ...] = tuple(SIMULATORS)
    splits: tuple[SplitName, ...] = tuple(SplitName)
    side: int = 32
    design: PaperDesign = PaperDesign()
    encoder: EncoderSettings = EncoderSettings()
    mapper: MapperSettings = MapperSettings()

    @property
    def settings(self) -> PaperSettings:
        """Of the networks, as far as the input does not matter."""
        return PaperSettings(
            side=self.side,
            encoder=self.encoder,
            mapper=self.mapper,
            design=self.design,
        )


QUICK = StudyPlan(
    simulators=("goetz",),
    encoder=EncoderSettings(epochs=4),
    mapper=MapperSettings(epochs=20, rate_step_epochs=3),
    design=PaperDesign(n_pulses=(60, 30, 30, 20)),
)
"""All that the study does in a few minutes; its figures are those of a small try."""


@dataclass(frozen=True, slots=True)
class SubjectData:
    """One simulated person's recording."""

    simulator: str
    subject: int
    pulses: PaperData


@dataclass(frozen=True, slots=True)
class Answer:
    """What one system said of one subject's test pulses."""

    simulator: str
    subject: int
    split: SplitName
    system: str
    """`nrp.both`, `pca_gp`, `ceiling`, …"""

    tested: ScoredPulses
    intensity_pct_rmt: F64
    """(n,): of the test pulses."""

    sizes: Sizes


@dataclass(frozen=True, slots=True)
class Study:
    """A plan with everything that its answers are made from."""

    plan: StudyPlan
    head: HeadField
    rivals: tuple[System, ...]
    """Beside the six networks."""

    bank: EncoderBank
    store: OutcomeStore

    @property
    def pulses(self) -> PaperPulses:
        """The poses and intensities that all subjects share."""
        return self.bank.pulses


def plan_study(
    head: HeadField, plan: StudyPlan, rivals: tuple[System, ...], cache: Path | None
) -> Study:
    """Draw the recording's poses and make room for what will be stored."""
    pulses = draw_paper_pulses(
        head, plan.design, subject_rng(plan.seed, SeedStream.DESIGN)
    )
    bank = EncoderBank(head, pulses, plan.settings, plan.seed, cache)
    return Study(plan, head, rivals, bank, OutcomeStore(cache))


def answers(study: Study, progress: Progress) -> Iterator[Answer]:
    """Give every system's answer to every subject and split, and the ceiling's.

    What is in the cache is taken from there, so that a killed study goes on.
    """
    splits = [split_of(study, name) for name in study.plan.splits]
    people = [
        (simulator, subject)
        for simulator in study.plan.simulators
        for subject in range(study.plan.n_subjects)
    ]
    for done, (simulator, subject) in enumerate(people):
        data = draw_subject_data(study, simulator, subject)
        for split in splits:
            yield from split_answers(study, data, split, progress)
        progress("subjects", done + 1, len(people))


def split_answers(
    study: Study, data: SubjectData, split: Split, progress: Progress
) -> Iterator[Answer]:
    """Give each system's answer to one subject and split, its folds put together."""
    said: dict[str, list[Outcome]] = {}
    for fold in split.folds:
        outcomes = fold_outcomes(study, data.pulses, fold, progress)
        outcomes[CEILING] = _oracle(data.pulses, fold)
        for system, outcome in outcomes.items():
            said.setdefault(system, []).append(outcome)
    rows = np.concatenate([fold.test for fold in split.folds])
    for system, of_folds in said.items():
        yield Answer(
            simulator=data.simulator,
            subject=data.subject,
            split=split.name,
            system=system,
            tested=_tested(data.pulses, split, of_folds),
            intensity_pct_rmt=study.pulses.intensity_pct_rmt[rows],
            sizes=_mean_sizes(of_folds),
        )


def split_of(study: Study, name: SplitName) -> Split:
    """Return one split of the study's pulses."""
    region = study.head.lookup.table.region
    return paper_split(
        name,
        study.pulses,
        study.plan.design,
        planned_head_from_coil=region.planned_head_from_coil,
        seed=study.plan.seed,
    )


def draw_subject_data(study: Study, simulator: str, subject: int) -> SubjectData:
    """Return one subject's recording; the pulses are those of all."""
    rng = subject_rng(study.plan.seed, SeedStream.EVALUATION, subject)
    person = SIMULATORS[simulator](rng, study.head.cortex)
    measured = record(study.head, study.pulses, person, rng)
    amplitude_uv, expected_uv, expected_log10_uv = measured
    every = np.arange(len(amplitude_uv))
    pulses = PaperData(
        pulses=study.pulses,
        amplitude_uv=amplitude_uv,
        expected_uv=expected_uv,
        expected_log10_uv=expected_log10_uv,
        training=every,
        test=every[:0],
    )
    return SubjectData(simulator, subject, pulses)


def fold_outcomes(
    study: Study, data: PaperData, fold: Fold, progress: Progress
) -> dict[str, Outcome]:
    """Return what each network and rival says of a fold's test pulses."""
    outcomes = {}
    for kind in PaperInput:
        for head in (PaperHead.DIRECT, PaperHead.BOTH):
            outcomes |= _network_outcomes(study, data, fold, (kind, head), progress)
    for rival in study.rivals:
        key = _key(study, data, fold, rival.name, _source(rival))
        outcome = study.store.read(key)
        if outcome is None:
            fitted = rival.fit(data, fold.training, progress)
            outcome = _outcome(fitted, data, fold)
            study.store.write(key, outcome)
        outcomes[rival.name] = outcome
    return outcomes


def _network_outcomes(
    study: Study,
    data: PaperData,
    fold: Fold,
    system: tuple[PaperInput, PaperHead],
    progress: Progress,
) -> dict[str, Outcome]:
    """Return outcomes of one head, and of `synergy` beside `both`, by their names."""
    kind, last = system
    heads = (last,) if last is PaperHead.DIRECT else (PaperHead.SYNERGY, last)
    names = {head: f"{kind.value}.{head.value}" for head in heads}
    settings = msgspec.json.encode((_FORMAT, study.plan.encoder, study.plan.mapper))
    seen = fold.seen_fields.tobytes()
    keys = {
        head: _key(study, data, fold, name, settings + seen)
        for head, name in names.items()
    }
    stored = {head: study.store.read(key) for head, key in keys.items()}
    if all(outcome is not None for outcome in stored.values()):
        return {names[h]: one for h, one in stored.items() if one is not None}
    coded = study.bank.coded(kind, fold.seen_fields, progress)
    run = PaperRun(last, study.plan.settings, study.plan.seed, progress)
    outcomes = {}
    for head, fitted in fit_networks(coded, data, fold.training, run).items():
        outcomes[names[head]] = _outcome(fitted, data, fold)
        study.store.write(keys[head], outcomes[names[head]])
    return outcomes


def _outcome(fitted: Fitted, data: PaperData, fold: Fold) -> Outcome:
    return Outcome(
        predicted=fitted.predict(data, fold.test),
        n_parameters=fitted.n_parameters,
        n_effective=fitted.n_effective,
        hat_trace=fitted.hat_trace,
    )


def _oracle(data: PaperData, fold: Fold) -> Outcome:
    said = Predicted(data.expected_uv[fold.test], data.expected_log10_uv[fold.test])
    return Outcome(said, n_parameters=0, n_effective=0, hat_trace=0.0)


def _key(study: Study, data: PaperData, fold: Fold, name: str, how: bytes) -> str:
    """Return a hash of all that an outcome depends on."""
    digest = hashlib.sha256(f"{name} {study.plan.seed} {study.plan.side} ".encode())
    arrays = (data.relative_efield, data.amplitude_uv, fold.training, fold.test)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(how)
    return digest.hexdigest()[:24]


def _source(rival: System) -> bytes:
    """Return the text of the file that a rival is written in, and its settings."""
    module = inspect.getmodule(type(rival))
    text = "" if module is None else inspect.getsource(module)
    return f"{rival!r} {text}".encode()


def _tested(data: PaperData, split: Split, said: list[Outcome]) -> ScoredPulses:
    """Put folds together, amplitudes over each fold's own training maximum."""
    rows = np.concatenate([fold.test for fold in split.folds])
    largest_uv = np.concatenate(
        [
            np.broadcast_to(
                data.amplitude_uv[fold.training].max(axis=0),
                (len(fold.test), data.amplitude_uv.shape[1]),
            )
            for fold in split.folds
        ]
    ).astype(np.float64)
    measured_uv = data.amplitude_uv[rows].astype(np.float64)
    return ScoredPulses(
        predicted=np.concatenate([o.predicted.amplitude_uv for o in said]) / largest_uv,
        measured=measured_uv / largest_uv,
        predicted_log10_uv=np.concatenate([o.predicted.log10_uv for o in said]),
        measured_log10_uv=floored_log10(measured_uv),
    )


def _mean_sizes(said: list[Outcome]) -> Sizes:
    return Sizes(
        k_all=float(np.mean([outcome.n_parameters for outcome in said])),
        k_effective=float(np.mean([outcome.n_effective for outcome in said])),
        k_readout=float(np.mean([outcome.hat_trace for outcome in said])),
    )
