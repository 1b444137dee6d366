"""One muscle's map, and the pulse that would tell most about its hotspot.

The hotspot is a matter of millimetres in a surface that is flat there, and each model
errs in its own way: regression at cortical points takes every muscle for one place, the
last layer knows only maps like its population's. Half of the equally likely hotspots
come from either, so where the two disagree the region is as wide as that. Size and
shape of the map come from the last layer.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.learning.adaptive import Belief, reach_of, session_layer
from m2m_rt.learning.last_layer import Posterior
from m2m_rt.learning.map_summary import (
    COVERAGE,
    Interval,
    Place,
    areas_mm2,
    gravity_places,
    hotspot_places,
    interval_of,
    place_of,
)
from m2m_rt.learning.next_pulse import (
    expected_gain,
    gain_at_most,
    variance_reduction,
)
from m2m_rt.learning.source import (
    SourceDraws,
    SourcePosterior,
    SourceSettings,
    draw_sources,
    source_answers,
    source_drives,
)
from m2m_rt.learning.surfaces import Surfaces, draw_weights, last_layer_surfaces
from m2m_rt.units import F32, F64, Bools

_POOL_SHRINKS = 0.95
"""Of the radius: draws pooled from two models are wider than their common mean errs
(Ranjan and Gneiting, J R Stat Soc B 72:71, 2010)."""


class MapSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How a map is made of what is believed.

    Chosen on simulated people of two forms, of other seeds than any figure's, so that
    intervals hold about what they say in both.
    """

    n_draws: Annotated[int, Meta(gt=9, multiple_of=2)] = 400
    sources: SourceSettings = SourceSettings()
    """Of the hotspot, of which the last layer has the other half."""

    choosing: SourceSettings = SourceSettings(pulses_per_pulse=2.0)
    """Of the next pulse and its gain, where no other model stands beside: two pulses
    count as one, or the choice trusts a wrong place and mapping stops too early."""

    widened: Annotated[float, Meta(gt=0)] = 1.1
    """Factor of the last layer's standard deviations in size and shape, times a power
    of the muscle's noise variance over the population's: trials that lie about the map
    more than the population's do are noisy, or not of its form."""

    widened_by_noise: Annotated[float, Meta(ge=0)] = 0.25
    """That power."""

    level_sd_log10: Annotated[float, Meta(ge=0)] = 0.1
    """By how much a whole map may lie above or below what the last layer believes, for
    a noise as the population's; it grows with the noise's standard deviation."""


@dataclass(frozen=True, slots=True)
class MapSites:
    """Candidate poses, on the scalp around the planned one, and their fields."""

    centre_mm: F64
    """(n, 3): coil centres, head frame."""

    at_points: F32
    """(n_roi, 3, n): fields relative to threshold at the planned pose."""

    is_planned_yaw: Bools
    """(n,): poses with the planned handle direction; they make the map."""

    cell_mm2: float
    """Of one site."""


@dataclass(frozen=True, slots=True)
class MuscleMap:
    """What is known of one muscle's map."""

    hotspot: Place
    hotspot_row: int
    """The candidate there, in its best direction."""

    gravity: Place | None
    """None where the muscle hardly answers."""

    area_mm2: Interval


@dataclass(frozen=True, slots=True)
class NextPulse:
    """The pulse that tells most about the hotspot."""

    row: int
    """Of the candidate pose."""

    level: float
    """Intensity over resting threshold."""

    gain_log10: float
    """By how much this pulse is expected to raise the answer at the chosen pose; others
    may raise it more and tell less about where the hotspot is."""

    gain_at_most_log10: float
    """By how much knowing all would raise it."""

    hotspot: Place
    """As believed before it."""


def muscle_map(
    sources: SourcePosterior,
    surfaces: Surfaces,
    sites: MapSites,
    *,
    beside_mm: F64,
    rng: np.random.Generator,
) -> MuscleMap:
    """Return a muscle's map.

    Parameters
    ----------
    sources
        What is believed of the muscle's source.
    surfaces
        At the sites of the planned yaw, at the map's intensity.
    sites
        All candidates.
    beside_mm
        (n_draws, 3): hotspots that the last layer holds likely, `layer_hotspots`.
    rng
        Draws as many from the sources.
    """
    draws = draw_sources(sources, len(beside_mm), rng)
    drives = source_drives(draws, sites.at_points)  # (n_draws, n)
    hotspot = _hotspot(drives, beside_mm, sites)
    at = sites.centre_mm[sites.is_planned_yaw]
    areas = areas_mm2(surfaces.log10_uv, cell_mm2=sites.cell_mm2)
    return MuscleMap(
        hotspot=hotspot,
        hotspot_row=_row_at(hotspot, drives, sites),
        gravity=place_of(gravity_places(surfaces.log10_uv, at)),
        area_mm2=interval_of(areas),
    )


def layer_hotspots(
    belief: Belief,
    features: F32,
    of: tuple[int, MapSites],
    *,
    settings: MapSettings,
    rng: np.random.Generator,
) -> F64:
    """Return hotspots (n_draws, 3) that the last layer holds equally likely.

    Parameters
    ----------
    belief
        After the pulses so far.
    features
        (n, n_features) of the candidates at threshold, where nothing is saturated.
    of
        The muscle's row, and the candidates.
    settings
        How a map is made.
    rng
        Draws them.
    """
    layer, (muscle, sites) = session_layer(belief), of
    widened = _noisy(layer, muscle) ** settings.widened_by_noise
    weights = draw_weights(
        layer, muscle, n_draws=settings.n_draws, rng=rng, widened=widened
    )
    return hotspot_places(weights @ features.astype(np.float64).T, sites.centre_mm)


def map_surfaces(
    belief: Belief,
    features: F32,
    muscle: int,
    *,
    settings: MapSettings,
    rng: np.random.Generator,
) -> Surfaces:
    """Return equally likely surfaces at features (n, n_features), in the usual state.

    A gain that has changed counts as it is now.
    """
    layer = session_layer(belief)
    noisy = _noisy(layer, muscle)
    widened = settings.widened * noisy**settings.widened_by_noise
    weights = draw_weights(
        layer, muscle, n_draws=settings.n_draws, rng=rng, widened=widened
    )
    drawn = last_layer_surfaces(layer, features, muscle, weights)
    level_sd = settings.level_sd_log10 * np.sqrt(noisy)
    sd = np.hypot(level_sd, np.sqrt(belief.gain_variance[muscle]))
    moved = belief.gain_log10[muscle] + sd * rng.standard_normal((len(weights), 1))
    reach = reach_of(belief.settings, drawn.log10_uv)
    return Surfaces(drawn.log10_uv + reach * moved, drawn.noise_log10)


def most_telling_pulse(
    sources: SourcePosterior,
    sites: MapSites,
    *,
    levels: F64,
    beside_mm: F64,
    rng: np.random.Generator,
) -> NextPulse:
    """Return which pose and level (intensity over threshold) to try next.

    `beside_mm` is as for `muscle_map`; it tells how well the hotspot is known by now.
    """
    draws = draw_sources(sources, len(beside_mm), rng)
    drives = source_drives(draws, sites.at_points)
    places = hotspot_places(drives, sites.centre_mm)
    lowered = np.array(
        [
            variance_reduction(places, _outcomes(sources, draws, level * drives))
            for level in levels
        ]
    )  # (n_levels, n)
    level_row, row = np.unravel_index(np.argmax(lowered), lowered.shape)
    level = float(levels[level_row])
    answers = source_answers(draws, level * drives)
    named = _outcomes(sources, draws, level * drives[:, [row]])
    (gain_log10,) = expected_gain(answers, named)
    return NextPulse(
        row=int(row),
        level=level,
        gain_log10=float(gain_log10),
        gain_at_most_log10=gain_at_most(answers),
        hotspot=_hotspot(drives, beside_mm, sites),
    )


def _outcomes(sources: SourcePosterior, draws: SourceDraws, drives: F64) -> Surfaces:
    answers = source_answers(draws, drives)
    return Surfaces(answers, np.full(drives.shape[1], sources.noise_log10))


def _noisy(layer: Posterior, muscle: int) -> float:
    """Return a muscle's noise variance over the population's, 1 at least."""
    return max(float(layer.noise_scale[muscle]), 1.0)


def _hotspot(drives: F64, beside_mm: F64, sites: MapSites) -> Place:
    """Return the hotspot; its radius is never less than a site's own."""
    of_sources = hotspot_places(drives, sites.centre_mm)
    places = np.concatenate((of_sources, beside_mm))
    mean_mm = places.mean(axis=0)
    apart_mm = np.linalg.norm(places - mean_mm, axis=1)
    radius_mm = _POOL_SHRINKS * np.quantile(apart_mm, COVERAGE)
    site_mm = np.sqrt(sites.cell_mm2 / np.pi)
    return Place(mean_mm, float(np.hypot(radius_mm, site_mm)))


def _row_at(hotspot: Place, drives: F64, sites: MapSites) -> int:
    """Return the candidate nearest to a hotspot, in the direction that drives most."""
    apart_mm = np.linalg.norm(sites.centre_mm - hotspot.mean_mm, axis=1)
    near = apart_mm <= apart_mm.min() + 0.5 * np.sqrt(sites.cell_mm2)
    return int(np.argmax(np.where(near, drives.mean(axis=0), -np.inf)))
