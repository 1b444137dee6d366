"""Why a navigator's poses are physically wrong, as a guess for who set up the rig."""

from collections.abc import Iterator
from dataclasses import replace

from m2m_rt.geometry.image_spaces import RAS_FROM_LPS
from m2m_rt.geometry.navigator_space import (
    MM_PER_UNIT,
    NavigatorSpace,
    is_plausible,
    likely_conventions,
)
from m2m_rt.geometry.physical_checks import HeadExpectation, PhysicalFault
from m2m_rt.geometry.rigid import inverse
from m2m_rt.units import F64

_OF_THE_MATRIX = {
    PhysicalFault.LEFT_HANDED: "a mirrored frame: one sign too few from LPS to RAS, or "
    "a flipped image axis",
    PhysicalFault.NOT_RIGID: "a scale or shear in what the navigator sends",
    PhysicalFault.HANDLE_REVERSED: "the handle's sign (y points away from the handle, "
    "along its prolongation), or a coil turned on purpose",
}
_OF_THE_COIL = {
    PhysicalFault.FACES_AWAY: "the coil's calibration, or a coil upside down",
    PhysicalFault.FACES_SIDEWAYS: "the coil's calibration, or the registration",
    PhysicalFault.HANDLE_SIDEWAYS: "the coil's calibration, or the registration",
}


def probable_cause(
    fault: PhysicalFault, sent: F64, space: NavigatorSpace, head: HeadExpectation
) -> str:
    """Return what most probably makes a pose wrong, such as another convention.

    Parameters
    ----------
    fault
        What was found.
    sent
        (4, 4): the matrix as the navigator sent it.
    space
        How it was read.
    head
        What it was held against.
    """
    if fault in _OF_THE_MATRIX:
        return _OF_THE_MATRIX[fault]
    readings = list(_better_readings(sent, space, head))
    return "; or ".join(readings) or _OF_THE_COIL.get(fault, "the registration")


def _better_readings(
    sent: F64, space: NavigatorSpace, head: HeadExpectation
) -> Iterator[str]:
    """Yield the changes of one setting that leave no fault."""
    conventions = " or ".join(likely_conventions(sent, head, space))
    if conventions:
        yield f"the convention: read as {conventions} there is no fault"
    if space.head_from_frame is not None:
        turned = replace(space, head_from_frame=inverse(space.head_from_frame))
        if is_plausible(sent, turned, head):
            yield "the registration: inverted there is no fault"
    if is_plausible(sent, _turned_from_lps(space), head):
        yield "the frame: turned from LPS to RAS there is no fault"
    for unit, mm_per_unit in MM_PER_UNIT.items():
        if is_plausible(sent, replace(space, mm_per_unit=mm_per_unit), head):
            yield f"the unit: read as {unit} there is no fault"


def _turned_from_lps(space: NavigatorSpace) -> NavigatorSpace:
    """Return the space whose coordinates are LPS where they were taken for RAS."""
    given = space.head_from_frame
    turned = RAS_FROM_LPS if given is None else given @ RAS_FROM_LPS
    return replace(space, head_from_frame=turned)
