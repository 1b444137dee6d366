"""The targeting study: how soon hotspot, map and a selective pose are found.

People come from a seed stream that no network was trained on; settings were chosen on
people of another one.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.learning import Aim, LastLayerPrior, MapSettings, StopRule
from m2m_rt.model import MUSCLES
from m2m_rt.ports import Predictor
from m2m_rt.sim import SeedStream
from m2m_rt.studies.target_person import MAP_LEVEL, Scene, draw_person, open_scene
from m2m_rt.studies.target_score import AimScore, MapScore, score_aim, score_map
from m2m_rt.studies.target_session import (
    LEVELS,
    Design,
    Features,
    MappingSession,
    begin,
)

Progress = Callable[[str, int, int], None]

TARGET = "FDI"
OTHERS = ("ADM", "ECR", "BIC")
"""Mapped by the way, from the same pulses."""

AIM = Aim(most=("FDI",), least=("ADM",))
DEFAULT_MAPS = MapSettings()
DEFAULT_RULE = StopRule()
QUICK_PULSES = (10, 24)
PULSES = (10, 20, 30, 40, 60, 80, 100)
"""After so many, maps are compared with the truth."""


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What is studied."""

    n_people: int
    seed: int
    pulses: tuple[int, ...] = PULSES
    stream: SeedStream = SeedStream.EVALUATION
    settings: MapSettings = DEFAULT_MAPS
    rule: StopRule = DEFAULT_RULE
    designs: tuple[Design, ...] = tuple(Design)
    others: tuple[str, ...] = OTHERS


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionScore:
    """One person mapped in one way."""

    design: Design
    maps: tuple[MapScore, ...]
    aims: tuple[AimScore, ...]
    stopped_at: int | None
    """Pulses after which the rule would have ended mapping; None if never."""

    stop_reason: str
    stopped_hotspot_mm: float
    """Error then; NaN if never."""


def run_study(
    lookup: EfieldLookup, predictor: Predictor, plan: StudyPlan, progress: Progress
) -> list[SessionScore]:
    """Return every person's sessions."""
    scene = open_scene(lookup)
    features = candidate_features(scene, predictor)
    pairs = list(product(range(plan.n_people), plan.designs))
    scores = []
    for done, (index, design) in enumerate(pairs):
        person, _ = draw_person(scene, seed=plan.seed, stream=plan.stream, index=index)
        # One generator a session, alike for every design: they differ in choices only.
        rng = np.random.default_rng(
            np.random.SeedSequence(plan.seed, spawn_key=(index,))
        )
        session = begin(
            person,
            features,
            design,
            muscle=MUSCLES.index(TARGET),
            how=(plan.settings, plan.rule, rng),
        )
        scores.append(_run_session(session, plan))
        progress("mapping virtual people", done + 1, len(pairs))
    return scores


def candidate_features(scene: Scene, predictor: Predictor) -> Features:
    """Return the features of every candidate at every intensity."""
    by_level = [
        scene.fields.features(predictor, 100.0 * level) for level in LEVELS.tolist()
    ]
    prior: LastLayerPrior = predictor.prior
    return Features(np.array(by_level), prior)


def _run_session(session: MappingSession, plan: StudyPlan) -> SessionScore:
    muscles = [MUSCLES.index(name) for name in (TARGET, *plan.others)]
    maps: list[MapScore] = []
    aims: list[AimScore] = []
    stopped_mm = np.nan
    for n_pulses in range(1, max(plan.pulses) + 1):
        was_stopped = session.stopped is not None
        session.give()
        if session.stopped is not None and not was_stopped:
            stopped_mm = score_map(session, session.muscle).hotspot_mm
        if n_pulses in plan.pulses:
            maps += [score_map(session, muscle) for muscle in muscles]
            aim = score_aim(session, AIM)
            aims += [] if aim is None else [aim]
    stopped_at, reason = session.stopped or (None, "")
    return SessionScore(
        design=session.design,
        maps=tuple(maps),
        aims=tuple(aims),
        stopped_at=stopped_at,
        stop_reason=str(reason),
        stopped_hotspot_mm=stopped_mm,
    )


def summarise_study(
    scores: Sequence[SessionScore], plan: StudyPlan
) -> dict[str, object]:
    """Return the figures of a report; all are over people unless they say otherwise."""
    return {
        "subjects": plan.n_people,
        "seed": plan.seed,
        "muscle": TARGET,
        "map_intensity_pct_rmt": round(100.0 * MAP_LEVEL),
        "maps": {
            design: {
                which: _curves(scores, plan, design, names)
                for which, names in ((TARGET, (TARGET,)), ("others", plan.others))
            }
            for design in plan.designs
        },
        "aim": {
            "most": list(AIM.most),
            "least": list(AIM.least),
            "least_presence": AIM.least_presence,
            **{design: _aim_curves(scores, plan, design) for design in plan.designs},
        },
        "stop": _stop(scores, plan),
    }


def _curves(
    scores: Sequence[SessionScore],
    plan: StudyPlan,
    design: Design,
    names: tuple[str, ...],
) -> dict[str, object]:
    """Return lists parallel to `pulses`."""
    rows = [
        [
            one
            for score in scores
            if score.design == design
            for one in score.maps
            if one.n_pulses == n_pulses and one.muscle in names
        ]
        for n_pulses in plan.pulses
    ]
    figures = [_map_figures(some) for some in rows]
    names_of = list(figures[0])
    return {
        "pulses": list(plan.pulses),
        **{name: [one[name] for one in figures] for name in names_of},
    }


def _map_figures(rows: Sequence[MapScore]) -> dict[str, float]:
    def column(name: str) -> np.ndarray:
        return np.array([asdict(row)[name] for row in rows], np.float64)

    hotspot, radius = column("hotspot_mm"), column("hotspot_radius_mm")
    gravity, gravity_radius = column("gravity_mm"), column("gravity_radius_mm")
    known = np.isfinite(gravity)
    figures = {
        "hotspot_mm_median": np.median(hotspot),
        "hotspot_mm_p90": np.quantile(hotspot, 0.9),
        "hotspot_fine_mm_median": np.median(column("fine_hotspot_mm")),
        "hotspot_radius_90_mm": np.median(radius),
        "hotspot_coverage_90": np.mean(hotspot <= radius),
        "best_measured_site_mm_median": np.median(column("measured_hotspot_mm")),
        "gravity_mm_median": np.median(gravity[known]),
        "gravity_radius_90_mm": np.median(gravity_radius[known]),
        "gravity_coverage_90": np.mean(gravity[known] <= gravity_radius[known]),
        "area_error_mm2_median": np.median(np.abs(column("area_mm2"))),
        "area_interval_mm2": np.median(column("area_width_mm2")),
        "area_coverage_90": np.mean(column("area_inside")),
    }
    return {name: round(float(value), 3) for name, value in figures.items()}


def _aim_curves(
    scores: Sequence[SessionScore], plan: StudyPlan, design: Design
) -> dict[str, object]:
    """Return medians parallel to `pulses`; log10 of the ratio of expected sizes."""
    curves: dict[str, list[float]] = {}
    for n_pulses in plan.pulses:
        rows = [
            asdict(one)
            for score in scores
            if score.design == design
            for one in score.aims
            if one.n_pulses == n_pulses
        ]
        for name in ("best", "achieved", "hotspot", "planned", "meets"):
            found = [float(row[name]) for row in rows]
            value = np.mean(found) if name == "meets" else np.median(found or [np.nan])
            curves.setdefault(f"{name}_log10", []).append(round(float(value), 3))
        curves.setdefault("found", []).append(len(rows))
    curves["truly_meets_presence"] = curves.pop("meets_log10")
    return {"pulses": list(plan.pulses), **curves}


def _stop(scores: Sequence[SessionScore], plan: StudyPlan) -> dict[str, object]:
    """Return when the rule would have ended active mapping, and the error then."""
    active = [score for score in scores if score.design == Design.ACTIVE]
    ended = [score for score in active if score.stopped_at is not None]
    at = [score.stopped_at for score in ended if score.stopped_at is not None]
    errors = [score.stopped_hotspot_mm for score in ended]
    return {
        "hotspot_within_mm": plan.rule.hotspot_within_mm,
        "least_gain_log10": plan.rule.least_gain_log10,
        "sessions": len(active),
        "stopped": len(ended),
        "pulses_median": float(np.median(at)) if at else None,
        "pulses_p90": float(np.quantile(at, 0.9)) if at else None,
        "hotspot_mm_median": round(float(np.median(errors)), 3) if at else None,
        "hotspot_mm_p90": round(float(np.quantile(errors, 0.9)), 3) if at else None,
        "reasons": {
            reason: sum(score.stop_reason == reason for score in ended)
            for reason in sorted({score.stop_reason for score in ended})
        },
    }
