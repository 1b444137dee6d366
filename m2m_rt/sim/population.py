"""The population that virtual subjects are drawn from, and its seed streams."""

import enum
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.model import MUSCLES
from m2m_rt.sim.subject import (
    Recruitment,
    Subject,
    VirtualSubject,
    measure_rmt_pct_mso,
)
from m2m_rt.units import F32, F64, I64

HAND_KNOB_MM = (-38.0, -22.0, 57.0)
"""Head frame, left hemisphere; middle of the hand muscles."""

MEDIAL = np.array((0.60, -0.15, 0.78))
"""Along the left central sulcus from hand to shoulder, head frame (RAS)."""

FORWARD = np.array((0.71, 0.71, 0.0))
"""From postero-lateral to antero-medial, across the left central sulcus."""

DIDT_AT_100_PCT_MSO_A_PER_US = 150.0
"""Of the simulated stimulator."""

_LEAST_UNIT_DRIVE = 0.05
"""V/m per A/µs; a patch turned away from the planned field is taken to get this."""


class SeedStream(enum.IntEnum):
    """What a subject is for. Streams never share a subject, whatever the seed."""

    DEMO = 1
    TRAINING = 2
    EVALUATION = 3
    TUNING = 4
    """Settings of studies are chosen on these."""


@dataclass(frozen=True, slots=True)
class Cortex:
    """What of a head a virtual subject is drawn on."""

    points_mm: F64
    """(n_roi, 3), head frame."""

    planned_unit_efield: F32
    """(n_roi, 3): field of the planned pose, V/m per A/µs. Its sense says which way
    the stimulator's current runs: subjects answer to it, not to the reverse."""


class SubjectSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How virtual subjects differ. Lengths in mm, spreads are standard deviations."""

    medial_mm: tuple[float, ...] = (
        *(0.0, -2.0, 1.5),
        *(4.0, 4.5, 3.5, 5.5, 6.0, 6.5, 7.0, 7.5),
        *(9.5, 10.5, 12.0, 5.0),
    )
    """Mean place of each muscle's patch along the sulcus, from the hand knob."""

    subject_shift_mm: Annotated[float, Meta(ge=0)] = 3.0
    """Of a subject's whole somatotopy, each direction."""

    muscle_shift_mm: Annotated[float, Meta(ge=0)] = 2.5
    """Of one muscle's patch on top of that, each direction."""

    patch_radius_mm: Annotated[float, Meta(gt=0)] = 4.0

    direction_spread_deg: Annotated[float, Meta(ge=0)] = 15.0
    """Of the preferred directions, half of the variance common to a subject."""

    rmt_range_pct_mso: tuple[float, float] = (50.0, 58.0)
    """Of the first muscle in the planned pose."""

    threshold_ratio: tuple[float, ...] = (
        *(1.0, 0.98, 1.02),
        *(0.98, 0.98, 1.0, 0.96, 0.98, 1.0, 1.0, 0.96),
        *(0.94, 0.96, 0.94, 0.98),
    )
    """Mean threshold in V/m over that of the first muscle."""

    threshold_spread: Annotated[float, Meta(ge=0)] = 0.06
    """Relative, of one muscle in one subject."""

    planned_drive_range: tuple[float, float] = (0.9, 1.15)
    """Bounds of every muscle's drive over threshold in the planned pose at the first
    muscle's threshold: a lab records muscles that it can make answer there, and none
    answers at much lower intensities than the hand."""

    saturation_log10_uv: tuple[float, ...] = (
        *(3.7, 3.65, 3.6),
        *(3.4, 3.35, 3.35, 3.5, 3.4, 3.4, 3.35, 3.4),
        *(3.3, 3.1, 3.2, 3.2),
    )

    saturation_spread_log10: Annotated[float, Meta(ge=0)] = 0.2

    foot: tuple[float, float] = (0.40, 0.05)
    """Mean and spread of the drive, over threshold, where responses begin."""

    steepness: tuple[float, float] = (2.5, 0.2)
    """Mean and spread of the sigmoid's exponent."""

    input_noise: tuple[float, float] = (0.040, 0.006)
    """Mean and spread of the noise on drive over threshold."""

    output_noise_log10: tuple[float, float] = (0.25, 0.03)
    """Mean and spread of the noise on size."""

    shared: Annotated[float, Meta(ge=0, le=1)] = 0.4
    """Part of the noises' variance common to all muscles."""

    floor_uv: tuple[float, float] = (7.0, 0.6)
    """Mean and spread over muscles of the median noise floor."""

    floor_spread_log10: Annotated[float, Meta(ge=0)] = 0.06

    def __post_init__(self) -> None:
        """Refuse lists that do not name every muscle."""
        named = (self.medial_mm, self.threshold_ratio, self.saturation_log10_uv)
        if any(len(values) != len(MUSCLES) for values in named):
            msg = f"medial_mm, threshold_ratio, saturation: need {len(MUSCLES)} values"
            raise ValueError(msg)


def subject_rng(seed: int, stream: SeedStream, index: int = 0) -> np.random.Generator:
    """Return the generator of one subject of one stream."""
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(int(stream), index))
    )


def draw_subject(
    rng: np.random.Generator,
    cortex: Cortex,
    settings: SubjectSettings | None = None,
) -> VirtualSubject:
    """Return a new person on a head."""
    how = settings or SubjectSettings()
    patches = _draw_patches(rng, cortex, how)
    directions = _draw_directions(rng, cortex, how)
    planned_drives = [
        max((cortex.planned_unit_efield[patch] @ direction).max(), _LEAST_UNIT_DRIVE)
        for patch, direction in zip(patches, directions, strict=True)
    ]
    return VirtualSubject(
        patches=patches,
        directions=directions,
        recruitment=_draw_recruitment(rng, how, np.array(planned_drives, np.float64)),
    )


def measure_didt_at_rmt(
    subject: Subject, cortex: Cortex, rng: np.random.Generator
) -> float:
    """Return dI/dt in A/µs at the threshold that is measured in the planned pose."""
    per_pct_mso = DIDT_AT_100_PCT_MSO_A_PER_US / 100.0
    at_1_pct = cortex.planned_unit_efield * np.float32(per_pct_mso)
    return measure_rmt_pct_mso(subject, at_1_pct, rng) * per_pct_mso


def _draw_patches(
    rng: np.random.Generator, cortex: Cortex, how: SubjectSettings
) -> tuple[I64, ...]:
    """Return each muscle's ROI points, never none."""
    medial = MEDIAL / np.linalg.norm(MEDIAL)
    places = np.array(HAND_KNOB_MM) + np.outer(how.medial_mm, medial)
    places = places + how.subject_shift_mm * rng.standard_normal(3)
    places += how.muscle_shift_mm * rng.standard_normal(places.shape)
    return tuple(_patch(cortex.points_mm, at, how.patch_radius_mm) for at in places)


def _patch(points_mm: F64, place_mm: F64, radius_mm: float) -> I64:
    """Return the points around the ROI point nearest to a place."""
    nearest = np.argmin(np.linalg.norm(points_mm - place_mm, axis=1))
    apart_mm = np.linalg.norm(points_mm - points_mm[nearest], axis=1)
    return np.flatnonzero(apart_mm <= radius_mm)


def _draw_directions(
    rng: np.random.Generator, cortex: Cortex, how: SubjectSettings
) -> F64:
    """Return unit preferred directions (n_muscles, 3), near postero-anterior."""
    knob = np.argmin(np.linalg.norm(cortex.points_mm - HAND_KNOB_MM, axis=1))
    sense = np.sign(cortex.planned_unit_efield[knob] @ FORWARD) or 1.0
    spread = np.radians(how.direction_spread_deg) / np.sqrt(2.0)
    turned = (
        sense * FORWARD / np.linalg.norm(FORWARD)
        + spread * rng.standard_normal(3)
        + spread * rng.standard_normal((len(MUSCLES), 3))
    )
    directions: F64 = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    return directions


def _draw_recruitment(
    rng: np.random.Generator, how: SubjectSettings, planned_drives: F64
) -> Recruitment:
    """Return sigmoids such that the first muscle's threshold is in its range.

    `planned_drives` (n_muscles,) are those of the planned pose, V/m per A/µs.
    """
    n = len(MUSCLES)

    def around(mean_spread: tuple[float, float]) -> F64:
        mean, spread = mean_spread
        return np.asarray(mean + spread * np.clip(rng.standard_normal(n), -2.0, 2.0))

    rmt_pct_mso = rng.uniform(*how.rmt_range_pct_mso)
    at_rmt = planned_drives * rmt_pct_mso / 100.0 * DIDT_AT_100_PCT_MSO_A_PER_US
    ratio = np.array(how.threshold_ratio)
    ratio = ratio * np.exp(how.threshold_spread * rng.standard_normal(n))
    ratio[0] = 1.0
    least_drive, most_drive = how.planned_drive_range
    height = how.saturation_spread_log10 * rng.standard_normal()
    own_height = how.saturation_spread_log10 / 2.0 * rng.standard_normal(n)
    return Recruitment(
        threshold_v_per_m=np.clip(
            at_rmt[0] * ratio, at_rmt / most_drive, at_rmt / least_drive
        ),
        foot=around(how.foot),
        steepness=around(how.steepness),
        saturation_log10_uv=np.array(how.saturation_log10_uv) + height + own_height,
        input_noise=around(how.input_noise),
        output_noise_log10=around(how.output_noise_log10),
        shared=how.shared,
        floor_uv=around(how.floor_uv),
        floor_spread_log10=how.floor_spread_log10,
    )
