"""The response map of a session: hotspot, size, the next pulse, the pose for an aim."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from m2m_rt.app.session_trials import LearntSession
from m2m_rt.app.stage_bars import Progress
from m2m_rt.efield import PoseGrid, pose_grid
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.learning import (
    Aim,
    AimLimits,
    Candidates,
    MappingState,
    MapSettings,
    MapSites,
    MuscleMap,
    NextPulse,
    ResponseMap,
    SourcePosterior,
    SourceSettings,
    StopReason,
    StopRule,
    best_candidate,
    fit_sources,
    foresee,
    integrated_variance_reduction,
    layer_hotspots,
    map_surfaces,
    most_telling_pulse,
    muscle_map,
    response_map_of,
    session_layer,
    stop_reason,
    within_limits,
)
from m2m_rt.units import F32, F64, Bools

RADIUS_MM = 20.0
SPACING_MM = 2.0
YAWS_DEG = tuple(float(yaw) for yaw in range(-60, 61, 15))
LEVELS_PCT_RMT = (100.0, 110.0, 120.0, 130.0, 140.0)


@dataclass(frozen=True, slots=True)
class MapRequest:
    """What is asked of a session."""

    muscles: tuple[str, ...]
    intensity_pct_rmt: float
    """Of the map."""

    aim: Aim | None
    limits: AimLimits
    seed: int
    settings: MapSettings = MapSettings()  # noqa: RUF009 - frozen
    rule: StopRule = StopRule()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class MappedMuscle:
    """One muscle's part of a session's map."""

    name: str
    column: int
    found: MuscleMap
    sources: SourcePosterior
    next_pulse: NextPulse | None
    """None where no allowed intensity is left."""

    stop: StopReason | None


@dataclass(frozen=True, slots=True)
class AimedPose:
    """The best stimulus for an aim."""

    row: int
    """Of the grid."""

    intensity_pct_rmt: float
    log10_uv: F64
    """(n_muscles,): expected there."""

    presence: F64
    """(n_muscles,)"""


class Unmet(Enum):
    """Why no stimulus is advised for an aim."""

    COIL_UNKNOWN = "where the coil was at the last pulse is not known"
    OUTSIDE_LIMITS = "the limits leave none"
    UNSURE = "of none is it sure enough that every wanted muscle answers"


@dataclass(frozen=True, slots=True)
class Stimulus:
    """A candidate pose at an intensity."""

    row: int
    """Of the grid."""

    intensity_pct_rmt: float


@dataclass(frozen=True, slots=True)
class SessionMap:
    """What a session says of every candidate pose."""

    session: LearntSession
    grid: PoseGrid
    answers: ResponseMap
    """At the map's intensity, one row a pose of the grid: as predictd believes now."""

    muscles: tuple[MappedMuscle, ...]
    next_for_maps: Stimulus | None
    """What tells most about the whole maps of the asked muscles together; None where
    no allowed intensity is left."""

    aimed: AimedPose | Unmet | None
    """None without an aim."""


def map_session(
    session: LearntSession, request: MapRequest, progress: Progress
) -> SessionMap:
    """Compute the map.

    Raises
    ------
    ConfigError
        If a muscle is none of the rig's.
    """
    table = session.lookup.table
    grid = pose_grid(
        session.lookup.guard,
        table.region.planned_head_from_coil,
        radius_mm=RADIUS_MM,
        spacing_mm=SPACING_MM,
        yaws_deg=YAWS_DEG,
    )
    fields = session.fields(grid.head_from_coil)
    features = fields.features(session.predictor, request.intensity_pct_rmt)
    at_threshold = fields.features(session.predictor, 100.0)
    sites = MapSites(
        centre_mm=grid.centre_mm,
        at_points=fields.at_points(),
        is_planned_yaw=grid.yaw_deg == 0.0,
        cell_mm2=SPACING_MM**2,
    )
    mapped, at = [], (sites, features, at_threshold)
    for done, name in enumerate(request.muscles):
        progress("mapping muscles", done, len(request.muscles))
        mapped.append(_map_muscle(session, request, at, name))
    progress("mapping muscles", len(mapped), len(mapped))
    levels = allowed_levels(session, request.limits)
    by_level = [
        fields.features(session.predictor, pct) for pct in (100.0 * levels).tolist()
    ]
    stimuli = _Stimuli(grid, levels, by_level)
    wanted = features[sites.is_planned_yaw]
    return SessionMap(
        session=session,
        grid=grid,
        answers=response_map_of(foresee(session.belief, features)),
        muscles=tuple(mapped),
        next_for_maps=_next_for_maps(session, request, stimuli, wanted),
        aimed=_aimed_pose(session, request, stimuli),
    )


@dataclass(frozen=True, slots=True)
class _Stimuli:
    """Every candidate pose at every allowed intensity, intensities in blocks."""

    grid: PoseGrid
    levels: F64
    features: list[F32]
    """Of each level, (n_poses, n_features)."""

    def at(self, row: int) -> Stimulus:
        level, pose = divmod(row, len(self.grid.yaw_deg))
        return Stimulus(pose, float(100.0 * self.levels[level]))


def _next_for_maps(
    session: LearntSession, request: MapRequest, stimuli: _Stimuli, wanted: F32
) -> Stimulus | None:
    """Return what lowers the variance of the asked muscles' maps most."""
    if not len(stimuli.levels):
        return None
    layer = session_layer(session.belief)
    weights = np.array([float(name in request.muscles) for name in session.muscles])
    lowered = [
        integrated_variance_reduction(layer, features, wanted, muscle_weights=weights)
        for features in stimuli.features
    ]
    return stimuli.at(int(np.argmax(np.concatenate(lowered))))


def _map_muscle(
    session: LearntSession,
    request: MapRequest,
    at: tuple[MapSites, F32, F32],
    name: str,
) -> MappedMuscle:
    if name not in session.muscles:
        raise ConfigError("muscle", name, " ".join(session.muscles))
    sites, features, at_threshold = at
    column = session.muscles.index(name)
    # One generator a muscle: its map does not depend on which others are asked for.
    rng = np.random.default_rng((request.seed, column))
    sources = _sources(session, column, request.settings.sources)
    surfaces = map_surfaces(
        session.belief,
        features[sites.is_planned_yaw],
        column,
        settings=request.settings,
        rng=rng,
    )
    how, of = request.settings, (column, sites)
    beside_mm = layer_hotspots(session.belief, at_threshold, of, settings=how, rng=rng)
    found = muscle_map(sources, surfaces, sites, beside_mm=beside_mm, rng=rng)
    levels = allowed_levels(session, request.limits)
    if not len(levels):
        return MappedMuscle(name, column, found, sources, None, None)
    choosing = _sources(session, column, request.settings.choosing)
    pulse = most_telling_pulse(
        choosing, sites, levels=levels, beside_mm=beside_mm[::2], rng=rng
    )
    # The hotspot as the next pulse's choice believes it: the map's own counts every
    # pulse in full, and its narrower region would end mapping too early.
    state = MappingState(sources.n_pulses, pulse.hotspot, pulse.gain_at_most_log10)
    stop = stop_reason(state, request.rule)
    return MappedMuscle(name, column, found, sources, pulse, stop)


def allowed_levels(session: LearntSession, limits: AimLimits) -> F64:
    """Return the intensities over threshold that the limits leave."""
    levels = np.array(LEVELS_PCT_RMT) / 100.0
    pct_mso = levels * session.config.protocol.rmt_pct_mso
    allowed: F64 = levels[pct_mso <= limits.most_intensity_pct_mso]
    return allowed


def _sources(
    session: LearntSession, column: int, settings: SourceSettings
) -> SourcePosterior:
    """Return what the session says of a muscle's source."""
    planned = session.lookup.query(
        session.lookup.table.region.planned_head_from_coil
    ).unit_efield_v_per_m
    if planned is None:
        raise DataError("the table refuses its own planned pose")
    valid = session.trials.valid[:, column]
    strength = np.linalg.norm(planned, axis=1, keepdims=True)
    return fit_sources(
        session.trials.relative_efield[valid].transpose(1, 0, 2),
        session.answers(column)[valid],
        towards=(planned / strength).astype(np.float64),
        settings=settings,
    )


def _aimed_pose(
    session: LearntSession, request: MapRequest, stimuli: _Stimuli
) -> AimedPose | Unmet | None:
    """Return the best allowed stimulus, or why there is none; None without an aim."""
    if request.aim is None:
        return None
    request.aim.weights(session.muscles)  # what is no muscle is refused in any case
    allowed = _allowed(session, request, stimuli)
    if not allowed.any():
        is_limited = math.isfinite(request.limits.most_move_mm)
        is_lost = is_limited and session.last_pulse_mm is None
        return Unmet.COIL_UNKNOWN if is_lost else Unmet.OUTSIDE_LIMITS
    answers = _stacked(
        [
            response_map_of(foresee(session.belief, features))
            for features in stimuli.features
        ]
    )
    row = best_candidate(answers, request.aim, muscles=session.muscles, allowed=allowed)
    if row is None:
        return Unmet.UNSURE
    chosen = stimuli.at(row)
    return AimedPose(
        row=chosen.row,
        intensity_pct_rmt=chosen.intensity_pct_rmt,
        log10_uv=answers.mean[row],
        presence=answers.presence[row],
    )


def _allowed(session: LearntSession, request: MapRequest, stimuli: _Stimuli) -> Bools:
    """Return which of the stimuli the limits allow, (n_levels × n_poses,)."""
    levels, grid = stimuli.levels, stimuli.grid
    rmt_pct_mso = session.config.protocol.rmt_pct_mso
    candidates = Candidates(
        centre_mm=np.tile(grid.centre_mm, (len(levels), 1)),
        intensity_pct_mso=np.repeat(levels * rmt_pct_mso, len(grid.yaw_deg)),
    )
    return within_limits(candidates, request.limits, now_mm=session.last_pulse_mm)


def _stacked(parts: Sequence[ResponseMap]) -> ResponseMap:
    """Return one map with the rows of several."""
    return ResponseMap(
        mean=np.concatenate([one.mean for one in parts]),
        sd=np.concatenate([one.sd for one in parts]),
        p05=np.concatenate([one.p05 for one in parts]),
        p95=np.concatenate([one.p95 for one in parts]),
        presence=np.concatenate([one.presence for one in parts]),
    )
