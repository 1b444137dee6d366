"""The committee's members that learn one subject from nothing: curves and a process.

Each says what log10 MEP it expects of a field; their weighted sum becomes one column a
muscle beside the population network's features, under the last layer. The curves are
fitted in two ways.
"""

from dataclasses import dataclass, replace

import numpy as np

from m2m_rt.nets.field_process import N_PROCESS_COMPONENTS, Components, FieldProcess
from m2m_rt.nets.left_out import left_out_log10_uv
from m2m_rt.nets.recruitment import Recruited, fit_recruitment
from m2m_rt.nets.recruitment_shared import SMOOTH, share_excitability
from m2m_rt.units import F32, F64

CURVES_SHARES = (0.2, 0.4)
"""Of curves, and of curves fitted once more with the excitability that muscles share,
of 1 for the whole committee; chosen on subjects that nothing is judged on."""

PROCESS_SHARE, NETWORK_SHARE = 0.2, 0.2


@dataclass(frozen=True, slots=True)
class Columns:
    """Recruitment curves and a process, fitted to the same trials."""

    basis: F64
    """(3 · n_roi, rank), columns orthonormal: spans the trials' fields."""

    curves: tuple[Recruited, Recruited]
    """Of the same shapes, in the order of `CURVES_SHARES`."""

    parts: Components
    process: FieldProcess
    correction: F64
    """(n, n_muscles): what their sum would say of each trial had it not been among
    those learnt, less what it says."""

    def log10_uv(self, relative_efield: F32) -> F64:
        """Return the columns (n, n_muscles) of fields (n, n_roi, 3) not seen before."""
        rows = _flat(relative_efield) @ self.basis
        said = [model.expected(rows).log10_uv for model in self.curves]
        return _shared_out(said, self.process.log10_uv(self.parts.of(rows)))


def fit_columns(relative_efield: F32, log10_uv: F64) -> Columns:
    """Return all members fitted to trials.

    Parameters
    ----------
    relative_efield
        (n, n_roi, 3)
    log10_uv
        (n, n_muscles), all finite.
    """
    basis, rows = _coefficients(relative_efield)
    smooth = fit_recruitment(rows, log10_uv, SMOOTH)
    curves = (
        fit_recruitment(rows, log10_uv),
        share_excitability(smooth, rows, log10_uv),
    )
    parts = Components(rows, N_PROCESS_COMPONENTS)
    process = FieldProcess(parts.of(rows), log10_uv)
    left_out = _shared_out(
        [left_out_log10_uv(model, rows, log10_uv) for model in curves],
        process.left_out_log10_uv,
    )
    columns = Columns(basis, curves, parts, process, np.zeros_like(log10_uv))
    correction = left_out - columns.log10_uv(relative_efield)
    return replace(columns, correction=correction)


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


def _shared_out(of_curves: list[F64], of_process: F64) -> F64:
    """Return the members' weighted sum."""
    both = zip(CURVES_SHARES, of_curves, strict=True)
    said: F64 = PROCESS_SHARE * of_process + sum(share * one for share, one in both)
    return said


def _flat(relative_efield: F32) -> F64:
    return relative_efield.reshape(len(relative_efield), -1).astype(np.float64)
