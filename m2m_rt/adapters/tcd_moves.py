"""Deformations in a `.tcd` file: those that stand still are applied, others refused."""

import numpy as np

from m2m_rt.adapters.coil_parts import check_extent
from m2m_rt.adapters.tcd_schema import Deform, DeformRange, Element, Tcd
from m2m_rt.errors import DataError
from m2m_rt.units import F64

AXES = {"x": 0, "y": 1, "z": 2}


def deformation_of(tcd: Tcd, element: Element, where: str) -> F64:
    """Return the rigid transform (4, 4) of an element, first deformation first.

    Raises
    ------
    DataError
        If a deformation can move, or is not given completely.
    """
    total = np.eye(4)
    for index in element.deformations:
        if index >= len(tcd.deformList):
            raise DataError(f"{where}.deformations: index {index} is not in deformList")
        deform = tcd.deformList[index]
        spot = f"{where}: deformList[{index}]"
        total = _matrix(deform, _fixed_value(tcd, deform, spot), spot) @ total
    return total


def _fixed_value(tcd: Tcd, deform: Deform, where: str) -> float:
    """Return the only value that a deformation can have."""
    of_list = deform.deformRange
    if of_list is not None and of_list < len(tcd.deformRangeList):
        given = tcd.deformRangeList[of_list]
    elif of_list is None and deform.initial is not None and deform.range is not None:
        given = DeformRange(deform.initial, deform.range)
    else:
        raise DataError(f"{where}: found no range of the deformation")
    low, high = given.range
    if low != high:
        raise DataError(
            f"{where}: the part can move ({low:g} … {high:g}); a table is for a coil "
            "of one shape: freeze it first (TmsCoil.freeze_deformations in SimNIBS)"
        )
    if given.initial != low or not abs(low) <= 1e3:
        raise DataError(f"{where}: found {given.initial:g} outside its range")
    return low


def _matrix(deform: Deform, value: float, where: str) -> F64:
    if deform.type in AXES:
        move = np.eye(4)
        move[AXES[deform.type], 3] = value
        return move
    if deform.point1 is None or deform.point2 is None:
        raise DataError(f"{where}: expected point1 and point2 of the axis")
    first, second = np.array(deform.point1), np.array(deform.point2)
    check_extent(np.stack((first, second)), f"{where}: axis")
    length = np.linalg.norm(second - first)
    if length < 1e-6:
        raise DataError(f"{where}: the axis has no direction")
    return _rotation(first, (second - first) / length, np.radians(value))


def _rotation(point_mm: F64, axis: F64, angle: float) -> F64:
    """Return the right-handed rotation (4, 4) about a line (Rodrigues)."""
    x, y, z = axis
    cross = np.array(((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0)))
    rotation = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    move = np.eye(4)
    move[:3, :3] = rotation
    move[:3, 3] = point_mm - rotation @ point_mm
    return move
