"""What a subject's response map is made of: a Gaussian process' covariance over pulses.

log10 MEP = mean + field of the coil pose + offset and deviation field of each recorded
map + drift over pulse order + trial noise. Each term is switched off by an sd of 0.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.units import F64, I64

NonNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]


class PoseMapSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Hyper-parameters of one muscle's map.

    The defaults are shipped: round figures from what is known of maps of the hand,
    written down before any recording was looked at. `ShippedMapSettings` of the
    studies says which terms are on.
    """

    mean_log10_uv: float = 2.0
    """Expected log10 MEP of a pulse anywhere on the map: 100 µV, the middle between
    the floor and a large MEP."""

    mean_sd: NonNegative = 1.0
    """How much that differs between subjects, log10 µV: next to nothing is known."""

    field_sd: NonNegative = 0.4
    """Of the response over coil poses, log10 µV; nine in ten sites then lie within 1.3
    decades, as from the floor to an MEP of 100 µV."""

    field_length_mm: Positive = 10.0
    """Over which the response keeps its size: the half width of a figure-8 coil's
    field in cortex, 10 to 15 mm (Deng et al., Brain Stimul 6:1, 2013)."""

    turn_length_deg: Positive = 45.0
    """As `field_length_mm`, for turning the coil: MEPs vanish at about 90 degrees
    (Mills et al., Electroenceph clin Neurophysiol 85:17, 1992)."""

    intensity_length_pct: Positive = 10.0
    """As `field_length_mm`, for the intensity: a recruitment curve rises over about
    20 % of the stimulator's output."""

    map_sd: NonNegative = 0.0
    """Of a whole recorded map (block, session) against the others, log10 µV."""

    deviation_sd: NonNegative = 0.0
    """Of the field of one recorded map against the others', log10 µV."""

    deviation_length_mm: Positive = 10.0

    drift_sd: NonNegative = 0.0
    """Of the excitability's slow change within a recorded map, log10 µV."""

    drift_pulses: Positive = 20.0
    """Over how many pulses the excitability keeps its value."""

    noise_sd: Positive = 0.3
    """Of one trial, log10 µV: 0.32 in Goetz et al., TNSRE 27:1539, 2019, 0.19 to 0.33
    within a site."""


@dataclass(frozen=True, slots=True)
class MapPulses:
    """Where and when pulses were given; rows in the order of the recording."""

    position_mm: F64
    """(n, 2) or (n, 3): of the coil."""

    map_index: I64
    """(n,): which recorded map (block, session) a pulse belongs to."""

    pulse_index: F64
    """(n,): place in that map's order."""

    rotation: F64 | None = None
    """(n, 3, 3): of the coil, or None where all are taken to be alike."""

    intensity_pct: F64 | None = None
    """(n,): of the stimulator's output or of the resting threshold, one of the two for
    all pulses; None where all are alike."""

    def __len__(self) -> int:
        """Return the number of pulses."""
        return len(self.position_mm)

    def rows(self, chosen: I64) -> "MapPulses":
        """Return some of the pulses."""
        return MapPulses(
            self.position_mm[chosen],
            self.map_index[chosen],
            self.pulse_index[chosen],
            None if self.rotation is None else self.rotation[chosen],
            None if self.intensity_pct is None else self.intensity_pct[chosen],
        )


@dataclass(frozen=True, slots=True)
class Gaps:
    """How far pulses (na) and (nb) are apart; every array (na, nb)."""

    place2_mm2: F64
    turn2_deg2: F64 | None
    intensity2: F64 | None
    same_map: F64
    lag_pulses: F64


def gaps(a: MapPulses, b: MapPulses) -> Gaps:
    """Return how far each of `a` is from each of `b`."""
    turn2 = level2 = None
    if a.rotation is not None and b.rotation is not None:
        trace = np.einsum("aij,bij->ab", a.rotation, b.rotation)
        # ½‖R−R'‖² = 3 − tr RᵀR': a chord, positive definite where an angle is not.
        turn2 = np.degrees(1.0) ** 2 * np.maximum(3.0 - trace, 0.0)
    if a.intensity_pct is not None and b.intensity_pct is not None:
        level2 = np.subtract.outer(a.intensity_pct, b.intensity_pct) ** 2
    return Gaps(
        place2_mm2=squared_distance(a.position_mm, b.position_mm),
        turn2_deg2=turn2,
        intensity2=level2,
        same_map=np.equal.outer(a.map_index, b.map_index).astype(np.float64),
        lag_pulses=np.abs(np.subtract.outer(a.pulse_index, b.pulse_index)),
    )


def squared_distance(a: F64, b: F64) -> F64:
    """Return (na, nb) squared distances between points (na, k) and (nb, k)."""
    total = np.zeros((len(a), len(b)))
    for axis in range(a.shape[1]):
        total += np.subtract.outer(a[:, axis], b[:, axis]) ** 2
    return total


def covariance(apart: Gaps, settings: PoseMapSettings) -> F64:
    """Return (na, nb): prior covariance of the noise-free responses."""
    total = np.full(apart.same_map.shape, settings.mean_sd**2)
    for term in _terms(apart, settings).values():
        total += term
    return total


def covariance_and_slopes(
    apart: Gaps, settings: PoseMapSettings, free: tuple[str, ...]
) -> tuple[F64, dict[str, F64]]:
    """Return the covariance and its derivatives by the logs of the free settings."""
    terms = _terms(apart, settings)
    slopes: dict[str, F64] = {}
    for name in free:
        if name != "noise_sd":  # it stands on the diagonal, which is the caller's
            slopes[name] = _slope(name, terms, apart, settings)
    return covariance(apart, settings), slopes


def prior_variance(settings: PoseMapSettings) -> float:
    """Return the prior variance of one noise-free response."""
    parts = (
        settings.mean_sd,
        settings.field_sd,
        settings.map_sd,
        settings.deviation_sd,
        settings.drift_sd,
    )
    return float(sum(sd**2 for sd in parts))


def _terms(apart: Gaps, settings: PoseMapSettings) -> dict[str, F64]:
    """Return the terms that are switched on, by the name of their sd."""
    terms: dict[str, F64] = {}
    if settings.field_sd:
        near = _nearness(apart, settings, settings.field_length_mm)
        terms["field_sd"] = settings.field_sd**2 * near
    if settings.map_sd:
        terms["map_sd"] = settings.map_sd**2 * apart.same_map
    if settings.deviation_sd:
        near = _nearness(apart, settings, settings.deviation_length_mm)
        terms["deviation_sd"] = settings.deviation_sd**2 * apart.same_map * near
    if settings.drift_sd:
        kept = np.exp(-apart.lag_pulses / settings.drift_pulses)
        terms["drift_sd"] = settings.drift_sd**2 * apart.same_map * kept
    return terms


def _nearness(apart: Gaps, settings: PoseMapSettings, length_mm: float) -> F64:
    """Return (na, nb) within 0…1: squared exponential over pose and intensity."""
    exponent = apart.place2_mm2 / length_mm**2
    if apart.turn2_deg2 is not None:
        exponent = exponent + apart.turn2_deg2 / settings.turn_length_deg**2
    if apart.intensity2 is not None:
        exponent = exponent + apart.intensity2 / settings.intensity_length_pct**2
    return np.asarray(np.exp(-0.5 * exponent))


def _slope(
    name: str, terms: dict[str, F64], apart: Gaps, settings: PoseMapSettings
) -> F64:
    """Return the covariance's derivative by the log of one setting."""
    none = np.zeros(apart.same_map.shape)
    if name in terms:
        return 2.0 * terms[name]
    if name == "field_length_mm":
        ratio = apart.place2_mm2 / settings.field_length_mm**2
        return terms.get("field_sd", none) * ratio
    if name == "deviation_length_mm":
        ratio = apart.place2_mm2 / settings.deviation_length_mm**2
        return terms.get("deviation_sd", none) * ratio
    if name == "drift_pulses":
        return terms.get("drift_sd", none) * apart.lag_pulses / settings.drift_pulses
    return _pose_slope(name, terms, apart, settings)


def _pose_slope(
    name: str, terms: dict[str, F64], apart: Gaps, settings: PoseMapSettings
) -> F64:
    """Return the derivative by the log of a length that both fields share."""
    both = terms.get("field_sd", 0.0) + terms.get("deviation_sd", 0.0)
    if name == "turn_length_deg" and apart.turn2_deg2 is not None:
        return np.asarray(both * apart.turn2_deg2 / settings.turn_length_deg**2)
    if name == "intensity_length_pct" and apart.intensity2 is not None:
        ratio = apart.intensity2 / settings.intensity_length_pct**2
        return np.asarray(both * ratio)
    return np.zeros(apart.same_map.shape)
