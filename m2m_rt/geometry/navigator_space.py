"""What a navigator's numbers mean: its frame, its unit and its coil's axes at once."""

from dataclasses import dataclass, replace

from m2m_rt.geometry.coil_conventions import (
    CoilConvention,
    head_from_coil_simnibs,
    is_lps,
    matrix_in_convention,
)
from m2m_rt.geometry.image_spaces import RAS_FROM_LPS
from m2m_rt.geometry.physical_checks import HeadExpectation, pose_findings
from m2m_rt.geometry.registration_limits import UNIT_FACTORS
from m2m_rt.geometry.rigid import inverse, rigid_fault
from m2m_rt.units import F64

OTHER_FRAMES = ("navigator", "mri", "tracker")
"""Frames beside the head's in which points and poses may come."""

MM_PER_UNIT = {"mm": 1.0, "m": UNIT_FACTORS["metres"]}
"""Length units in which poses may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NavigatorSpace:
    """How a navigator's 4×4 is to be read."""

    head_from_frame: F64 | None = None
    """(4, 4), mm: of coordinates as they are sent, also where those are LPS. None: they
    are the head's, in RAS or in LPS as the convention says."""

    convention: CoilConvention = CoilConvention.SIMNIBS
    mm_per_unit: float = 1.0


def head_from_coil_of_navigator(sent: F64, space: NavigatorSpace) -> F64 | None:
    """Return the coil pose, SimNIBS convention and mm, that a navigator sent.

    Parameters
    ----------
    sent
        (4, 4): the coil's axes and centre in the navigator's frame and unit.
    space
        What they are.

    Returns
    -------
        (4, 4), or None where the navigator says that it did not see the coil.

    Raises
    ------
    DataError
        If the matrix is not rigid.
    """
    converted = head_from_coil_simnibs(
        _scaled(sent, space.mm_per_unit), space.convention
    )
    if converted is None or space.head_from_frame is None:
        return converted
    # The points were registered in the coordinates that are sent, LPS or not.
    world = RAS_FROM_LPS @ converted if is_lps(space.convention) else converted
    head_from_coil: F64 = space.head_from_frame @ world
    return head_from_coil


def matrix_of_navigator(head_from_coil: F64, space: NavigatorSpace) -> F64:
    """Return what a navigator would send of a pose: the way back."""
    if space.head_from_frame is None:
        in_mm = matrix_in_convention(head_from_coil, space.convention)
    else:
        pose = inverse(space.head_from_frame) @ head_from_coil
        world = RAS_FROM_LPS @ pose if is_lps(space.convention) else pose
        in_mm = matrix_in_convention(world, space.convention)
    return _scaled(in_mm, 1.0 / space.mm_per_unit)


def likely_conventions(
    sent: F64, head: HeadExpectation, space: NavigatorSpace | None = None
) -> tuple[CoilConvention, ...]:
    """Return the conventions in which a navigator's matrix would be without fault.

    For a message to the person who sets up the rig; never to choose one: systems with
    the same axes pass together.
    """
    known = space or NavigatorSpace()
    return tuple(
        convention
        for convention in CoilConvention
        if is_plausible(sent, replace(known, convention=convention), head)
    )


def is_plausible(sent: F64, space: NavigatorSpace, head: HeadExpectation) -> bool:
    """Return whether a matrix, read so, is a coil that is held to the head."""
    if rigid_fault(sent) is not None:
        return False
    pose = head_from_coil_of_navigator(sent, space)
    return pose is not None and not pose_findings(pose, head)


def _scaled(matrix: F64, factor: float) -> F64:
    """Return a rigid matrix with its lengths in another unit."""
    if factor == 1.0:
        return matrix
    scaled = matrix.copy()
    scaled[:3, 3] *= factor
    return scaled
