"""Reads a `.tcd` coil: JSON with elements of three kinds, one coil current.

Elements of type 1 are magnetic dipoles (mm, A·m² per ampere), of type 2 straight pieces
of conductor given by middle and vector (mm), of type 3 a vector potential sampled on a
grid (T·m per ampere). The text form of a type 3 element is a pickle: reading one can
run any program, so it is refused; lists of numbers are read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from m2m_rt.adapters.coil_parts import (
    MAX_ELEMENTS,
    MAX_EXTENT_MM,
    CoilFile,
    SampledPotential,
    check_extent,
    checked,
)
from m2m_rt.adapters.tcd_arrays import points_of
from m2m_rt.adapters.tcd_moves import deformation_of
from m2m_rt.adapters.tcd_schema import Element, Stimulator, Tcd
from m2m_rt.errors import DataError
from m2m_rt.geometry import transform_points
from m2m_rt.units import F64

MAX_BYTES = 128 * 1024**2
MAX_NUMBERS = 8_000_000
"""In lists; a 2 mm grid of 300 × 200 × 200 mm has 4.5 million."""

A_PER_S_PER_A_PER_US = 1e6
LARGEST_TM_PER_A = 1.0
"""A million times what a coil has a centimetre away."""

NO_POINTS = np.zeros((0, 3))

_T = TypeVar("_T")


def read_tcd(path: Path) -> CoilFile:
    """Return the coil of a `.tcd` file.

    Raises
    ------
    DataError
        Naming the file and the field that is wrong or not supported.
    """
    tcd, where = _decoded(path), str(path)
    places = [f"{where}: coilElementList[{k}]" for k in range(len(tcd.coilElementList))]
    moved = [
        deformation_of(tcd, element, place)
        for element, place in zip(tcd.coilElementList, places, strict=True)
    ]
    each = list(zip(tcd.coilElementList, moved, places, strict=True))
    dipole_mm, dipole_am2 = _all_pairs(each, 1)
    segment_mm, segment_vector_mm = _all_pairs(each, 2)
    stimulator = _stimulator(tcd, where)
    coil = CoilFile(
        name=(tcd.name or path.stem)[:200],
        brand=(tcd.brand or "")[:200],
        stimulator=(stimulator.name or "")[:200],
        dipole_mm=dipole_mm,
        dipole_am2=dipole_am2,
        segment_mm=segment_mm,
        segment_vector_mm=segment_vector_mm,
        sampled=tuple(_sampled(*one) for one in each if one[0].type == 3),
        casing_mm=_casings(tcd, moved, where),
        didt_max_a_per_us=(
            None
            if stimulator.maxdIdt is None
            else stimulator.maxdIdt / A_PER_S_PER_A_PER_US
        ),
        didt_display_a_per_us=None,
    )
    return checked(coil, where)


def _decoded(path: Path) -> Tcd:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES} bytes")
    raw = path.read_bytes()
    # Lists of numbers take ten times their text in memory while they are decoded.
    if raw.count(b",") > MAX_NUMBERS:
        raise DataError(f"{path}: more than {MAX_NUMBERS} numbers in lists")
    try:
        return msgspec.json.decode(raw, type=Tcd)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise DataError(f"{path}: cannot be read as a .tcd coil: {err}") from err


def _stimulator(tcd: Tcd, where: str) -> Stimulator:
    """Return the one stimulator that drives all elements."""
    used = {e.stimulator for e in tcd.coilElementList if e.stimulator is not None}
    if len(used) > 1:
        raise DataError(
            f"{where}: coilElementList: elements of {len(used)} stimulators; a table "
            "is for one coil current: split the file, one coil a stimulator"
        )
    if not used:
        return Stimulator()
    return _item(tcd.stimulatorList, used.pop(), f"{where}: stimulator")


def _all_pairs(each: list[tuple[Element, F64, str]], kind: int) -> tuple[F64, F64]:
    """Return places and vectors of all elements of a type, a bounded number of them."""
    places, vectors = [NO_POINTS], [NO_POINTS]
    n_points = 0
    for element, move, where in each:
        if element.type == kind:
            at, value = _pairs(element, move, where)
            n_points = _within_limit(n_points + len(at), where)
            places.append(at)
            vectors.append(value)
    return np.concatenate(places), np.concatenate(vectors)


def _within_limit(n_points: int, where: str) -> int:
    """Check a sum of lengths: many small packed arrays can unpack to very much."""
    if n_points > MAX_ELEMENTS:
        raise DataError(f"{where}: more than {MAX_ELEMENTS} points in the file")
    return n_points


def _pairs(element: Element, move: F64, where: str) -> tuple[F64, F64]:
    """Return places and vectors (n, 3) of an element, moved."""
    if element.points is None or element.values is None:
        raise DataError(f"{where}: expected both points and values")
    if element.data is not None or element.affine is not None:
        raise DataError(f"{where}: found data or affine in a type {element.type}")
    at = points_of(element.points, f"{where}.points")
    value = points_of(element.values, f"{where}.values")
    if len(at) != len(value):
        raise DataError(f"{where}: found {len(at)} points and {len(value)} values")
    check_extent(at, f"{where}.points")
    return transform_points(move, at), value @ move[:3, :3].T


def _sampled(element: Element, move: F64, where: str) -> SampledPotential:
    if isinstance(element.data, str):
        raise DataError(
            f"{where}.data: the text form of a sampled element is a Python pickle, "
            "which can run programs when it is read: refused. Write the coil again "
            "with lists of numbers: TmsCoil.write_tcd(file, ascii_mode=True)"
        )
    if element.data is None or element.affine is None:
        raise DataError(f"{where}: expected both data and affine")
    if element.points is not None or element.values is not None:
        raise DataError(f"{where}: found points or values in a type 3")
    try:
        potential = np.array(element.data, dtype=np.float64)
    except ValueError as err:
        raise DataError(f"{where}.data: rows of different lengths") from err
    if potential.ndim != 4 or min(potential.shape) < 2:
        raise DataError(
            f"{where}.data: found shape {potential.shape}, expected "
            "(nx, ny, nz, 3) with at least two nodes along each axis"
        )
    if not (np.abs(potential) <= LARGEST_TM_PER_A).all():
        raise DataError(f"{where}.data: found more than {LARGEST_TM_PER_A:g} T·m per A")
    coil_from_voxel = move @ _checked_affine(element.affine, where)
    return SampledPotential(coil_from_voxel, potential @ move[:3, :3].T)


def _checked_affine(rows: Sequence[Sequence[float]], where: str) -> F64:
    affine = np.array(rows)
    usable = (
        (affine[3] == (0.0, 0.0, 0.0, 1.0)).all()
        and (np.abs(affine) <= MAX_EXTENT_MM).all()
        and 1e-6 < abs(np.linalg.det(affine[:3, :3])) < 1e6
    )
    if not usable:
        raise DataError(f"{where}.affine: found no invertible voxel-to-mm affine")
    return affine


def _casings(tcd: Tcd, moved: list[F64], where: str) -> F64:
    """Return the points (n, 3) of the coil's casing and of its elements'."""
    casings = []
    if tcd.coilCasing is not None:
        casings.append((tcd.coilCasing, np.eye(4)))
    for element, move in zip(tcd.coilElementList, moved, strict=True):
        if element.elementCasing is not None:
            casings.append((element.elementCasing, move))
    found, n_points = [NO_POINTS], 0
    for index, move in casings:
        model = _item(tcd.coilModels, index, f"{where}: coilModels")
        points = points_of(model.points, f"{where}: coilModels[{index}].points")
        n_points = _within_limit(n_points + len(points), f"{where}: coilModels")
        found.append(transform_points(move, points))
    return np.concatenate(found)


def _item(items: Sequence[_T], index: int, where: str) -> _T:
    if index >= len(items):
        raise DataError(f"{where}: index {index} of {len(items)}")
    return items[index]
