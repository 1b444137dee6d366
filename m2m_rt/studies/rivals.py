"""The real-time family against plain regressors: accuracy, pulses needed, ablations.

The subjects, pulses and splits are those of the paper's study with the same seed, but
for sites: all are held out once, where networks are asked about a fifth of them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.nets.paper_data import (
    PaperData,
    PaperDesign,
    PaperPulses,
    draw_paper_pulses,
    poses_rng,
)
from m2m_rt.nets.sessions import HeadField, Progress
from m2m_rt.studies.mean_interval import mean_interval
from m2m_rt.studies.paper_scores import score
from m2m_rt.studies.paper_splits import Fold, SplitName, paper_split
from m2m_rt.studies.paper_study import CEILING, oracle, put_together, record_subject
from m2m_rt.studies.simulators import SIMULATORS
from m2m_rt.studies.systems import Predicted, System
from m2m_rt.units import F64

REFERENCE = "pca_gp"
"""What every system's difference is taken to."""


class RivalsPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is asked what."""

    seed: Annotated[int, Meta(ge=0)] = 1
    """Of poses, splits and subjects."""

    n_subjects: Annotated[int, Meta(gt=0)] = 10
    """Of each simulator."""

    simulators: tuple[str, ...] = tuple(SIMULATORS)
    splits: tuple[SplitName, ...] = tuple(SplitName)

    n_training: tuple[int, ...] = (60, 150, 300)
    """Training pulses, drawn from those of the random split, that are tried apart."""

    design: PaperDesign = PaperDesign()


QUICK = RivalsPlan(
    splits=(SplitName.RANDOM,),
    n_training=(60,),
    design=PaperDesign(n_pulses=(60, 30, 30, 20)),
)
"""A small try; its figures are those of one."""


class Mean(msgspec.Struct, frozen=True, kw_only=True):
    """A mean over subjects with its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float


class SystemFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One system's scores on one question."""

    r2_log10: Mean
    nrmse: Mean
    r2_of_ceiling: float
    """Mean R² log10 over the ceiling's."""

    nrmse_above_ceiling: Mean
    """Paired with the ceiling, a subject at a time."""

    r2_minus_reference: Mean
    nrmse_minus_reference: Mean
    """Paired with the reference, a subject at a time."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One system's scores on one subject and question."""

    simulator: str
    subject: int
    question: str
    """A split's name, or `random_60` after 60 training pulses."""

    system: str
    r2_log10: float
    nrmse: float


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    folds: tuple[Fold, ...]


def score_rivals(
    head: HeadField, plan: RivalsPlan, systems: tuple[System, ...], progress: Progress
) -> Iterator[Scored]:
    """Give the scores of every system, and of the ceiling, on every question."""
    pulses = draw_paper_pulses(head, plan.design, poses_rng(plan.seed))
    questions = _questions(head, plan, pulses)
    people = [
        (simulator, subject)
        for subject in range(plan.n_subjects)
        for simulator in plan.simulators
    ]
    for done, (simulator, subject) in enumerate(people):
        data = record_subject(head, pulses, (plan.seed, simulator, subject))
        for question in questions:
            for name, said in _answers(data, question, systems):
                found = score(put_together(data, question.folds, said))
                yield Scored(
                    simulator=simulator,
                    subject=subject,
                    question=question.name,
                    system=name,
                    r2_log10=found.r2_log10,
                    nrmse=found.nrmse,
                )
        progress("subjects", done + 1, len(people))


def figures(scored: list[Scored]) -> dict[str, dict[str, SystemFigures]]:
    """Return figures by question and system, over all subjects given."""
    found: dict[str, dict[str, SystemFigures]] = {}
    for question in dict.fromkeys(one.question for one in scored):
        asked = [one for one in scored if one.question == question]
        systems = dict.fromkeys(one.system for one in asked)
        table = {name: _of_system(asked, name) for name in systems}
        nothing = np.full_like(table[CEILING], np.nan)  # not asked: no difference
        found[question] = {
            name: _figures(rows, table[CEILING], table.get(REFERENCE, nothing))
            for name, rows in table.items()
        }
    return found


def interval(values: F64) -> Mean:
    """Return the mean of subjects' values (n,) and its 95 % interval."""
    low, high = mean_interval(values) or (math.nan, math.nan)
    return Mean(mean=float(np.mean(values)), low=low, high=high)


def _questions(
    head: HeadField, plan: RivalsPlan, pulses: PaperPulses
) -> tuple[_Question, ...]:
    """Return the splits, then the random one with less to learn from."""

    def folds(name: SplitName) -> tuple[Fold, ...]:
        region = head.lookup.table.region
        return paper_split(
            name,
            pulses,
            plan.design,
            planned_head_from_coil=region.planned_head_from_coil,
            seed=plan.seed,
        ).folds

    (whole,) = folds(SplitName.RANDOM)
    order = np.random.default_rng(plan.seed).permutation(whole.training)
    fewer = [
        _Question(
            f"{SplitName.RANDOM.value}_{count}",
            (Fold(np.sort(order[:count]), whole.test, whole.training),),
        )
        for count in plan.n_training
        if count < len(order)
    ]
    return (*(_Question(name.value, folds(name)) for name in plan.splits), *fewer)


def _answers(
    data: PaperData, question: _Question, systems: tuple[System, ...]
) -> Iterator[tuple[str, list[Predicted]]]:
    """Give each system's name and what it says of each fold's test."""
    yield CEILING, [oracle(data, fold) for fold in question.folds]
    for system in systems:
        yield (
            system.name,
            [
                system.fit(data, fold.training, _quiet).predict(data, fold.test)
                for fold in question.folds
            ],
        )


def _of_system(asked: list[Scored], name: str) -> F64:
    """Return (n_people, 2): R² of log10 and NRMSE, people in the order asked."""
    return np.array([(s.r2_log10, s.nrmse) for s in asked if s.system == name])


def _figures(rows: F64, ceiling: F64, reference: F64) -> SystemFigures:
    return SystemFigures(
        r2_log10=interval(rows[:, 0]),
        nrmse=interval(rows[:, 1]),
        r2_of_ceiling=float(rows[:, 0].mean() / ceiling[:, 0].mean()),
        nrmse_above_ceiling=interval(rows[:, 1] - ceiling[:, 1]),
        r2_minus_reference=interval(rows[:, 0] - reference[:, 0]),
        nrmse_minus_reference=interval(rows[:, 1] - reference[:, 1]),
    )


def _quiet(_stage: str, _done: int, _total: int) -> None:
    """Show nothing: fits take seconds."""
