"""The inverse study: the field's map from the MEPs of 15 muscles, by rival methods.

Within a subject: ten folds over the pulses of the reference's recording. On new
subjects: what is learnt from a population, with and without pulses of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.learning import FieldMap
from m2m_rt.nets.inverse import InverseSettings
from m2m_rt.ports import Predictor
from m2m_rt.sim import SeedStream, subject_rng
from m2m_rt.studies.inverse_data import (
    Pulses,
    all_features,
    draw_poses,
    level_rows,
    open_head,
    record,
    strengths,
)
from m2m_rt.studies.inverse_methods import (
    N_COMPONENTS,
    Bench,
    bayes_of_subject,
    bayesian_maps,
    learnt_from,
    regressions,
)
from m2m_rt.studies.inverse_score import MapError, joined, mean_figures, score_maps
from m2m_rt.units import F32, F64, I64

Progress = Callable[[str, int, int], None]

PUBLISHED = ((0.171, 0.869), (0.211, 0.765), (0.157, 0.709))
"""NRMSE and R² of M2M-InvNet's best model on its three subjects: real recordings of
other people, so beside ours for the order of magnitude only."""


@dataclass(frozen=True, slots=True)
class InversePlan:
    """What is studied."""

    n_people: int
    seed: int
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
    seed=1,
    n_pulses=80,
    n_folds=2,
    n_pool=200,
    n_population=8,
    own_pulses=(0, 40),
    repeats=(1, 3),
    n_repeated=8,
    n_network_steps=150,
)


def with_people(plan: InversePlan, *, n_people: int, seed: int) -> InversePlan:
    """Return the plan for other people."""
    return replace(plan, n_people=n_people, seed=seed)


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
    bench = _open_bench(lookup, predictor, plan)
    people = []
    for index in range(plan.n_people):
        rng = subject_rng(plan.seed, SeedStream.EVALUATION, index)
        rows = rng.permutation(len(bench.poses.strength))[: plan.n_pulses]
        which = rows, level_rows(len(rows))
        people.append(record(bench.head, bench.poses, which, rng))
    within = []
    for index, pulses in enumerate(people):
        within.append(_within_subject(bench, pulses, plan))
        progress("folds of each person", index + 1, plan.n_people)
    population = _population(bench, plan)
    across, repeated = [], []
    for index, pulses in enumerate(people):
        across.append(_new_subject(bench, pulses, population, plan))
        repeated.append(_repeated(bench, pulses, index, plan))
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
    return InverseFindings(figures, _example(bench, people[0], plan))


def _open_bench(lookup: EfieldLookup, predictor: Predictor, plan: InversePlan) -> Bench:
    head = open_head(lookup)
    poses = draw_poses(head, plan.n_pulses, plan.seed, SeedStream.EVALUATION)
    pool = draw_poses(head, plan.n_pool, plan.seed, SeedStream.TRAINING)
    return Bench(
        head=head,
        predictor=predictor,
        poses=poses,
        features=all_features(poses, predictor),
        pool=pool,
        pool_features=all_features(pool, predictor),
    )


def _within_subject(
    bench: Bench, pulses: Pulses, plan: InversePlan
) -> dict[str, MapError]:
    """Return every method's error, each pulse predicted from the other folds."""
    true = strengths(bench.poses, pulses)
    fold = np.random.default_rng(plan.seed).permutation(len(true)) % plan.n_folds
    parts: dict[str, list[tuple[I64, FieldMap]]] = {}
    reference = np.zeros(true.shape)
    for number in range(plan.n_folds):
        test = np.flatnonzero(fold == number)
        train = np.flatnonzero(fold != number)
        given = pulses.log10_uv[train], true[train]
        reference[test] = true[train].mean(axis=0, dtype=np.float64)
        maps = regressions(given, pulses.log10_uv[test], _network(plan))
        maps["bayes"] = bayes_of_subject(bench, pulses, train, test)
        for name, found in maps.items():
            parts.setdefault(name, []).append((test, found))
    points_mm = bench.head.cortex.points_mm
    return {
        name: score_maps(
            joined(found, true.shape), true, reference=reference, points_mm=points_mm
        )
        for name, found in parts.items()
    }


def _new_subject(
    bench: Bench, pulses: Pulses, population: tuple[F64, F32], plan: InversePlan
) -> dict[str, MapError]:
    """Return the errors on a subject that no regression has seen."""
    true, points_mm = strengths(bench.poses, pulses), bench.head.cortex.points_mm
    order = _order(pulses, plan)
    n_own = max(plan.own_pulses)
    test = order[n_own:]
    maps = regressions(population, pulses.log10_uv[test], _network(plan))
    for n_pulses in plan.own_pulses:
        own = order[:n_pulses]
        maps[f"bayes_{n_pulses}_own"] = bayes_of_subject(bench, pulses, own, test)
    reference = population[1].mean(axis=0, dtype=np.float64)
    return {
        name: score_maps(found, true[test], reference=reference, points_mm=points_mm)
        for name, found in maps.items()
    }


def _network(plan: InversePlan) -> tuple[InverseSettings, int]:
    """Return the network's settings and seed."""
    settings = InverseSettings(n_components=N_COMPONENTS, n_steps=plan.n_network_steps)
    return settings, plan.seed


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


def _repeated(
    bench: Bench, pulses: Pulses, index: int, plan: InversePlan
) -> dict[str, MapError]:
    """Return the errors of maps from several pulses of one stimulus."""
    order = _order(pulses, plan)
    posterior, shared = learnt_from(bench, pulses, order[: max(plan.own_pulses)])
    most, last = max(plan.repeats), order[-plan.n_repeated :]
    which = np.repeat(pulses.rows[last], most), np.repeat(pulses.levels[last], most)
    # The generator of the person draws the same person again, then other pulses.
    rng = subject_rng(plan.seed, SeedStream.EVALUATION, index)
    rng.permutation(len(bench.poses.strength))
    given = record(bench.head, bench.poses, which, rng)
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


def _population(bench: Bench, plan: InversePlan) -> tuple[F64, F32]:
    """Return answers and fields of training subjects' pulses, at the pool's poses."""
    answers, fields = [], []
    for index in range(plan.n_population):
        rng = subject_rng(plan.seed, SeedStream.TRAINING, index)
        rows = rng.choice(plan.n_pool, plan.n_population_pulses, replace=False)
        which = rows, level_rows(len(rows))
        pulses = record(bench.head, bench.pool, which, rng)
        answers.append(pulses.log10_uv)
        fields.append(strengths(bench.pool, pulses))
    return np.concatenate(answers), np.concatenate(fields)
