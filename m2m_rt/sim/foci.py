"""A virtual subject of another form than `VirtualSubject`, to judge models on.

A muscle's drive is a weighted mean over a wide patch of cortex, for some muscles over
two; at each point |E| counts by its angle to a preferred direction, smoothly, and not
as a projection. MEPs follow Goetz et al. (2019) as published; the noise before the
sigmoid is shared by the muscles more than the noise after it.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.model import MUSCLES
from m2m_rt.sim.goetz import GoetzRecruitment, draw_goetz
from m2m_rt.sim.population import (
    DIDT_AT_100_PCT_MSO_A_PER_US,
    FORWARD,
    HAND_KNOB_MM,
    MEDIAL,
    Cortex,
    SubjectSettings,
)
from m2m_rt.sim.subject import partly_shared
from m2m_rt.units import F32, F64, I64

_LEAST_WEIGHT = 0.02
"""Of a point over that of its focus; less counts as nothing."""


class FociSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How these subjects differ. Lengths in mm, spreads are standard deviations."""

    subject_shift_mm: Annotated[float, Meta(ge=0)] = 3.0
    muscle_shift_mm: Annotated[float, Meta(ge=0)] = 3.0

    focus_radius_mm: tuple[float, float] = (4.0, 7.0)
    """Range of the bell's standard deviation."""

    second_focus_share: Annotated[float, Meta(ge=0, le=1)] = 0.4
    """Part of the muscles that have two."""

    second_weight: tuple[float, float] = (0.3, 0.8)
    """Range, over the first focus's."""

    second_shift_mm: tuple[float, float] = (7.0, 13.0)
    """Range of its distance from the first."""

    direction_spread_deg: Annotated[float, Meta(ge=0)] = 20.0

    tuning: tuple[float, float] = (0.5, 2.0)
    """Range of the exponent of (1 + cos angle)/2; 0 would be |E| alone."""

    threshold_spread: Annotated[float, Meta(ge=0)] = 0.06
    """Relative, of a muscle's threshold in the planned pose over the first muscle's."""

    shared_before: Annotated[float, Meta(ge=0, le=1)] = 0.6
    shared_after: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Parts of both noises' variance that all muscles have in common."""


@dataclass(frozen=True, slots=True)
class Focus:
    """A place in the cortex that drives a muscle."""

    points: I64
    """(k,) ROI points."""

    weights: F64
    """(k,)"""

    direction: F64
    """(3,) unit vector that excites most, head frame."""


@dataclass(frozen=True, slots=True)
class FociSubject:
    """One person; fulfils `Subject`."""

    foci: tuple[tuple[Focus, ...], ...]
    """Of each muscle."""

    tuning: F64
    """(n_muscles,)"""

    pct_mso_per_drive: F64
    """(n_muscles,): what a drive of 1 V/m is worth to the recruitment."""

    recruitment: GoetzRecruitment
    shared_before: float
    shared_after: float

    def drive_v_per_m(self, efield_v_per_m: F32) -> F64:
        """Return drives (…, n_muscles) of fields (…, n_roi, 3)."""
        return _drive_v_per_m(self.foci, self.tuning, efield_v_per_m)

    def draw_uv(self, efield_v_per_m: F32, rng: np.random.Generator) -> F64:
        """Return one trial's amplitudes (…, n_muscles)."""
        stimulus = self._stimulus_pct_mso(efield_v_per_m)
        before = partly_shared(stimulus.shape, self.shared_before, rng)
        after = partly_shared(stimulus.shape, self.shared_after, rng)
        return self.recruitment.draw_uv(stimulus, (before, after), rng)

    def expected_log10_uv(self, efield_v_per_m: F32) -> F64:
        """Return the true mean of log10(max(A, 5 µV)), (…, n_muscles)."""
        stimulus = self._stimulus_pct_mso(efield_v_per_m)
        return self.recruitment.expected_log10_uv(stimulus)

    def expected_uv(self, efield_v_per_m: F32) -> F64:
        """Return the true mean of max(A, 5 µV), (…, n_muscles)."""
        return self.recruitment.expected_uv(self._stimulus_pct_mso(efield_v_per_m))

    def _stimulus_pct_mso(self, efield_v_per_m: F32) -> F64:
        return self.pct_mso_per_drive * self.drive_v_per_m(efield_v_per_m)


def draw_foci_subject(
    rng: np.random.Generator, cortex: Cortex, settings: FociSettings | None = None
) -> FociSubject:
    """Return a new person on a head."""
    how = settings or FociSettings()
    n = len(MUSCLES)
    foci = _draw_foci(rng, cortex, how)
    tuning = rng.uniform(*how.tuning, n)
    recruitment = draw_goetz(rng, n)
    threshold_pct_mso = recruitment.threshold_pct_mso()
    planned = _drive_v_per_m(foci, tuning, cortex.planned_unit_efield)
    per_pct = DIDT_AT_100_PCT_MSO_A_PER_US / 100.0
    at_threshold = planned * per_pct * threshold_pct_mso[0]  # of the first muscle
    ratio = np.exp(how.threshold_spread * rng.standard_normal(n))
    ratio[0] = 1.0
    return FociSubject(
        foci=foci,
        tuning=tuning,
        pct_mso_per_drive=ratio * threshold_pct_mso / at_threshold,
        recruitment=recruitment,
        shared_before=how.shared_before,
        shared_after=how.shared_after,
    )


def _drive_v_per_m(
    foci: tuple[tuple[Focus, ...], ...], tuning: F64, efield_v_per_m: F32
) -> F64:
    """Return each muscle's weighted mean of |E| ((1 + cos angle)/2)^tuning."""
    drives = []
    for places, power in zip(foci, tuning, strict=True):
        total = np.zeros(efield_v_per_m.shape[:-2])
        for focus in places:
            field = efield_v_per_m[..., focus.points, :].astype(np.float64)
            size = np.sqrt(np.sum(field**2, axis=-1)) + 1e-9
            cosine = np.clip(field @ focus.direction / size, -1.0, 1.0)
            total += (size * (0.5 + 0.5 * cosine) ** power) @ focus.weights
        drives.append(total / sum(focus.weights.sum() for focus in places))
    return np.stack(drives, axis=-1)


def _draw_foci(
    rng: np.random.Generator, cortex: Cortex, how: FociSettings
) -> tuple[tuple[Focus, ...], ...]:
    """Return each muscle's one or two foci along the sulcus."""
    medial = MEDIAL / np.linalg.norm(MEDIAL)
    places = np.array(HAND_KNOB_MM) + np.outer(SubjectSettings().medial_mm, medial)
    places = places + how.subject_shift_mm * rng.standard_normal(3)
    places += how.muscle_shift_mm * rng.standard_normal(places.shape)
    knob = np.argmin(np.linalg.norm(cortex.points_mm - HAND_KNOB_MM, axis=1))
    sense = np.sign(cortex.planned_unit_efield[knob] @ FORWARD) or 1.0
    forward = sense * FORWARD / np.linalg.norm(FORWARD)
    drawn = []
    for place in places:
        first = _draw_focus(rng, cortex, how, (place, forward, 1.0))
        both = [first]
        if rng.random() < how.second_focus_share:
            away = rng.standard_normal(3)
            apart_mm = rng.uniform(*how.second_shift_mm)
            second = place + apart_mm * away / np.linalg.norm(away)
            weight = rng.uniform(*how.second_weight)
            both.append(_draw_focus(rng, cortex, how, (second, forward, weight)))
        drawn.append(tuple(both))
    return tuple(drawn)


def _draw_focus(
    rng: np.random.Generator,
    cortex: Cortex,
    how: FociSettings,
    at: tuple[F64, F64, float],
) -> Focus:
    """Return a focus at the ROI point nearest to a place, its direction turned."""
    place_mm, forward, weight = at
    nearest = np.argmin(np.linalg.norm(cortex.points_mm - place_mm, axis=1))
    apart_mm = np.linalg.norm(cortex.points_mm - cortex.points_mm[nearest], axis=1)
    bell = np.exp(-0.5 * (apart_mm / rng.uniform(*how.focus_radius_mm)) ** 2)
    points = np.flatnonzero(bell > _LEAST_WEIGHT)
    spread = np.radians(how.direction_spread_deg)
    turned = forward + spread * rng.standard_normal(3)
    shares = bell[points] / bell[points].sum()
    return Focus(points, weight * shares, turned / np.linalg.norm(turned))
