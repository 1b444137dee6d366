"""The targeting study: how soon hotspot, map and a selective pose are found.

People come from a seed stream that no network was trained on; settings were chosen on
people of another one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.learning import (
    Aim,
    LastLayerPrior,
    MapSettings,
    StopRule,
    first_posterior,
    response_map,
)
from m2m_rt.model import MUSCLES
from m2m_rt.nodes import look_up
from m2m_rt.ports import Predictor
from m2m_rt.sim import SeedStream
from m2m_rt.studies.simulators import SIMULATORS
from m2m_rt.studies.target_person import Scene, draw_person, open_scene
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
_N_TIMED = 2048
PULSES = (10, 20, 30, 40, 60)
"""After so many, maps are compared with the truth."""


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What is studied."""

    n_people: int = 10
    seed: int = 1
    pulses: tuple[int, ...] = PULSES
    stream: SeedStream = SeedStream.EVALUATION
    settings: MapSettings = DEFAULT_MAPS
    rule: StopRule = DEFAULT_RULE
    designs: tuple[Design, ...] = tuple(Design)
    others: tuple[str, ...] = OTHERS
    simulator: str = "goetz"
    """One of `SIMULATORS`: the form of the people."""


QUICK_PLAN = StudyPlan(
    n_people=1,
    pulses=(10, 14),
    designs=(Design.ACTIVE, Design.RANDOM),
    others=("ADM",),
)


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
        person, _ = draw_person(
            scene,
            seed=plan.seed,
            stream=plan.stream,
            index=index,
            draw=SIMULATORS[plan.simulator],
        )
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


def surface_speed(lookup: EfieldLookup, predictor: Predictor) -> int:
    """Return how many candidates a second one thread maps, from pose to answer.

    A candidate is a pose at one intensity: field, features, and the distribution of
    all muscles' answers.
    """
    planned = lookup.table.region.planned_head_from_coil
    poses = np.tile(planned, (_N_TIMED, 1, 1))  # a look-up takes as long anywhere
    began_s = time.thread_time()
    fields = look_up(lookup, poses)
    posterior = first_posterior(predictor.prior)
    for level in LEVELS.tolist():
        response_map(posterior, fields.features(predictor, 100.0 * level))
    took_s = time.thread_time() - began_s
    return round(len(LEVELS) * _N_TIMED / took_s)


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
