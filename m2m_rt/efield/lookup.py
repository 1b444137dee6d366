"""Coil pose → E-field at the region of interest, in a fraction of a millisecond."""

import math
from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import field_kernels, kernels
from m2m_rt.efield.region import PoseFault, RegionGuard, fault_of
from m2m_rt.efield.table import CoilField, EfieldTable
from m2m_rt.errors import DataError
from m2m_rt.units import F32, F64, I64, Bools

N_WARM_UP = 20
POSES_A_BLOCK = 1024
"""Of a batch. Long blocks are quicker: the gather's grid stays in the cache until all
of them are gathered, and BLAS packs each factor once."""


@dataclass(frozen=True, slots=True)
class FieldAnswer:
    """The field of one coil pose, or why there is none."""

    valid: bool
    reason: PoseFault | None
    """None exactly when valid."""

    unit_efield_v_per_m: F32 | None
    """(n_roi, 3): V/m per A/µs, head frame; None when refused."""

    table_rel_error: float
    """Bound of the relative L2 error against a direct solve on the table's own mesh;
    held by more than 95 % of poses. What the mesh itself, conductivities and coil model
    add is not in it: `EfieldTable.fem_rel_error` and `EfieldTable.uncertainty`. NaN
    when refused, and for a table made before bounds were."""


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The fields of many coil poses."""

    valid: Bools
    """(n,)"""

    reasons: tuple[PoseFault | None, ...]
    """One a pose; None exactly where valid."""

    unit_efield_v_per_m: F32
    """(n, n_roi, 3): V/m per A/µs, head frame; zero where refused."""

    table_rel_error: F64
    """(n,): the bound of `FieldAnswer`; NaN where refused."""


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
        self._source = _source(table.coil, table.sensors_mm)
        self._factors = _factors(table)
        self._scratch = _scratch(table, self._factors)
        self._n_roi = table.basis.shape[0] // 3
        self._b = np.empty((POSES_A_BLOCK, 3 * len(table.sensors_mm)), np.float32)

    def query(self, head_from_coil: F64) -> FieldAnswer:
        """Return the field of one pose (4, 4), mm; anything else is refused."""
        pose = np.array(head_from_coil, np.float64, order="C")
        if pose.shape != (4, 4):
            return _refused(kernels.NOT_RIGID)
        code = kernels.judge(pose, self.guard.constants)
        if code != kernels.OK:
            return _refused(code)
        efield = np.empty(3 * self._n_roi, np.float32)
        rel_error = field_kernels.answer(
            pose, self._source, self._factors, self._scratch, efield
        )
        if rel_error < 0.0:
            return _refused(kernels.OUTSIDE_COIL_GRID)
        return FieldAnswer(True, None, efield.reshape(self._n_roi, 3), rel_error)

    def query_batch(self, head_from_coil: F64, out: F32 | None = None) -> BatchAnswer:
        """Return the fields of poses (n, 4, 4), mm.

        Parameters
        ----------
        out
            Shape (n, n_roi, 3), C order: written and returned as the answer's field.
            Memory that was used before spares a good part of a large batch's time.

        Raises
        ------
        DataError
            If the poses are no (n, 4, 4), or `out` has another shape, type or order.
        """
        poses = _stack(head_from_coil)
        shape = (len(poses), self._n_roi, 3)
        efield = np.empty(shape, np.float32) if out is None else out
        _check_out("out", efield, shape)
        codes = np.zeros(len(poses), np.int64)
        rel_error = np.full(len(poses), np.nan)
        kernels.judge_all(poses, self.guard.constants, codes)
        for start in range(0, len(poses), POSES_A_BLOCK):
            block = slice(start, start + POSES_A_BLOCK)
            flat = efield[block].reshape(-1, 3 * self._n_roi)
            rel_error[block] = self._answer_block(poses[block], codes[block], flat)
        return BatchAnswer(
            codes == kernels.OK,
            tuple(fault_of(int(code)) for code in codes),
            efield,
            rel_error,
        )

    def _answer_block(self, poses: F64, codes: I64, efield: F32) -> F64:
        """Write E (n, 3 · n_roi), refusals into `codes`; return the bounds."""
        b = self._b[: len(poses)]
        field_kernels.gather_all(poses, self._source, self._scratch, codes, b)
        factors = self._factors
        coefficients: F32 = b @ factors.project_t  # (n, rank)
        np.dot(coefficients, factors.basis_t, out=efield)
        bounds = np.empty(len(poses))
        field_kernels.rel_error_bounds(factors, self._scratch, coefficients, bounds)
        return bounds

    def coil_b(self, head_from_coil: F64, out: F32) -> None:
        """Write dB/dt at the sensors into `out` (n, 3 · n_sensors), poses not judged.

        T/s per A/µs, head-frame components; zero if a sensor lies off the coil's grid.

        Raises
        ------
        DataError
            As `query_batch` does.
        """
        poses = _stack(head_from_coil)
        _check_out("out", out, (len(poses), self._b.shape[1]))
        codes = np.zeros(len(poses), np.int64)
        field_kernels.gather_all(poses, self._source, self._scratch, codes, out)

    def warm_up(self) -> None:
        """Load the compiled kernels and touch every buffer, before the first pose."""
        self._b.fill(0.0)
        planned = self.table.region.planned_head_from_coil
        for _ in range(N_WARM_UP):
            self.query(planned)
        self.query_batch(planned[np.newaxis])


def _stack(head_from_coil: F64) -> F64:
    """Return a copy of poses, whose shape the compiled loops do not look at."""
    poses = np.array(head_from_coil, np.float64, order="C")
    if poses.ndim != 3 or poses.shape[1:] != (4, 4):
        raise DataError(f"poses: found shape {poses.shape}, expected (n, 4, 4)")
    return poses


def _check_out(name: str, out: F32, shape: tuple[int, ...]) -> None:
    if out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise DataError(
            f"{name}: found shape {out.shape} of {out.dtype}, expected {shape} of "
            "float32 in C order"
        )


def _refused(code: int) -> FieldAnswer:
    return FieldAnswer(False, fault_of(code), None, math.nan)


def _source(coil: CoilField, sensors_mm: F64) -> field_kernels.Source:
    nx, ny, nz, _ = coil.b_t_per_a_per_us.shape
    return field_kernels.Source(
        np.array(np.transpose(sensors_mm), np.float64, order="C"),
        np.array(coil.origin_mm, np.float64),
        1.0 / coil.spacing_mm,
        (nx, ny, nz),
        np.array(coil.b_t_per_a_per_us, np.float32).ravel(),
    )


def _factors(table: EfieldTable) -> field_kernels.Factors:
    bound = table.bound
    rank = table.project.shape[0]
    none = np.zeros((1, rank), np.float32)
    return field_kernels.Factors(
        np.array(table.project.T, np.float32, order="C"),
        np.array(table.basis.T, np.float32, order="C"),
        np.array((none if bound is None else bound.error_map).T, np.float32, order="C"),
        math.nan if bound is None else bound.floor,
        math.nan if bound is None else bound.inflation,
    )


def _scratch(
    table: EfieldTable, factors: field_kernels.Factors
) -> field_kernels.Scratch:
    n_sensors = len(table.sensors_mm)
    rank, n_error = factors.error_t.shape
    return field_kernels.Scratch(
        np.zeros(n_sensors, np.int64),
        np.zeros((3, n_sensors), np.float32),
        np.zeros(3 * n_sensors, np.float32),
        np.zeros(rank, np.float32),
        np.zeros(n_error, np.float32),
    )
