"""The committee's members that learn one subject from nothing: curves and a process.

Each says what log10 MEP it expects of a field; their weighted sum becomes one column a
muscle beside the population network's features, under the last layer.
"""

from dataclasses import dataclass

import numpy as np

from m2m_rt.nets.field_process import N_PROCESS_COMPONENTS, Components, FieldProcess
from m2m_rt.nets.left_out import left_out_log10_uv
from m2m_rt.nets.recruitment import Recruited, RecruitmentSettings, fit_recruitment
from m2m_rt.units import F32, F64

COMMITTEE_WEIGHTS = (2.0, 1.0, 1.0)
"""Of recruitment, population, process; chosen on subjects that nothing is judged on."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Recruitment curves and a process, fitted to the same trials."""

    basis: F64
    """(3 · n_roi, rank), columns orthonormal: spans the trials' fields."""

    recruitment: Recruited
    parts: Components
    process: FieldProcess
    correction: F64
    """(n, n_muscles): what their sum would say of each trial had it not been among
    those learnt, less what it says."""

    @property
    def shares(self) -> tuple[float, float]:
        """Weights of recruitment and process, of 1 for the whole committee."""
        recruitment, population, process = COMMITTEE_WEIGHTS
        total = recruitment + population + process
        return recruitment / total, process / total

    def log10_uv(self, relative_efield: F32) -> F64:
        """Return the columns (n, n_muscles) of fields (n, n_roi, 3) not seen before."""
        rows = _flat(relative_efield) @ self.basis
        curves, process = self.shares
        expected: F64 = curves * self.recruitment.expected(
            rows
        ).log10_uv + process * self.process.log10_uv(self.parts.of(rows))
        return expected


def fit_columns(
    relative_efield: F32, log10_uv: F64, how: RecruitmentSettings | None = None
) -> Columns:
    """Return both members fitted to trials.

    Parameters
    ----------
    relative_efield
        (n, n_roi, 3)
    log10_uv
        (n, n_muscles), all finite.
    how
        Of the recruitment curves.
    """
    basis, rows = _coefficients(relative_efield)
    recruitment = fit_recruitment(rows, log10_uv, how)
    parts = Components(rows, N_PROCESS_COMPONENTS)
    process = FieldProcess(parts.of(rows), log10_uv)
    columns = Columns(basis, recruitment, parts, process, np.zeros_like(log10_uv))
    curves, of_process = columns.shares
    left_out = (
        curves * left_out_log10_uv(recruitment, rows, log10_uv)
        + of_process * process.left_out_log10_uv
    )
    correction = left_out - columns.log10_uv(relative_efield)
    return Columns(basis, recruitment, parts, process, correction)


def shape_spread(relative_efield: F32) -> float:
    """Return how far fields (n, n_roi, 3) of size 1 lie from their mean, on average."""
    flat = _flat(relative_efield)
    shapes = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    apart = np.sum((shapes - shapes.mean(axis=0)) ** 2, axis=1)
    return float(np.sqrt(apart.mean()))


def _coefficients(relative_efield: F32) -> tuple[F64, F64]:
    """Return a basis of fields, and their coefficients (n, rank)."""
    basis, triangle = np.linalg.qr(_flat(relative_efield).T)
    return basis, np.ascontiguousarray(triangle.T)


def _flat(relative_efield: F32) -> F64:
    return relative_efield.reshape(len(relative_efield), -1).astype(np.float64)
