"""What is asked of points that are to be registered, and the words for a refusal."""

from dataclasses import dataclass
from enum import StrEnum
from math import log

UNIT_FACTORS = {
    "metres": 1000.0,
    "centimetres": 10.0,
    "inches": 25.4,
    "micrometres": 0.001,
}
"""Millimetres in a unit that a program may have written instead."""


class RegistrationFault(StrEnum):
    """Why points were not registered."""

    NOT_PAIRS = "not_pairs"
    """Shapes differ, a number is not finite, or a name comes twice."""

    TOO_FEW = "too_few"
    COINCIDENT = "coincident"
    """Two points at one place."""

    COLLINEAR = "collinear"
    """The rotation about their line is free."""

    COPLANAR = "coplanar"
    """A mirrored set fits as well: left and right cannot be told apart."""

    WRONG_UNIT = "wrong_unit"
    SCALED = "scaled"
    """Another head, or a voxel size left out."""

    MIRRORED = "mirrored"
    """Such as LPS against RAS with one sign forgotten, or a flipped voxel axis."""

    SWAPPED = "swapped"
    """Two names were exchanged."""

    NOISY = "noisy"


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """What is asked of the points."""

    expected_noise_mm: float = 2.0
    """Per axis, both frames together: 1 mm to 2 mm by hand on skin."""

    max_noise_mm: float = 5.0
    """Per axis; a noisier fit is refused."""

    min_odds: float = 1e6
    """By how much likelier a mirror, swap or scale must be to be called clear."""

    max_scale: float = 0.05
    """Largest deviation from 1 of the scale between the frames."""

    min_spread_mm: float = 25.0
    """Smallest root mean square distance of points on a head from their centre."""

    max_spread_mm: float = 250.0

    allow_coplanar: bool = False
    """Accept points that cannot show a mirror, such as three; something else must."""

    @property
    def clear_mm2(self) -> float:
        """Difference between two sums of squares from which on it is clear."""
        return 2.0 * self.expected_noise_mm**2 * log(self.min_odds)


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason, for a program and for a person."""

    fault: RegistrationFault
    detail: str
