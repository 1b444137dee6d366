"""Does doubt fall on the predictions that are wrong? Poses and intensities not met."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from m2m_rt.efield import draw_pose
from m2m_rt.learning import DoubtSettings, foresee, novelty
from m2m_rt.sim import SeedStream
from m2m_rt.studies.adapt_people import (
    World,
    answers_log10_uv,
    draw_person,
    draw_pulses,
    drive_over_threshold,
    drives_of,
)
from m2m_rt.studies.adapt_rig import Rig, features_of, unit_coefficients
from m2m_rt.studies.adapt_run import run_session
from m2m_rt.studies.adapt_truth import true_curves
from m2m_rt.units import F32, F64, Bools

LEARNT_PULSES = 30
LEVELS_PCT_RMT = (70.0, 80.0, 100.0, 120.0, 140.0, 160.0, 180.0)
N_WIDE = 300


@dataclass(frozen=True, slots=True)
class WidePool:
    """Poses all over the table's region, at intensities in and out of the range."""

    coefficients: F32
    """(n, rank): unit fields, V/m per A/µs."""

    level: F64
    """(n,): intensity over the resting threshold."""

    features: F32
    """(n, n_features)"""


@dataclass(frozen=True, slots=True)
class DoubtScore:
    """One person after 30 pulses; errors are of means against the true expectation."""

    rank_correlation: float
    """Spearman's, of novelty with the error's size over poses, intensity in range."""

    rmse_trusted: float
    rmse_doubted_pose: float
    """NaN where no pose is doubted."""

    rmse_doubted_intensity: float
    doubted_share: float
    """Of the poses in range of intensity."""

    coverage_trusted: float
    """Of 90 % intervals over drawn MEPs."""

    coverage_doubted: float


def draw_wide_pool(rig: Rig, rng: np.random.Generator) -> WidePool:
    """Return poses that no session of this study visits."""
    lookup = rig.head.lookup
    poses = [draw_pose(lookup.table.region, lookup.guard, rng) for _ in range(N_WIDE)]
    unit = unit_coefficients(rig.head, np.array(poses))
    level = rng.choice(LEVELS_PCT_RMT, N_WIDE) / 100.0
    relative = unit * level[:, np.newaxis].astype(np.float32)
    return WidePool(unit, level, features_of(rig.head, rig.model, relative))


def judge_doubt(rig: Rig, wide: WidePool, *, seed: int, index: int) -> DoubtScore:
    """Return how doubt and error go together for one person."""
    person, rng = draw_person(
        rig, World.SAME, stream=SeedStream.EVALUATION, seed=seed + 5, index=index
    )
    pulses = draw_pulses(rig, LEARNT_PULSES, rng)
    drive = drive_over_threshold(rig, person, pulses)
    run = run_session(
        rig,
        (person, pulses),
        answers_log10_uv(person, drive, rng),
        keep_after=(LEARNT_PULSES,),
    )
    belief = run.beliefs[0]
    there = drives_of(person, wide.coefficients, wide.level)
    expected = true_curves(person.recruitment).at(there).mean
    answers = answers_log10_uv(person, there, rng)
    said = foresee(belief, wide.features)
    error = np.sqrt(np.mean((said.mean - expected) ** 2, axis=1))  # (n,)
    inside = (answers >= said.quantile(0.05)) & (answers <= said.quantile(0.95))
    how, new = DoubtSettings(), novelty(belief, wide.features, said)
    low, high = how.intensity_pct_rmt
    in_range = (100.0 * wide.level >= low) & (100.0 * wide.level <= high)
    doubted = in_range & (new > how.most_novelty)
    trusted = in_range & ~doubted
    return DoubtScore(
        rank_correlation=float(spearmanr(new[in_range], error[in_range]).statistic),
        rmse_trusted=_rms(error[trusted]),
        rmse_doubted_pose=_rms(error[doubted]),
        rmse_doubted_intensity=_rms(error[~in_range]),
        doubted_share=float(doubted.sum() / max(in_range.sum(), 1)),
        coverage_trusted=_mean(inside[trusted]),
        coverage_doubted=_mean(inside[~trusted]),
    )


def _rms(values: F64) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")


def _mean(values: Bools) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
