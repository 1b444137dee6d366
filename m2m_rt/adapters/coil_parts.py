"""What a coil file holds, whatever its format: the sources of one coil current."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.errors import DataError
from m2m_rt.units import F64

MAX_EXTENT_MM = 1000.0
"""No coil part is farther from the coil's origin: more is a mistake of unit."""

MAX_MOMENT_AM2 = 10.0
"""Per ampere and element: a hundred turns of a large coil."""

MAX_ELEMENTS = 1_000_000


@dataclass(frozen=True, slots=True)
class SampledPotential:
    """The vector potential of one ampere, on a grid."""

    coil_from_voxel: F64
    """(4, 4): coil-frame position, mm, of a voxel index."""

    a_tm_per_a: F64
    """(nx, ny, nz, 3): T·m per ampere, components in the coil frame."""


@dataclass(frozen=True, slots=True)
class CoilFile:
    """A coil as its file describes it, in the coil frame of SimNIBS, mm."""

    name: str
    brand: str
    stimulator: str
    """Names as the file gives them, empty where it gives none."""

    dipole_mm: F64
    """(n, 3): places of magnetic dipoles."""

    dipole_am2: F64
    """(n, 3): their moments, A·m² per ampere of coil current."""

    segment_mm: F64
    """(n, 3): middles of straight pieces of conductor."""

    segment_vector_mm: F64
    """(n, 3): from each piece's beginning to its end, times its share of the coil's
    current."""

    sampled: tuple[SampledPotential, ...]

    casing_mm: F64
    """(n, 3): points of the casings; none if the file has none."""

    didt_max_a_per_us: float | None
    """At full stimulator output, as the file says; None where it does not."""

    didt_display_a_per_us: float | None
    """Full output as the stimulator's display gives it (`dIdtstim`)."""


def checked(coil: CoilFile, where: str) -> CoilFile:
    """Return the coil after checks that hold for every format.

    Raises
    ------
    DataError
        If it has no source, or numbers that no coil has.
    """
    if not (len(coil.dipole_mm) or len(coil.segment_mm) or coil.sampled):
        raise DataError(f"{where}: found no element, expected at least one")
    for name in ("dipole_mm", "segment_mm", "casing_mm"):
        check_extent(getattr(coil, name), f"{where}: {name}")
    if len(coil.dipole_mm):
        _check_moments(coil.dipole_am2, f"{where}: dipole moments")
    if len(coil.segment_mm):
        _check_closed(coil.segment_vector_mm, f"{where}: line elements")
    for didt in (coil.didt_max_a_per_us, coil.didt_display_a_per_us):
        if didt is not None and not 0.0 < didt < 1e5:
            raise DataError(f"{where}: dI/dt: found {didt:g} A/µs, expected 0 … 1e5")
    return coil


def check_extent(points_mm: F64, where: str) -> None:
    """Check that places are finite and within a metre of the coil's origin.

    Raises
    ------
    DataError
        Naming the first place that is not.
    """
    bad = ~(np.abs(points_mm) <= MAX_EXTENT_MM).all(axis=1)
    if bad.any():
        row = int(bad.argmax())
        place = np.array2string(points_mm[row], precision=4)
        raise DataError(
            f"{where}[{row}]: found {place} mm, expected at most "
            f"{MAX_EXTENT_MM:g} mm from the coil's origin (a wrong unit?)"
        )


def _check_moments(moments_am2: F64, where: str) -> None:
    size = np.abs(moments_am2).max(axis=1)
    if not (size <= MAX_MOMENT_AM2).all():
        row = int((~(size <= MAX_MOMENT_AM2)).argmax())
        raise DataError(
            f"{where}[{row}]: found {size[row]:g} A·m² per A, expected at most "
            f"{MAX_MOMENT_AM2:g} (a wrong unit?)"
        )
    if not size.any():
        raise DataError(f"{where}: all are zero")


def _check_closed(vectors_mm: F64, where: str) -> None:
    """Check that the current comes back: only then is B that of a coil."""
    check_extent(vectors_mm, where)
    length = np.linalg.norm(vectors_mm, axis=1).sum()
    gap = np.linalg.norm(vectors_mm.sum(axis=0))
    if length == 0.0:
        raise DataError(f"{where}: found a conductor of no length")
    if gap > 0.02 * length:
        raise DataError(
            f"{where}: the conductor does not close: its ends are {gap:.4g} mm apart, "
            f"its length is {length:.4g} mm"
        )
