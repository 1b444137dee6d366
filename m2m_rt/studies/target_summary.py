"""The targeting study's figures: medians over people, beside the pulses they took."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from m2m_rt.studies.target import SessionScore, StudyPlan
from m2m_rt.studies.target_person import MAP_LEVEL
from m2m_rt.studies.target_score import MapScore
from m2m_rt.studies.target_session import Design


def summarise_study(scores: Sequence[SessionScore], plan: StudyPlan) -> dict[str, Any]:
    """Return the figures of a report; all are over people unless they say otherwise."""
    groups: list[tuple[str, tuple[str, ...]]] = [(plan.target, (plan.target,))]
    groups += [("others", plan.others)] if plan.others else []
    return {
        "subjects": plan.n_people,
        "seed": plan.seed,
        "simulator": plan.simulator,
        "muscle": plan.target,
        "muscles": list(plan.muscles),
        "map_intensity_pct_rmt": round(100.0 * MAP_LEVEL),
        "maps": {
            design: {
                which: _curves(scores, plan, design, names) for which, names in groups
            }
            for design in plan.designs
        },
        "aim": {
            "most": list(plan.aim.most),
            "least": list(plan.aim.least),
            "least_presence": plan.aim.least_presence,
            **{design: _aim_curves(scores, plan, design) for design in plan.designs},
        },
        "stop": _stop(scores, plan),
    }


def study_lines(figures: dict[str, Any]) -> list[str]:
    """Return what a person reads."""
    lines = []
    for design, found in figures["maps"].items():
        curve = found[figures["muscle"]]
        hotspot = " ".join(f"{one:.1f}" for one in curve["hotspot_mm_median"])
        pulses = " ".join(str(one) for one in curve["pulses"])
        lines.append(f"{design}: hotspot {hotspot} mm after {pulses} pulses (median)")
    stop = figures["stop"]
    lines.append(
        f"stop rule: {stop['stopped']} of {stop['sessions']} sessions ended, median "
        f"{stop['pulses_median']} pulses, hotspot then {stop['hotspot_mm_median']} mm"
    )
    return lines


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
        "hotspot_loss_log10_median": np.median(column("hotspot_loss_log10")),
        "hotspot_loss_log10_p90": np.quantile(column("hotspot_loss_log10"), 0.9),
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
    """Return when the rule would have ended active mapping, and its map's error."""
    active = [score for score in scores if score.design == Design.ACTIVE]
    ended = [score for score in active if score.stopped_at is not None]
    at = [score.stopped_at for score in ended if score.stopped_at is not None]
    maps = [score.stopped_map for score in ended if score.stopped_map is not None]
    errors = [one.hotspot_mm for one in maps]
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
