"""A mapping session against the truth: the map, and the pose chosen for an aim."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.learning import (
    Aim,
    best_candidate,
    foresee,
    map_surfaces,
    muscle_map,
    response_map_of,
)
from m2m_rt.model import MUSCLES
from m2m_rt.studies.target_person import MAP_LEVEL, Scene
from m2m_rt.studies.target_session import LEVELS, MappingSession, level_row
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True, kw_only=True)
class MapScore:
    """One muscle's map against the truth, mm and mm²."""

    muscle: str
    n_pulses: int
    hotspot_mm: float
    """Distance from the best candidate's centre."""

    fine_hotspot_mm: float
    """From the best centre of any pose."""

    hotspot_loss_log10: float
    """By how much the muscle truly answers less at the pose found than at the best: a
    field is flat around its largest, so millimetres may cost little."""

    hotspot_radius_mm: float
    gravity_mm: float
    """NaN where the muscle is believed not to answer."""

    gravity_radius_mm: float
    area_mm2: float
    """Believed less true."""

    area_width_mm2: float
    area_inside: bool
    measured_hotspot_mm: float
    """Of the given pose with the largest mean answer."""


def score_map(session: MappingSession, name: str) -> MapScore:
    """Compare what is believed of a muscle with the truth."""
    person, rng = session.person, session.rng
    row, muscle = session.features.muscles.index(name), MUSCLES.index(name)
    surfaces = map_surfaces(
        session.belief,
        session.features.map(person.scene),
        row,
        settings=session.settings,
        rng=rng,
    )
    found = muscle_map(
        session.sources_of(row),
        surfaces,
        person.scene.sites,
        beside_mm=session.layer_hotspots(row),
        rng=rng,
    )
    truth_mm, area = person.hotspot_mm(muscle), person.area_mm2(muscle)
    gravity = found.gravity
    expected = person.expected_log10_uv(MAP_LEVEL)[:, muscle]
    return MapScore(
        muscle=name,
        n_pulses=len(session.given.rows),
        hotspot_mm=_apart(found.hotspot.mean_mm, truth_mm),
        fine_hotspot_mm=_apart(found.hotspot.mean_mm, person.fine_hotspot_mm(muscle)),
        hotspot_loss_log10=float(expected.max() - expected[found.hotspot_row]),
        hotspot_radius_mm=found.hotspot.radius_90_mm,
        gravity_mm=(
            np.nan
            if gravity is None
            else _apart(gravity.mean_mm, person.gravity_mm(muscle))
        ),
        gravity_radius_mm=np.nan if gravity is None else gravity.radius_90_mm,
        area_mm2=found.area_mm2.mean - area,
        area_width_mm2=found.area_mm2.p95 - found.area_mm2.p05,
        area_inside=found.area_mm2.p05 <= area <= found.area_mm2.p95,
        measured_hotspot_mm=_apart(_measured_hotspot(session, row), truth_mm),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AimScore:
    """How well the pose chosen for an aim serves it, in truth; log10 of a ratio."""

    n_pulses: int
    achieved: float
    best: float
    """Of all candidates that truly meet the aim."""

    planned: float
    """Of the planned pose at 120 % of threshold."""

    hotspot: float
    """Of the true hotspot of the first wanted muscle, at 120 % of threshold."""

    meets: bool
    """Whether the chosen pose truly has the wanted presence."""


def score_aim(session: MappingSession, aim: Aim) -> AimScore | None:
    """Compare the pose chosen for an aim with the best; None if none was found."""
    person, features = session.person, session.features
    weights = aim.weights(MUSCLES)
    n_poses = features.by_level.shape[1]
    phi = features.by_level.reshape(-1, features.by_level.shape[2])
    row = best_candidate(
        response_map_of(foresee(session.belief, phi)),
        aim,
        muscles=features.muscles,
        allowed=np.ones(len(phi), np.bool_),
    )
    truth = np.concatenate(
        [person.expected_log10_uv(level) for level in LEVELS.tolist()]
    )
    presence = [
        np.concatenate([person.presence(level, muscle) for level in LEVELS.tolist()])
        for muscle in np.flatnonzero(weights > 0.0).tolist()
    ]
    meets = np.all(np.array(presence) >= aim.least_presence, axis=0)
    if row is None or not meets.any():
        return None
    utility = truth @ weights
    at_map = n_poses * level_row(MAP_LEVEL)
    planned = int(np.argmin(_from_planned(person.scene)))
    drive = truth[at_map : at_map + n_poses, MUSCLES.index(aim.most[0])]
    return AimScore(
        n_pulses=len(session.given.rows),
        achieved=float(utility[row]),
        best=float(utility[meets].max()),
        planned=float(utility[at_map + planned]),
        hotspot=float(utility[at_map + int(np.argmax(drive))]),
        meets=bool(meets[row]),
    )


def _measured_hotspot(session: MappingSession, row: int) -> F64:
    answers, rows = session.given.answers(row), np.array(session.given.rows)
    sites = np.unique(rows)
    means = [answers[rows == site].mean() for site in sites]
    centre: F64 = session.person.scene.grid.centre_mm[sites[int(np.argmax(means))]]
    return centre


def _from_planned(scene: Scene) -> F64:
    grid = scene.grid
    away: F64 = np.hypot(*grid.offset_mm.T) + np.abs(grid.yaw_deg)
    return away


def _apart(one_mm: F64, other_mm: F64) -> float:
    return float(np.linalg.norm(one_mm - other_mm))
