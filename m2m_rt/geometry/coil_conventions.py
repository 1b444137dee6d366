"""Coil frames of navigators and solvers, each into SimNIBS' and once only.

SimNIBS: z into the head, y the prolongation of the handle away from it, right-handed.
Two of the conversions are their own inverse, so a doubled one looks like none: convert
in the adapter and nowhere else.
"""

from enum import StrEnum

import numpy as np

from m2m_rt.errors import DataError
from m2m_rt.geometry.image_spaces import (
    RAS_FROM_LPS,
    InvesaliusImage,
    scanner_from_invesalius,
)
from m2m_rt.geometry.rigid import rigid_fault
from m2m_rt.units import F64


class CoilConvention(StrEnum):
    """Whose coil axes, and which world, a 4×4 in millimetres has."""

    SIMNIBS = "simnibs"
    BRAINSIGHT = "brainsight"
    """`NIfTI:Aligned`, `NIfTI:Q:Aligned`: z out of the head."""

    NAVINIBS = "navinibs"
    """z out of the head, −y along the handle."""

    LOCALITE_RAS = "localite-ras"
    """x into the head, y toward the handle."""

    LOCALITE_LPS = "localite-lps"
    """The same axes, in an LPS world."""

    SOFTAXIC = "softaxic"
    VISOR2 = "visor2"
    """SimNIBS' axes; ask `visor2_fault` about the file first."""

    INVESALIUS = "invesalius"
    """x from posterior to anterior, y from left to right, already in scanner RAS: for
    what it sends, `head_from_coil_of_invesalius`. Its source also calls z "bottom to
    up", which those two directions rule out: see that a pose has no `FACES_AWAY`."""

    CUNIBS = "cunibs"
    """SimNIBS' axes; its `handle_mm` lies on +y, where no handle is."""


_Z_OUT = np.diag((-1.0, 1.0, -1.0, 1.0))
_Z_FROM_X = np.array(((0.0, 0, 1, 0), (0.0, -1, 0, 0), (1.0, 0, 0, 0), (0.0, 0, 0, 1)))
_QUARTER_TURN = np.array(
    ((0.0, 1, 0, 0), (-1.0, 0, 0, 0), (0.0, 0, 1, 0), (0.0, 0, 0, 1))
)
_COIL_FROM_SIMNIBS: dict[CoilConvention, F64] = {
    CoilConvention.SIMNIBS: np.eye(4),
    CoilConvention.BRAINSIGHT: _Z_OUT,
    CoilConvention.NAVINIBS: _Z_OUT,
    CoilConvention.LOCALITE_RAS: _Z_FROM_X,
    CoilConvention.LOCALITE_LPS: _Z_FROM_X,
    CoilConvention.SOFTAXIC: _QUARTER_TURN,
    CoilConvention.VISOR2: np.eye(4),
    CoilConvention.INVESALIUS: _QUARTER_TURN,
    CoilConvention.CUNIBS: np.eye(4),
}
_LOCALITE = (CoilConvention.LOCALITE_RAS, CoilConvention.LOCALITE_LPS)


def head_from_coil_simnibs(matrix: F64, convention: CoilConvention) -> F64 | None:
    """Return a coil pose in SimNIBS' convention, RAS, in the world the matrix was in.

    Parameters
    ----------
    matrix
        (4, 4), mm: columns are the coil's axes and centre as the program gives them.
    convention
        The program's.

    Returns
    -------
        (4, 4), or None where Localite says that it did not see the coil.

    Raises
    ------
    DataError
        If the matrix is not rigid: a scale, shear or reflection would warp the coil.
    """
    fault = rigid_fault(matrix)
    if fault is not None:
        raise DataError(f"coil pose of {convention}: {fault}")
    if convention in _LOCALITE and np.array_equal(matrix, _Z_FROM_X):
        return None
    in_ras = RAS_FROM_LPS @ matrix if is_lps(convention) else matrix
    converted: F64 = in_ras @ _COIL_FROM_SIMNIBS[convention]
    return converted


def matrix_in_convention(head_from_coil: F64, convention: CoilConvention) -> F64:
    """Return what a program sends of a pose: `head_from_coil_simnibs` undone.

    Parameters
    ----------
    head_from_coil
        (4, 4), SimNIBS convention, mm, RAS.
    convention
        The program's.
    """
    matrix: F64 = head_from_coil @ _COIL_FROM_SIMNIBS[convention].T  # a rotation
    return RAS_FROM_LPS @ matrix if is_lps(convention) else matrix


def is_lps(convention: CoilConvention) -> bool:
    """Return whether a program's world is LPS: x to the left, y to the back."""
    return convention is CoilConvention.LOCALITE_LPS


def head_from_coil_of_invesalius(coordinates: F64, image: InvesaliusImage) -> F64:
    """Return the pose, scanner RAS, that InVesalius sends as six numbers.

    Parameters
    ----------
    coordinates
        (6,): x, y, z in mm of InVesalius' space, then α, β, γ in degrees, Euler angles
        about its fixed x, y and z axes in this order (sxyz).
    image
        The image it has open.
    """
    pose = matrix_from_euler_sxyz(coordinates[:3], coordinates[3:])
    in_scanner = scanner_from_invesalius(image, pose)
    converted = head_from_coil_simnibs(in_scanner, CoilConvention.INVESALIUS)
    if converted is None:
        raise DataError("coil pose of invesalius: not tracked")
    return converted


def matrix_from_euler_sxyz(position_mm: F64, angles_deg: F64) -> F64:
    """Return `a_from_b` of a position and turns about fixed x, then y, then z."""
    (ca, cb, cg), (sa, sb, sg) = (
        np.cos(np.radians(angles_deg)),
        np.sin(np.radians(angles_deg)),
    )
    about_x = np.array(((1.0, 0, 0), (0, ca, -sa), (0, sa, ca)))
    about_y = np.array(((cb, 0.0, sb), (0, 1, 0), (-sb, 0, cb)))
    about_z = np.array(((cg, -sg, 0.0), (sg, cg, 0), (0, 0, 1)))
    a_from_b = np.eye(4)
    a_from_b[:3, :3] = about_z @ about_y @ about_x
    a_from_b[:3, 3] = position_mm
    return a_from_b


def matrix_from_brainsight(location_mm: F64, m_numbers: F64) -> F64:
    """Return the matrix, still in Brainsight's convention, of an exported row.

    Parameters
    ----------
    location_mm
        (3,): `Loc. X`, `Loc. Y`, `Loc. Z`.
    m_numbers
        (9,): `m0n0`, `m0n1`, … `m2n2`. The first digit is the axis, the second the
        component: read as rows of the matrix, they would transpose it.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = m_numbers.reshape(3, 3).T
    matrix[:3, 3] = location_mm
    return matrix


def visor2_fault(*, coil_axes: str, coordinate_system: str) -> str | None:
    """Return why a visor2 marker file cannot be read as SimNIBS', or None."""
    if coil_axes != "simnibs":
        return f"CoilAxesConvention is {coil_axes!r}, expected 'simnibs'"
    if coordinate_system != "ASSOCIATED_IMAGE":
        return f"CoordinateSystem is {coordinate_system!r}, expected 'ASSOCIATED_IMAGE'"
    return None
