"""The targeting study: how soon hotspot, map and a selective pose are found.

People come from a seed stream that no network was trained on; settings were chosen on
people of another one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import ConfigError
from m2m_rt.learning import (
    Aim,
    MapSettings,
    StopRule,
    first_posterior,
    response_map,
    select_muscles,
)
from m2m_rt.model import MUSCLES
from m2m_rt.nodes import look_up
from m2m_rt.ports import Predictor
from m2m_rt.sim import SeedStream
from m2m_rt.studies.simulators import SIMULATORS
from m2m_rt.studies.target_person import Person, Scene, draw_person, open_scene
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
    muscles: tuple[str, ...] = MUSCLES
    """Recorded and learnt; the hotspot is looked for of `TARGET`, or else the first."""

    simulator: str = "goetz"
    """One of `SIMULATORS`: the form of the people."""

    @property
    def target(self) -> str:
        """The muscle whose hotspot is looked for."""
        return TARGET if TARGET in self.muscles else self.muscles[0]

    @property
    def others(self) -> tuple[str, ...]:
        """Muscles that are mapped by the way."""
        mapped = OTHERS if set(self.muscles) >= {TARGET, *OTHERS} else self.muscles
        return tuple(name for name in mapped if name != self.target)

    @property
    def aim(self) -> Aim:
        """Most of the target with least of one other, where there is one."""
        return Aim(most=(self.target,), least=self.others[:1])


QUICK_PLAN = StudyPlan(
    n_people=1,
    pulses=(10, 14),
    designs=(Design.ACTIVE, Design.RANDOM),
    muscles=("FDI", "ADM"),
)


def with_muscles(plan: StudyPlan, muscles: tuple[str, ...]) -> StudyPlan:
    """Return the plan of a laboratory that records these muscles, in this order.

    Raises
    ------
    ConfigError
        If one is unknown, or named twice.
    """
    for name in muscles:
        if name not in MUSCLES:
            raise ConfigError("muscle", name, " ".join(MUSCLES))
    if len(set(muscles)) < len(muscles):
        raise ConfigError("muscles", " ".join(muscles), "each once")
    return replace(plan, muscles=muscles)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionScore:
    """One person mapped in one way."""

    design: Design
    maps: tuple[MapScore, ...]
    aims: tuple[AimScore, ...]
    stopped_at: int | None
    """Pulses after which the rule would have ended mapping; None if never."""

    stop_reason: str
    stopped_map: MapScore | None
    """The target's, of what was believed then; None if never."""


def with_designs(plan: StudyPlan, names: tuple[str, ...]) -> StudyPlan:
    """Return the plan with these designs only, in their usual order.

    Raises
    ------
    ConfigError
        If one is unknown.
    """
    known = [str(one) for one in Design]
    for name in names:
        if name not in known:
            raise ConfigError("--design", name, " ".join(known))
    return replace(plan, designs=tuple(one for one in Design if str(one) in names))


def run_study(
    lookup: EfieldLookup, predictor: Predictor, plan: StudyPlan, progress: Progress
) -> list[SessionScore]:
    """Return every person's sessions."""
    scene = open_scene(lookup)
    features = candidate_features(scene, predictor, plan.muscles)
    n_sessions = plan.n_people * len(plan.designs)
    scores: list[SessionScore] = []
    for index in range(plan.n_people):
        person, _ = draw_person(
            scene,
            seed=plan.seed,
            stream=plan.stream,
            index=index,
            draw=SIMULATORS[plan.simulator],
        )
        for design in plan.designs:
            session = _open_session(person, features, design, (plan, index))
            scores.append(_run_session(session, plan))
            progress("mapping virtual people", len(scores), n_sessions)
    return scores


def _open_session(
    person: Person, features: Features, design: Design, of: tuple[StudyPlan, int]
) -> MappingSession:
    plan, index = of
    # One generator a session, alike for every design: they differ in choices only.
    rng = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(index,)))
    how = (plan.settings, plan.rule, rng)
    return begin(person, features, design, muscle=plan.target, how=how)


def candidate_features(
    scene: Scene, predictor: Predictor, muscles: tuple[str, ...] = MUSCLES
) -> Features:
    """Return the features of every candidate at every intensity, for some muscles."""
    by_level = [
        scene.fields.features(predictor, 100.0 * level) for level in LEVELS.tolist()
    ]
    prior = select_muscles(predictor.prior, [MUSCLES.index(name) for name in muscles])
    return Features(np.array(by_level), prior, muscles)


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
    maps: list[MapScore] = []
    aims: list[AimScore] = []
    stopped_map: MapScore | None = None
    for n_pulses in range(1, max(plan.pulses) + 1):
        row, level = session.choose()
        if session.stopped is not None and stopped_map is None:
            stopped_map = score_map(session, plan.target)
        session.give(row, level)
        if n_pulses in plan.pulses:
            maps += [score_map(session, name) for name in (plan.target, *plan.others)]
            aim = score_aim(session, plan.aim)
            aims += [] if aim is None else [aim]
    stopped_at, reason = session.stopped or (None, "")
    return SessionScore(
        design=session.design,
        maps=tuple(maps),
        aims=tuple(aims),
        stopped_at=stopped_at,
        stop_reason=str(reason),
        stopped_map=stopped_map,
    )
