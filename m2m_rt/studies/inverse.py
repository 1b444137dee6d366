"""The inverse study: the field's map from the MEPs of 15 muscles, by rival methods.

Within a subject: ten folds over the pulses of the reference's recording. On new
subjects: what is learnt from a population, with and without pulses of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.learning import FieldMap
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
    Bench,
    bayes_of_subject,
    bayesian_maps,
    learnt_from,
    regressions,
)
from m2m_rt.units import F32, F64, I64

Progress = Callable[[str, int, int], None]

PUBLISHED = ((0.171, 0.869), (0.211, 0.765), (0.157, 0.709))
"""NRMSE and R² of M2M-InvNet's best model on its three subjects: real recordings of
other people, so beside ours for the order of magnitude only."""

_Z_90 = 1.6449
_N_STRONGEST = 50


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MapError:
    """How far maps are from the true ones."""

    nrmse: float
    """Root of the summed squared error over the summed square."""

    r2: float
    """About the one mean of all points and pulses, as the reference may have it."""

    r2_pointwise: float
    """About each point's own mean over the training pulses: 0 for a method that does
    not look at the MEPs."""

    coverage_90: float
    """Part of points and pulses inside mean ± 1.645 sd; NaN for a method without."""

    strongest_mm: float
    """Median distance between the middles of the 50 strongest points."""


def run_inverse_study(
    lookup: EfieldLookup, predictor: Predictor, plan: InversePlan, progress: Progress
) -> dict[str, object]:
    """Return the figures of a report."""
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
    return {
        "subjects": plan.n_people,
        "pulses": plan.n_pulses,
        "folds": plan.n_folds,
        "seed": plan.seed,
        "published_nrmse_r2": [list(pair) for pair in PUBLISHED],
        "within_subject": _mean_figures(within),
        "new_subject": _mean_figures(across),
        "several_pulses": _mean_figures(repeated),
    }


def score_maps(
    found: FieldMap, true: F32, *, reference: F64, points_mm: F64
) -> MapError:
    """Compare maps with the true ones; `reference` is the training pulses' mean map."""
    squared = (found.mean - true) ** 2
    total = float(squared.sum())
    inside = np.abs(found.mean - true) <= _Z_90 * found.sd
    apart_mm = np.linalg.norm(
        _strongest_mm(found.mean, points_mm) - _strongest_mm(true, points_mm), axis=1
    )
    has_sd = bool(np.all(np.isfinite(found.sd)))
    return MapError(
        nrmse=float(np.sqrt(total / np.sum(true.astype(np.float64) ** 2))),
        r2=1.0 - total / float(np.sum((true - true.mean(dtype=np.float64)) ** 2)),
        r2_pointwise=1.0 - total / float(np.sum((true - reference) ** 2)),
        coverage_90=float(inside.mean()) if has_sd else float("nan"),
        strongest_mm=float(np.median(apart_mm)),
    )


def _strongest_mm(strength: F64 | F32, points_mm: F64) -> F64:
    """Return the middle of each map's strongest points, (n, 3)."""
    rows = np.argpartition(-strength, _N_STRONGEST, axis=1)[:, :_N_STRONGEST]
    middle: F64 = points_mm[rows].mean(axis=1)
    return middle


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
        maps = regressions(given, pulses.log10_uv[test], plan.seed)
        maps["bayes"] = bayes_of_subject(bench, pulses, train, test)
        for name, found in maps.items():
            parts.setdefault(name, []).append((test, found))
    points_mm = bench.head.cortex.points_mm
    return {
        name: score_maps(
            _joined(found, true.shape), true, reference=reference, points_mm=points_mm
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
    maps = regressions(population, pulses.log10_uv[test], plan.seed)
    for n_pulses in plan.own_pulses:
        own = order[:n_pulses]
        maps[f"bayes_{n_pulses}_own"] = bayes_of_subject(bench, pulses, own, test)
    reference = population[1].mean(axis=0, dtype=np.float64)
    return {
        name: score_maps(found, true[test], reference=reference, points_mm=points_mm)
        for name, found in maps.items()
    }


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


def _joined(parts: Sequence[tuple[I64, FieldMap]], shape: tuple[int, ...]) -> FieldMap:
    mean, sd = np.zeros(shape), np.zeros(shape)
    for rows, found in parts:
        mean[rows], sd[rows] = found.mean, found.sd
    return FieldMap(mean, sd)


def _mean_figures(
    people: Sequence[Mapping[str, MapError]],
) -> dict[str, dict[str, object]]:
    """Return each method's scores: the mean over people, and every person's."""
    figures: dict[str, dict[str, object]] = {}
    for method in people[0]:
        rows = [asdict(person[method]) for person in people]
        figures[method] = {
            name: round(float(np.mean([row[name] for row in rows])), 4)
            for name in rows[0]
        }
        figures[method]["nrmse_r2_each"] = [
            [round(row["nrmse"], 3), round(row["r2"], 3)] for row in rows
        ]
    return figures
