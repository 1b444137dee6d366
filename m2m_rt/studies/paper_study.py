"""The published design: six networks and their rivals predict the same pulses."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.nets.paper_data import (
    PaperData,
    PaperPulses,
    draw_paper_pulses,
    poses_rng,
    record,
)
from m2m_rt.nets.sessions import HeadField, Progress
from m2m_rt.sim import SeedStream, subject_rng
from m2m_rt.studies.paper_networks import EncoderBank
from m2m_rt.studies.paper_outcomes import Study, StudyPlan, fold_outcomes
from m2m_rt.studies.paper_scores import ScoredPulses, Sizes, floored_log10
from m2m_rt.studies.paper_splits import Fold, Split, SplitName, paper_split
from m2m_rt.studies.paper_store import Outcome, OutcomeStore
from m2m_rt.studies.simulators import SIMULATORS
from m2m_rt.studies.systems import Predicted, System
from m2m_rt.units import F64

CEILING = "ceiling"
"""The subject's own expectation: nothing can predict better."""

_APART = 10**6
"""Numbers of the simulators' first subjects: with one number both would be drawn from
the same random numbers, and be alike."""


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


def plan_study(
    head: HeadField, plan: StudyPlan, rivals: tuple[System, ...], cache: Path | None
) -> Study:
    """Draw the recording's poses and make room for what will be stored."""
    pulses = draw_paper_pulses(head, plan.design, poses_rng(plan.seed))
    bank = EncoderBank(head, pulses, plan.settings, plan.seed, cache)
    return Study(plan, head, rivals, bank, OutcomeStore(cache))


def answers(study: Study, progress: Progress) -> Iterator[Answer]:
    """Give every system's answer to every subject and split, and the ceiling's.

    What is in the cache is taken from there, so that a killed study goes on.
    """
    splits = [split_of(study, name) for name in study.plan.splits]
    people = [
        (simulator, subject)
        for subject in range(study.plan.n_subjects)
        for simulator in study.plan.simulators
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
        outcomes[CEILING] = Outcome(
            oracle(data.pulses, fold), n_parameters=0, n_effective=0, hat_trace=0.0
        )
        for system, outcome in outcomes.items():
            said.setdefault(system, []).append(outcome)
    rows = np.concatenate([fold.test for fold in split.folds])
    for system, of_folds in said.items():
        yield Answer(
            simulator=data.simulator,
            subject=data.subject,
            split=split.name,
            system=system,
            tested=put_together(
                data.pulses, split.folds, [one.predicted for one in of_folds]
            ),
            intensity_pct_rmt=study.pulses.intensity_pct_rmt[rows],
            sizes=_mean_sizes(of_folds),
        )


def split_of(study: Study, name: SplitName) -> Split:
    """Return one split of the study's pulses.

    Of the sites, the first fold: every other one would want an autoencoder of its own.
    """
    region = study.head.lookup.table.region
    split = paper_split(
        name,
        study.pulses,
        study.plan.design,
        planned_head_from_coil=region.planned_head_from_coil,
        seed=study.plan.seed,
    )
    folds = split.folds[:1] if name is SplitName.SITE_BLOCKED else split.folds
    return Split(name, folds)


def draw_subject_data(study: Study, simulator: str, subject: int) -> SubjectData:
    """Return one subject's recording; the pulses are those of all."""
    who = study.plan.seed, simulator, subject
    return SubjectData(
        simulator, subject, record_subject(study.head, study.pulses, who)
    )


def record_subject(
    head: HeadField, pulses: PaperPulses, who: tuple[int, str, int]
) -> PaperData:
    """Return a recording of someone: seed, simulator and number of the subject."""
    seed, simulator, subject = who
    number = subject + _APART * list(SIMULATORS).index(simulator)
    rng = subject_rng(seed, SeedStream.EVALUATION, number)
    person = SIMULATORS[simulator](rng, head.cortex)
    amplitude_uv, expected_uv, expected_log10_uv = record(head, pulses, person, rng)
    every = np.arange(len(amplitude_uv))
    return PaperData(
        pulses=pulses,
        amplitude_uv=amplitude_uv,
        expected_uv=expected_uv,
        expected_log10_uv=expected_log10_uv,
        training=every,
        test=every[:0],
    )


def oracle(data: PaperData, fold: Fold) -> Predicted:
    """Return the subject's own expectation of a fold's test pulses."""
    return Predicted(data.expected_uv[fold.test], data.expected_log10_uv[fold.test])


def put_together(
    data: PaperData, folds: tuple[Fold, ...], said: list[Predicted]
) -> ScoredPulses:
    """Return the folds' test pulses, over each fold's own training maximum."""
    rows = np.concatenate([fold.test for fold in folds])
    largest_uv = np.concatenate(
        [
            np.broadcast_to(
                data.amplitude_uv[fold.training].max(axis=0),
                (len(fold.test), data.amplitude_uv.shape[1]),
            )
            for fold in folds
        ]
    ).astype(np.float64)
    measured_uv = data.amplitude_uv[rows].astype(np.float64)
    return ScoredPulses(
        predicted=np.concatenate([one.amplitude_uv for one in said]) / largest_uv,
        measured=measured_uv / largest_uv,
        predicted_log10_uv=np.concatenate([one.log10_uv for one in said]),
        measured_log10_uv=floored_log10(measured_uv),
    )


def _mean_sizes(said: list[Outcome]) -> Sizes:
    return Sizes(
        k_all=float(np.mean([outcome.n_parameters for outcome in said])),
        k_effective=float(np.mean([outcome.n_effective for outcome in said])),
        k_readout=float(np.mean([outcome.hat_trace for outcome in said])),
    )
