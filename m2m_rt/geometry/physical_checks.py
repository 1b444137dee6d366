"""Is a coil pose physically what it claims: what no test of a matrix alone can see.

A pose in the wrong convention is a perfect rigid matrix. What gives it away is where
the coil would be, what it would face, and which way it would drive current.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf

import numpy as np

from m2m_rt.geometry.registration_limits import UNIT_FACTORS
from m2m_rt.geometry.rigid import rigid_fault
from m2m_rt.units import F64


class PhysicalFault(StrEnum):
    """What is physically wrong with a pose."""

    NOT_RIGID = "not_rigid"
    """A shear or scale in the rotation, or not a transform at all."""

    LEFT_HANDED = "left_handed"
    """The axes are a mirror image."""

    WRONG_UNIT = "wrong_unit"
    """The position is plausible in another unit."""

    TOO_FAR = "too_far"
    INSIDE_HEAD = "inside_head"
    WRONG_SIDE = "wrong_side"
    """Over the other hemisphere than planned, or the other half of the head."""

    FACES_AWAY = "faces_away"
    """The z axis points out of the head: Brainsight's and NaviNIBS' axes, or a coil
    upside down."""

    FACES_SIDEWAYS = "faces_sideways"
    """The z axis lies along the scalp: Localite's axes."""

    HANDLE_REVERSED = "handle_reversed"
    """The y axis points toward the handle: E would be reversed, |E| the same."""

    HANDLE_SIDEWAYS = "handle_sideways"
    """The y axis lies across: Softaxic's and InVesalius' axes."""

    FIELD_REVERSED = "field_reversed"
    """E under the coil points against the direction that the session states."""


ACROSS_MM = 25.0
"""Farther than this from the middle a place is clearly on one side of the head."""


@dataclass(frozen=True, slots=True)
class PoseFinding:
    """One fault, with what was found and what was expected."""

    fault: PhysicalFault
    found: str
    expected: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"{self.fault}: found {self.found}, expected {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadExpectation:
    """What is known of the head and of how the coil is held, head frame."""

    centre_mm: F64
    """(3,): about the middle of the brain."""

    handle_prolongation: F64 | None = None
    """(3,): roughly where the coil's y axis points; (0, 1, 0) for a handle that points
    backwards. None: any direction is right."""

    min_distance_mm: float = 50.0
    """Coil centre to head centre; nearer it would be inside."""

    max_distance_mm: float = 180.0
    near_distance_mm: float = inf
    """Only nearer to the head's centre do side and directions count: a coil that was
    put down may face anywhere."""

    planned_centre_mm: F64 | None = None
    """(3,): where the coil's centre is meant to be, roughly. None: anywhere."""

    max_tilt_deg: float = 60.0
    """Of z from the direction to the head's centre."""

    max_handle_deg: float = 60.0
    """Of y from the stated prolongation."""


def pose_findings(
    head_from_coil: F64, head: HeadExpectation
) -> tuple[PoseFinding, ...]:
    """Return what is physically wrong with a pose (SimNIBS convention, mm)."""
    fault = rigid_fault(head_from_coil)
    if fault == "reflection":
        found = "x × y = −z"
        return (_finding(PhysicalFault.LEFT_HANDED, found, "x × y = z, det = +1"),)
    if fault is not None:
        expected = "a rotation and a shift in mm"
        return (_finding(PhysicalFault.NOT_RIGID, fault, expected),)
    return placement_findings(head_from_coil, head)


def placement_findings(
    head_from_coil: F64, head: HeadExpectation
) -> tuple[PoseFinding, ...]:
    """Return the same of a pose that is known to be rigid."""
    centre_mm = head_from_coil[:3, 3]
    findings = tuple(_distance_findings(centre_mm, head))
    if np.linalg.norm(centre_mm - head.centre_mm) > head.near_distance_mm:
        return findings
    return (
        *findings,
        *_side_findings(centre_mm, head),
        *_facing_findings(head_from_coil, head),
        *handle_findings(head_from_coil, head),
    )


def handle_findings(
    head_from_coil: F64, head: HeadExpectation
) -> tuple[PoseFinding, ...]:
    """Return whether a rigid pose's handle points elsewhere than it is meant to."""
    if head.handle_prolongation is None:
        return ()
    angle_deg = _angle(_cosine(head_from_coil[:3, 1], head.handle_prolongation))
    if angle_deg <= head.max_handle_deg:
        return ()
    is_reversed = angle_deg >= 180.0 - head.max_handle_deg
    sideways = PhysicalFault.HANDLE_SIDEWAYS
    fault = PhysicalFault.HANDLE_REVERSED if is_reversed else sideways
    found = f"y axis {angle_deg:.0f}° from the handle's prolongation as it is meant"
    return (_finding(fault, found, f"at most {head.max_handle_deg:g}°"),)


def field_findings(
    efield_v_per_m: F64, expected_direction: F64
) -> tuple[PoseFinding, ...]:
    """Return whether the strongest field points the wrong way.

    Parameters
    ----------
    efield_v_per_m
        (n, 3): E at cortex points at the instant of interest, head frame.
    expected_direction
        (3,): roughly where E should point there, such as from behind the central sulcus
        to before it for PA.
    """
    strength = np.linalg.norm(efield_v_per_m, axis=1)
    peak = efield_v_per_m[strength >= 0.9 * strength.max()].mean(axis=0)
    cosine = _cosine(peak, expected_direction)
    if cosine > 0.0:
        return ()
    found = f"E at {_angle(cosine):.0f}° to the stated direction"
    return (_finding(PhysicalFault.FIELD_REVERSED, found, "less than 90°"),)


def recording_findings(
    poses: Iterable[F64], head: HeadExpectation
) -> dict[PhysicalFault, int]:
    """Return in how many poses of a recording each fault was found."""
    return Counter(
        finding.fault for pose in poses for finding in pose_findings(pose, head)
    )


def _distance_findings(centre_mm: F64, head: HeadExpectation) -> Iterator[PoseFinding]:
    low, high = head.min_distance_mm, head.max_distance_mm
    expected = f"{low:g} to {high:g} mm from the head's centre"
    distance_mm = float(np.linalg.norm(centre_mm - head.centre_mm))
    if low <= distance_mm <= high:
        return
    nearest = min(high, head.near_distance_mm)
    for unit, factor in UNIT_FACTORS.items():
        if low <= np.linalg.norm(centre_mm * factor - head.centre_mm) <= nearest:
            found = f"{np.linalg.norm(centre_mm):.4g} from the origin, like {unit}"
            yield _finding(PhysicalFault.WRONG_UNIT, found, expected)
            return
    is_far = distance_mm > high
    fault = PhysicalFault.TOO_FAR if is_far else PhysicalFault.INSIDE_HEAD
    yield _finding(fault, f"{distance_mm:.0f} mm", expected)


def _side_findings(centre_mm: F64, head: HeadExpectation) -> Iterator[PoseFinding]:
    if head.planned_centre_mm is None:
        return
    planned, here = head.planned_centre_mm - head.centre_mm, centre_mm - head.centre_mm
    angle_deg = _angle(_cosine(planned, here))
    if planned[0] * here[0] < 0 and min(abs(planned[0]), abs(here[0])) > ACROSS_MM:
        found, expected = ("right", "left") if here[0] > 0 else ("left", "right")
        yield _finding(PhysicalFault.WRONG_SIDE, f"over the {found}", f"the {expected}")
    elif angle_deg > 90.0:
        found = f"{angle_deg:.0f}° around the head from the planned place"
        yield _finding(PhysicalFault.WRONG_SIDE, found, "at most 90°")


def _facing_findings(
    head_from_coil: F64, head: HeadExpectation
) -> Iterator[PoseFinding]:
    inward = head.centre_mm - head_from_coil[:3, 3]
    tilt_deg = _angle(_cosine(head_from_coil[:3, 2], inward))
    if tilt_deg <= head.max_tilt_deg:
        return
    away = tilt_deg >= 180.0 - head.max_tilt_deg
    fault = PhysicalFault.FACES_AWAY if away else PhysicalFault.FACES_SIDEWAYS
    found = f"z axis {tilt_deg:.0f}° from the direction to the head's centre"
    yield _finding(fault, found, f"at most {head.max_tilt_deg:g}°")


def _cosine(a: F64, b: F64) -> float:
    lengths = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(a @ b) / max(lengths, 1e-300)


def _angle(cosine: float) -> float:
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _finding(fault: PhysicalFault, found: str, expected: str) -> PoseFinding:
    return PoseFinding(fault, found, expected)
