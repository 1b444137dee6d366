"""The inverse study: the field's map from the MEPs of 15 muscles, by rival methods.

Within a subject: ten folds over the pulses of the reference's recording. On new
subjects: what is learnt from a population, with and without pulses of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.learning import FieldMap
from m2m_rt.nets.inverse import InverseSettings
from m2m_rt.nets.sessions import Progress
from m2m_rt.ports import Predictor
from m2m_rt.sim import SeedStream, cortex_of, subject_rng
from m2m_rt.studies.inverse_data import (
    Head,
    Pulses,
    Recorded,
    all_features,
    draw_person,
    draw_poses,
    level_rows,
    record,
    record_new,
    strengths,
)
from m2m_rt.studies.inverse_methods import (
    Bench,
    Regressions,
    bayes_of_subject,
    bayesian_maps,
    learn_regressions,
    learnt_from,
)
from m2m_rt.studies.inverse_score import MapError, joined, mean_figures, score_maps
from m2m_rt.units import F32, F64, I64

PUBLISHED = ((0.171, 0.869), (0.211, 0.765), (0.157, 0.709))
"""NRMSE and R² of M2M-InvNet's best model on its three subjects: real recordings of
other people, so beside ours for the order of magnitude only."""


@dataclass(frozen=True, slots=True)
class InversePlan:
    """What is studied."""

    n_people: int = 3
    seed: int = 1
    n_pulses: int = 699
    n_folds: int = 10
    n_pool: int = 3000
    """Candidate poses of the Bayesian inverse."""

    n_population: int = 300
    """Training subjects."""

    n_population_pulses: int = 60
    own_pulses: tuple[int, ...] = (0, 60)
    """Of a new subject, that the last layer has learnt from."""

    repeats: tuple[int, ...] = (1, 3, 10)
    """Pulses of one stimulus that a map is made from."""

    n_repeated: int = 60
    """Stimuli that are repeated."""

    n_network_steps: int = 1200


QUICK_PLAN = InversePlan(
    n_people=1,
    n_pulses=80,
    n_folds=2,
    n_pool=200,
    n_population=8,
    own_pulses=(0, 40),
    repeats=(1, 3),
    n_repeated=8,
    n_network_steps=150,
)


@dataclass(frozen=True, slots=True)
class Example:
    """One pulse of the first person, from its MEPs after a few of their pulses."""

    points_mm: F64
    true: F32
    """(n_roi,)"""

    found: FieldMap
    """One row."""


def _coverage(share: float) -> str:
    if np.isnan(share):
        return ""
    return f", 90 % interval holds {100 * share:.0f} %"


@dataclass(frozen=True, slots=True)
class InverseFindings:
    """What a study found."""

    figures: dict[str, Any]
    example: Example

    def lines(self) -> list[str]:
        """Return what a person reads."""
        return [
            f"{where}, {method}: NRMSE {one['nrmse']:.3f}, R² {one['r2']:.3f} "
            f"(pointwise {one['r2_pointwise']:.3f}){_coverage(one['coverage_90'])}"
            for where in ("within_subject", "new_subject", "several_pulses")
            for method, one in self.figures[where].items()
        ]


def run_inverse_study(
    lookup: EfieldLookup, predictor: Predictor, plan: InversePlan, progress: Progress
) -> InverseFindings:
    """Map the pulses of new people by every method."""
    bench = _open_bench(lookup, predictor, plan, progress)
    people = [
        record_new(bench.head, bench.poses, seed=plan.seed, index=index)
        for index in range(plan.n_people)
    ]
    within = [
        _within_subject(bench, one.pulses, plan, _of_person(progress, plan, index))
        for index, one in enumerate(people)
    ]
    learnt = _learn_population(bench, plan, progress)
    across, repeated = [], []
    for index, one in enumerate(people):
        across.append(_new_subject(bench, one.pulses, learnt, plan))
        repeated.append(_repeated(bench, one, plan))
        progress("new subjects", index + 1, plan.n_people)
    figures = {
        "subjects": plan.n_people,
        "pulses": plan.n_pulses,
        "folds": plan.n_folds,
        "seed": plan.seed,
        "published_nrmse_r2": [list(pair) for pair in PUBLISHED],
        "within_subject": mean_figures(within),
        "new_subject": mean_figures(across),
        "several_pulses": mean_figures(repeated),
    }
    return InverseFindings(figures, _example(bench, people[0].pulses, plan))


def _open_bench(
    lookup: EfieldLookup, predictor: Predictor, plan: InversePlan, progress: Progress
) -> Bench:
    stage = "poses and candidates"
    progress(stage, 0, 2)
    head = Head(lookup, cortex_of(lookup))
    poses = draw_poses(head, plan.n_pulses, plan.seed, SeedStream.EVALUATION)
    features = all_features(poses, predictor)
    progress(stage, 1, 2)
    pool = draw_poses(head, plan.n_pool, plan.seed, SeedStream.TRAINING)
    pool_features = all_features(pool, predictor)
    progress(stage, 2, 2)
    return Bench(
        head=head,
        predictor=predictor,
        poses=poses,
        features=features,
        pool=pool,
        pool_features=pool_features,
    )


def _of_person(
    progress: Progress, plan: InversePlan, index: int
) -> Callable[[int], None]:
    """Return what is told the number of folds done of one person."""
    before, total = index * plan.n_folds, plan.n_people * plan.n_folds
    return lambda done: progress("folds of each person", before + done, total)


def _within_subject(
    bench: Bench, pulses: Pulses, plan: InversePlan, step: Callable[[int], None]
) -> dict[str, MapError]:
    """Return every method's error, each pulse predicted from the other folds."""
    true = strengths(bench.poses, pulses)
    fold = np.random.default_rng(plan.seed).permutation(len(true)) % plan.n_folds
    parts: dict[str, list[tuple[I64, FieldMap]]] = {}
    reference = np.zeros(true.shape)
    for number in range(plan.n_folds):
        test, train = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        learnt = _learn(plan, pulses.log10_uv[train], true[train])
        reference[test] = learnt.basis.mean
        maps = learnt.field_maps(pulses.log10_uv[test])
        maps["bayes"] = bayes_of_subject(bench, pulses, train, test)
        for name, found in maps.items():
            parts.setdefault(name, []).append((test, found))
        step(number + 1)
    points_mm = bench.head.cortex.points_mm
    return {
        name: score_maps(
            joined(found, true.shape), true, reference=reference, points_mm=points_mm
        )
        for name, found in parts.items()
    }


def _new_subject(
    bench: Bench, pulses: Pulses, learnt: Regressions, plan: InversePlan
) -> dict[str, MapError]:
    """Return the errors on a subject that no regression has seen."""
    true, points_mm = strengths(bench.poses, pulses), bench.head.cortex.points_mm
    order = _order(pulses, plan)
    test = order[max(plan.own_pulses) :]
    maps = learnt.field_maps(pulses.log10_uv[test])
    for n_pulses in plan.own_pulses:
        own = order[:n_pulses]
        maps[f"bayes_{n_pulses}_own"] = bayes_of_subject(bench, pulses, own, test)
    reference = learnt.basis.mean
    return {
        name: score_maps(found, true[test], reference=reference, points_mm=points_mm)
        for name, found in maps.items()
    }


def _learn(plan: InversePlan, log10_uv: F64, strength: F32) -> Regressions:
    settings = InverseSettings(n_steps=plan.n_network_steps)
    return learn_regressions(log10_uv, strength, settings, seed=plan.seed)


def _example(bench: Bench, pulses: Pulses, plan: InversePlan) -> Example:
    """Return the map of the tested pulse with the largest answers."""
    order, n_own = _order(pulses, plan), max(plan.own_pulses)
    sizes = pulses.log10_uv[order[n_own:]].mean(axis=1)
    row = order[n_own + int(np.argmax(sizes)) :][:1]
    return Example(
        points_mm=bench.head.cortex.points_mm,
        true=strengths(bench.poses, pulses)[row[0]],
        found=bayes_of_subject(bench, pulses, order[:n_own], row),
    )


def _order(pulses: Pulses, plan: InversePlan) -> I64:
    """Return the pulses in a random order: first those that teach, last the tested."""
    return np.random.default_rng(plan.seed + 1).permutation(len(pulses.rows))


def _repeated(bench: Bench, one: Recorded, plan: InversePlan) -> dict[str, MapError]:
    """Return the errors of maps from several fresh pulses of one stimulus."""
    pulses, order = one.pulses, _order(one.pulses, plan)
    posterior, shared = learnt_from(bench, pulses, order[: max(plan.own_pulses)])
    most, last = max(plan.repeats), order[-plan.n_repeated :]
    which = np.repeat(pulses.rows[last], most), np.repeat(pulses.levels[last], most)
    given = record(one.person, bench.poses, which, one.rng)
    true = strengths(bench.poses, given)[::most]
    answers = given.log10_uv.reshape(-1, most, given.log10_uv.shape[1])
    reference = strengths(bench.poses, pulses).mean(axis=0, dtype=np.float64)
    errors = {}
    for n_repeats in plan.repeats:
        found = bayesian_maps(posterior, bench, answers[:, :n_repeats], shared=shared)
        errors[f"bayes_{n_repeats}_pulses"] = score_maps(
            found,
            true,
            reference=reference,
            points_mm=bench.head.cortex.points_mm,
        )
    return errors


def _learn_population(
    bench: Bench, plan: InversePlan, progress: Progress
) -> Regressions:
    """Return what training subjects' pulses at the pool's poses teach."""
    answers, fields = [], []
    for index in range(plan.n_population):
        rng = subject_rng(plan.seed, SeedStream.TRAINING, index)
        rows = rng.choice(plan.n_pool, plan.n_population_pulses, replace=False)
        person = draw_person(bench.head, rng)
        pulses = record(person, bench.pool, (rows, level_rows(len(rows))), rng)
        answers.append(pulses.log10_uv)
        fields.append(strengths(bench.pool, pulses))
        progress("recording training subjects", index + 1, plan.n_population)
    progress("learning from them", 0, 1)
    learnt = _learn(plan, np.concatenate(answers), np.concatenate(fields))
    progress("learning from them", 1, 1)
    return learnt
