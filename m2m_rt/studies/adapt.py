"""Adaptation as a whole: new subjects, intervals, changes, excitability, doubt."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.adapters.onnx_predictor import OnnxPredictor
from m2m_rt.nets.sessions import HeadField, Progress
from m2m_rt.studies import adapt_curve as curve
from m2m_rt.studies import adapt_state as state
from m2m_rt.studies.adapt_change_figures import change_figures
from m2m_rt.studies.adapt_curve import Curve
from m2m_rt.studies.adapt_doubt import draw_wide_pool, judge_doubt
from m2m_rt.studies.adapt_people import World
from m2m_rt.studies.adapt_plan import AdaptPlan, Figures, each
from m2m_rt.studies.adapt_rig import Rig, build_rig
from m2m_rt.studies.adapt_summary import means, median_of, reliability, share_of


def run_study(
    head: HeadField, model: OnnxPredictor, plan: AdaptPlan, progress: Progress
) -> Figures:
    """Return all figures of a study."""
    progress("poses and features", 0, 1)
    rng = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(9,)))
    rig = build_rig(head, model, rng, plan.n_poses)
    progress("poses and features", 1, 1)
    return {
        "subjects": plan.n_subjects,
        "seed": plan.seed,
        "model": model.model_hash,
        "pulses": list(curve.AT_PULSES),
        "worlds": {world.value: _world(rig, world, plan, progress) for world in World},
        "changes": change_figures(rig, plan, progress),
        "excitability": _excitability(rig, plan, progress),
        "doubt": _doubt(rig, plan, rng, progress),
    }


def _world(rig: Rig, world: World, plan: AdaptPlan, progress: Progress) -> Figures:
    people = each(
        f"new subjects: {world.value}",
        plan.n_subjects,
        progress,
        lambda index: curve.draw_curve(rig, world, seed=plan.seed, index=index),
    )
    coverage = np.array([one.coverage_session for one in people])
    by_muscle = np.array([one.coverage_by_muscle for one in people])
    intervals: Figures = {
        **_judged(people, "coverage_90"),
        "session": median_of(coverage),
        "share_in_85_to_94": share_of((coverage >= 0.85) & (coverage <= 0.94)),
        "worst_muscle": {
            "pooled_over_subjects": float(by_muscle.mean(axis=0).min()),
            **median_of(by_muscle.min(axis=1)),
            "least": float(by_muscle.min()),
        },
    }
    return {
        "rmse_log10": _judged(people, "rmse"),
        "rmse_log10_oracle": float(np.mean([one.rmse_oracle for one in people])),
        "ratio_30_to_300": median_of(
            [_at(one, 30).rmse / _at(one, 300).rmse for one in people]
        ),
        "coverage_90": intervals,
        "present_50_uv": {
            "brier": _judged(people, "brier"),
            "brier_oracle": float(np.mean([one.brier_oracle for one in people])),
            "reliability": reliability(
                np.concatenate([one.said for one in people]),
                np.concatenate([one.came for one in people]),
                curve.N_BINS,
            ),
        },
    }


def _judged(people: list[Curve], what: str) -> dict[str, list[float | None]]:
    return {
        name: means([[getattr(at, what) for at in one.judged[name]] for one in people])
        for name in curve.PREDICTORS
        if what != "coverage_90" or name in {"model", "gp_from_nothing"}
    }


def _at(one: Curve, n_pulses: int) -> curve.Judged:
    return one.judged["model"][curve.AT_PULSES.index(n_pulses)]


@dataclass(frozen=True, slots=True)
class _Drifting:
    rig: Rig
    seed: int
    name: str

    def __call__(self, index: int) -> state.StateScore:
        return state.judge_drift(self.rig, self.name, seed=self.seed, index=index)


def _excitability(rig: Rig, plan: AdaptPlan, progress: Progress) -> Figures:
    figures: Figures = {}
    for name in state.DRIFTS:
        scores = each(
            f"excitability: {name}",
            plan.n_subjects,
            progress,
            _Drifting(rig, plan.seed, name),
        )
        figures[name] = {
            "rmse_log10": median_of([one.rmse for one in scores]),
            "rmse_log10_oracle": median_of([one.rmse_oracle for one in scores]),
            "rmse_log10_none": median_of([one.rmse_none for one in scores]),
            "ratio_to_oracle": median_of(
                [one.rmse / one.rmse_oracle for one in scores]
            ),
            "coverage_90": median_of([one.coverage_90 for one in scores]),
        }
    ramps = each(
        "excitability: ramp",
        plan.n_subjects,
        progress,
        lambda index: state.follow_ramp(rig, seed=plan.seed, index=index),
    )
    figures["ramp_1.5_in_90"] = {
        "true_log10": state.true_ramp()[::10].tolist(),
        "said_log10": np.mean(ramps, axis=0)[::10].tolist(),
        "every_pulses": 10,
    }
    return figures


def _doubt(
    rig: Rig, plan: AdaptPlan, rng: np.random.Generator, progress: Progress
) -> Figures:
    wide = draw_wide_pool(rig, rng)
    scores = each(
        "doubt",
        plan.n_subjects,
        progress,
        lambda index: judge_doubt(rig, wide, seed=plan.seed, index=index),
    )
    names = type(scores[0]).__dataclass_fields__
    return {name: median_of([getattr(one, name) for one in scores]) for name in names}
