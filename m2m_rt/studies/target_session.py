"""One mapping session of a virtual person: choose a pulse, give it, learn."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec
import numpy as np

from m2m_rt.learning import (
    Belief,
    LastLayerPrior,
    MappingState,
    MapSettings,
    MapSites,
    NextPulse,
    SourcePosterior,
    StopReason,
    StopRule,
    first_belief,
    fit_sources,
    layer_hotspots,
    most_telling_pulse,
    stop_reason,
    take,
)
from m2m_rt.model import MUSCLES
from m2m_rt.studies.target_person import MAP_LEVEL, Person, Scene
from m2m_rt.units import F32, F64, I64

LEVELS = np.array((1.0, 1.1, 1.2, 1.3, 1.4))
"""Intensities that may be given, over threshold."""

N_FIRST = 8
"""Pulses of active mapping that are spread at random, before there is a map."""

_REFIT_EVERY = 4
_N_CHOICE_DRAWS = 200
_GRID_SPACING_MM = 8.0
_GRID_RADIUS_MM = 16.5
_GRID_LEVEL = 1.2


class Design(StrEnum):
    """Who chooses the next pulse."""

    ACTIVE = "active"
    RANDOM = "random"
    GRID = "grid"


@dataclass(frozen=True, slots=True)
class Features:
    """The network's features of every candidate pose, by level."""

    by_level: F32
    """(n_levels, n, n_features)"""

    prior: LastLayerPrior
    """Of the muscles that are recorded."""

    muscles: tuple[str, ...]

    @property
    def columns(self) -> list[int]:
        """Of the recorded muscles among all that a person has."""
        return [MUSCLES.index(name) for name in self.muscles]

    def at(self, row: int, level: float) -> F32:
        """Return (n_features,) of one stimulus."""
        found: F32 = self.by_level[level_row(level), row]
        return found

    def map(self, scene: Scene) -> F32:
        """Return (n_sites, n_features) of the map's poses and level."""
        found: F32 = self.by_level[level_row(MAP_LEVEL)][scene.sites.is_planned_yaw]
        return found


@dataclass(slots=True)
class Given:
    """What was given and answered so far."""

    rows: list[int]
    levels: list[float]
    log10_uv: list[F64]

    def fields(self, scene: Scene) -> F32:
        """Return relative fields (n_roi, n_pulses, 3)."""
        found: F32 = (
            scene.by_pose[:, self.rows]
            * np.array(self.levels, np.float32)[:, np.newaxis]
        )
        return found

    def answers(self, muscle: int) -> F64:
        """Return (n_pulses,) of one recorded muscle."""
        return np.array([row[muscle] for row in self.log10_uv])


@dataclass(slots=True)
class MappingSession:
    """The state of one session."""

    person: Person
    features: Features
    design: Design
    muscle: int
    """Whose hotspot is looked for, among those that are recorded."""

    rng: np.random.Generator
    settings: MapSettings
    given: Given
    belief: Belief
    choices: "Choices"
    sources: SourcePosterior | None = None
    stopped: tuple[int, StopReason] | None = None
    """Number of pulses at which mapping could have ended, and why."""

    def choose(self) -> tuple[int, float]:
        """Return the next pulse's pose among the candidates, and its level.

        Where the rule would end mapping, that is noted: `stopped` then counts the
        pulses that were given, and what is believed is what was believed at the stop.
        """
        n_pulses = len(self.given.rows)
        match self.design:
            case Design.GRID:
                rows = self.choices.grid_rows
                return int(rows[n_pulses % len(rows)]), _GRID_LEVEL
            case Design.ACTIVE if n_pulses >= N_FIRST:
                return self._most_telling()
            case _:
                row = int(self.rng.choice(self.choices.rows))
                return row, float(self.rng.choice(LEVELS))

    def give(self, row: int, level: float) -> None:
        """Give a pulse and learn from it."""
        every = self.person.answer_log10_uv(row, level, self.rng)
        answer = every[self.features.columns]
        self.given.rows.append(row)
        self.given.levels.append(level)
        self.given.log10_uv.append(answer)
        taken = take(
            self.belief,
            self.features.at(row, level),
            log10_uv=answer,
            valid=np.ones(len(answer), np.bool_),
        )
        self.belief = taken.belief

    def sources_of(self, muscle: int) -> SourcePosterior:
        """Return what all pulses say of a muscle's source, fitted anew."""
        return fit_sources(
            self.given.fields(self.person.scene),
            self.given.answers(muscle),
            towards=self.person.scene.towards,
            settings=self.settings.sources,
        )

    def layer_hotspots(self, muscle: int, among: "Choices | None" = None) -> F64:
        """Return likely hotspots of a recorded muscle among choices or all poses."""
        at_threshold = self.features.by_level[level_row(1.0)]
        sites, n_draws = self.person.scene.sites, self.settings.n_draws
        if among is not None:
            at_threshold, sites = at_threshold[among.rows], among.sites
            n_draws = _N_CHOICE_DRAWS
        return layer_hotspots(
            self.belief,
            at_threshold,
            (muscle, sites),
            settings=msgspec.structs.replace(self.settings, n_draws=n_draws),
            rng=self.rng,
        )

    def consider_stopping(self, rule: StopRule, found: NextPulse) -> None:
        """Note the first time that the rule would end mapping."""
        n_pulses = len(self.given.rows)
        state = MappingState(n_pulses, found.hotspot, found.gain_at_most_log10)
        reason = stop_reason(state, rule)
        if reason is not None and self.stopped is None:
            self.stopped = (n_pulses, reason)

    def _most_telling(self) -> tuple[int, float]:
        scene, n_pulses = self.person.scene, len(self.given.rows)
        is_fresh = self.sources is None or n_pulses % _REFIT_EVERY == 0
        self.sources = fit_sources(
            self.given.fields(scene),
            self.given.answers(self.muscle),
            towards=scene.towards,
            settings=self.settings.choosing,
            start=None if is_fresh else self.sources,
        )
        found = most_telling_pulse(
            self.sources,
            self.choices.sites,
            levels=LEVELS,
            beside_mm=self.layer_hotspots(self.muscle, self.choices),
            rng=self.rng,
        )
        self.consider_stopping(self.choices.rule, found)
        return int(self.choices.rows[found.row]), found.level


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be given."""

    rows: I64
    """Of the candidates, the poses that pulses are chosen from."""

    sites: MapSites
    """Those."""

    grid_rows: I64
    """The classical grid's sites, shuffled."""

    rule: StopRule


def open_choices(scene: Scene, rule: StopRule, rng: np.random.Generator) -> Choices:
    """Return every other site in every other direction, and the classical grid."""
    grid, sites = scene.grid, scene.sites
    apart_mm = 2.0 * grid.spacing_mm
    is_coarse = np.all(np.abs(_off(grid.offset_mm, apart_mm)) < 1e-6, axis=1)
    is_coarse &= np.abs(_off(grid.yaw_deg, 30.0)) < 1e-6
    on_grid = np.all(np.abs(_off(grid.offset_mm, _GRID_SPACING_MM)) < 1e-6, axis=1)
    on_grid &= np.hypot(*grid.offset_mm.T) <= _GRID_RADIUS_MM
    rows = np.flatnonzero(is_coarse)
    chosen = MapSites(
        centre_mm=sites.centre_mm[rows],
        at_points=np.ascontiguousarray(sites.at_points[:, :, rows]),
        is_planned_yaw=sites.is_planned_yaw[rows],
        cell_mm2=apart_mm**2,
    )
    return Choices(
        rows=rows,
        sites=chosen,
        grid_rows=rng.permutation(np.flatnonzero(on_grid & sites.is_planned_yaw)),
        rule=rule,
    )


def begin(
    person: Person,
    features: Features,
    design: Design,
    *,
    muscle: str,
    how: tuple[MapSettings, StopRule, np.random.Generator],
) -> MappingSession:
    """Return a session before its first pulse."""
    settings, rule, rng = how
    return MappingSession(
        person=person,
        features=features,
        design=design,
        muscle=features.muscles.index(muscle),
        rng=rng,
        settings=settings,
        given=Given([], [], []),
        belief=first_belief(features.prior),
        choices=open_choices(person.scene, rule, rng),
    )


def _off(values: F64, step: float) -> F64:
    """Return how far values are from the nearest multiple of a step."""
    return values - step * np.round(values / step)


def level_row(level: float) -> int:
    """Return the row of an intensity in `LEVELS`."""
    return int(np.argmin(np.abs(LEVELS - level)))
