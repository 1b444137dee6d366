"""Coil pose → E-field at the region of interest, in a fraction of a millisecond."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import kernels
from m2m_rt.efield.region import PoseFault, RegionGuard, fault_of
from m2m_rt.efield.table import EfieldTable
from m2m_rt.units import F32, F64, Bools

N_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class FieldAnswer:
    """The field of one coil pose, or why there is none."""

    valid: bool
    reason: PoseFault | None
    """None exactly when valid."""

    unit_efield_v_per_m: F32 | None
    """(n_roi, 3): V/m per A/µs, head frame; None when refused."""


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The fields of many coil poses."""

    valid: Bools
    """(n,)"""

    reasons: tuple[PoseFault | None, ...]
    """One a pose; None exactly where valid."""

    unit_efield_v_per_m: F32
    """(n, n_roi, 3): V/m per A/µs, head frame; zero where refused."""


class EfieldLookup:
    """Answers coil poses from one table; holds no state that an answer changes.

    A single query runs without BLAS and gives the same bytes for the same pose. A
    batch ends in BLAS matrix products: the same batch gives the same bytes with one
    BLAS thread, and agrees with single queries to float32 rounding.
    """

    def __init__(self, table: EfieldTable) -> None:
        """Lay the table's arrays out for the kernels; they are copied."""
        self.table = table
        self.guard = RegionGuard(table.region, table.coil.winding_mm)
        self._sensors_mm = np.array(table.sensors_mm, np.float64)
        self._coil = kernels.Grid(
            np.array(table.coil.origin_mm, np.float64),
            1.0 / table.coil.spacing_mm,
            np.array(table.coil.b_t_per_a_per_us, np.float32),
        )
        # Transposed, so that the kernels add whole rows.
        self._project_t = np.array(table.project.T, np.float32, order="C")
        self._basis_t = np.array(table.basis.T, np.float32, order="C")
        self._n_roi = table.basis.shape[0] // 3
        self._b = np.empty(self._project_t.shape[0], np.float32)

    def query(self, head_from_coil: F64) -> FieldAnswer:
        """Return the field of one pose (4, 4), mm; anything else is refused."""
        if np.shape(head_from_coil) != (4, 4):
            return FieldAnswer(False, PoseFault.NOT_RIGID, None)
        pose = np.array(head_from_coil, np.float64, order="C")
        fault = fault_of(
            kernels.prepare(
                pose, self.guard.constants, self._sensors_mm, self._coil, self._b
            )
        )
        if fault is not None:
            return FieldAnswer(False, fault, None)
        efield = kernels.field(self._project_t, self._basis_t, self._b)
        return FieldAnswer(True, None, efield.reshape(self._n_roi, 3))

    def query_batch(self, head_from_coil: F64) -> BatchAnswer:
        """Return the fields of poses (n, 4, 4), mm."""
        poses = np.array(head_from_coil, np.float64, order="C")
        codes = np.zeros(len(poses), np.int64)
        b: F32 = kernels.gather_all(
            poses, self.guard.constants, self._sensors_mm, self._coil, codes
        )  # (n, 3 · n_sensors)
        coefficients: F32 = b @ self._project_t  # (n, rank)
        efield: F32 = coefficients @ self._basis_t  # (n, 3 · n_roi)
        return BatchAnswer(
            codes == kernels.OK,
            tuple(fault_of(int(code)) for code in codes),
            efield.reshape(len(poses), self._n_roi, 3),
        )

    def warm_up(self) -> None:
        """Load the compiled kernels and touch every buffer, before the first pose."""
        planned = self.table.region.planned_head_from_coil
        for _ in range(N_WARM_UP):
            self.query(planned)
        self.query_batch(planned[np.newaxis])
