"""Fits the bound of a table's own error on direct solves at random poses.

The error of a reduced table is nearly a linear function of the coil's field, as the
field itself is. So a few components of it can be told from the coefficients that a
query has anyway: a map fitted on some direct solves, turned into a bound by the
conformal quantile over others (split conformal prediction, Papadopoulos et al. 2002).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from m2m_rt.efield import EfieldLookup, EfieldTable, ErrorBound
from m2m_rt.fem.blocks import Blocks, SerialPool
from m2m_rt.fem.check import POSES_AT_ONCE, answers_at, held_out_poses
from m2m_rt.fem.coils import CoilDipoles
from m2m_rt.fem.direct import HeadModel, direct_fields
from m2m_rt.fem.memory import BlockSizes
from m2m_rt.fem.work_folder import temporary_work
from m2m_rt.units import F64

_RIDGES = np.logspace(-9.0, 0.0, 19)
"""Tried penalties, as a fraction of the mean squared singular value."""


@dataclass(frozen=True, slots=True)
class BoundSettings:
    """How many direct solves a bound costs, and how sure it is."""

    n_fitted: int = 60
    n_calibrated: int = 40
    n_components: int = 8
    """Of the error field."""

    coverage: float = 0.975
    """Wanted of the conformal quantile; the largest ratio if the poses are too few."""

    margin: float = 1.1
    """On top of the quantile, which is itself known from few poses."""

    seed: int = 2
    """Of the poses; not that of the table's training poses."""

    @property
    def n_poses(self) -> int:
        """Return how many direct solves a bound costs."""
        return self.n_fitted + self.n_calibrated


@dataclass(frozen=True, slots=True)
class SolvedErrors:
    """A table's errors at some poses."""

    coefficients: F64
    """(n, rank): of the table's basis."""

    errors: F64
    """(n, 3 · n_roi): table − direct, V/m per A/µs."""

    rel_l2: F64
    """(n,): ‖table − direct‖ / ‖direct‖."""


def bounded(
    table: EfieldTable,
    model: HeadModel,
    coil: CoilDipoles,
    settings: BoundSettings,
    progress: Callable[[float], None] = lambda _: None,
) -> EfieldTable:
    """Return a table with its bound, solved here; seconds a pose."""
    with temporary_work() as work:
        blocks = Blocks(SerialPool(model), work, BlockSizes())
        return bounded_by_blocks(table, coil, settings, blocks, progress)


def bounded_by_blocks(
    table: EfieldTable,
    coil: CoilDipoles,
    settings: BoundSettings,
    blocks: Blocks,
    progress: Callable[[float], None],
) -> EfieldTable:
    """Return a table with its bound, and the median error over calibration poses."""
    rng = np.random.default_rng(settings.seed)
    poses = held_out_poses(table, settings.n_poses, rng)
    items = {
        f"direct-{start:05d}": partial(_itself, poses[start : start + POSES_AT_ONCE])
        for start in range(0, len(poses), POSES_AT_ONCE)
    }
    blocks.finish(DirectField(coil), items, progress)
    direct = np.concatenate([blocks.work.view(name) for name in items])
    return with_bound(table, settings, poses, direct)


def with_bound(
    table: EfieldTable, settings: BoundSettings, poses: F64, direct: F64
) -> EfieldTable:
    """Return a table with its bound from direct fields (n, 3 · n_roi) at poses."""
    solved = solved_errors(table, poses, direct)
    calibration = solved.rel_l2[settings.n_fitted :]
    return replace(
        table,
        bound=fit_bound(solved, settings),
        self_error=float(np.median(calibration)),
    )


@dataclass(frozen=True, slots=True)
class DirectField:
    """E at the ROI of a coil at some poses, from the coil's own dipoles."""

    coil: CoilDipoles

    def __call__(self, model: HeadModel, poses: F64, /) -> F64:
        """Return (n, 3 · n_roi), V/m per A/µs."""
        return direct_fields(model, self.coil, poses).reshape(len(poses), -1)


def solved_errors(table: EfieldTable, poses: F64, direct: F64) -> SolvedErrors:
    """Return a table's errors at poses (n, 4, 4) with direct fields (n, 3 · n_roi).

    Raises
    ------
    DataError
        If the table refuses one of the poses.
    """
    lookup = EfieldLookup(table)
    coefficients, errors, rel_l2 = [], [], []
    for answer, true in zip(answers_at(lookup, poses), direct, strict=True):
        own = answer.field.astype(np.float64).ravel()
        coefficients.append(own @ table.basis)
        errors.append(own - true)
        rel_l2.append(np.linalg.norm(own - true) / np.linalg.norm(true))
    return SolvedErrors(np.stack(coefficients), np.stack(errors), np.array(rel_l2))


def fit_bound(solved: SolvedErrors, settings: BoundSettings) -> ErrorBound:
    """Return the bound: the first poses fit the map, the others make it a bound."""
    fitted = slice(None, settings.n_fitted)
    size = np.linalg.norm(solved.coefficients, axis=1, keepdims=True)
    directions, errors = solved.coefficients / size, solved.errors / size
    error_map, floor = _error_map(directions[fitted], errors[fitted], settings)
    calibration = slice(settings.n_fitted, None)
    expected = np.hypot(
        np.linalg.norm(directions[calibration] @ error_map.T, axis=1), floor
    )
    ratios = np.sort(solved.rel_l2[calibration] / expected)
    # The conformal rank: ⌈(n + 1) · coverage⌉-th smallest.
    rank = int(np.ceil((len(ratios) + 1) * settings.coverage))
    return ErrorBound(
        error_map=error_map.astype(np.float32),
        floor=floor,
        inflation=float(settings.margin * ratios[min(rank, len(ratios)) - 1]),
        n_fitted=len(directions[fitted]),
        n_calibrated=len(ratios),
    )


def _error_map(
    directions: F64, errors: F64, settings: BoundSettings
) -> tuple[F64, float]:
    """Return the map (n_components, rank) and the relative error it does not explain.

    Ridge regression in its dual form; the penalty is the one with the least
    leave-one-out error, which is also what the map leaves unexplained.
    """
    values, vectors = np.linalg.eigh(directions @ directions.T)
    penalties = _RIDGES * values.mean()
    left = [_leave_one_out(vectors, values / (values + p), errors) for p in penalties]
    best = int(np.argmin(left))
    dual = vectors @ ((vectors.T @ errors) / (values + penalties[best])[:, None])
    # (rank, 3 · n_roi) at full length; its leading components are enough.
    u, s, _ = np.linalg.svd(directions.T @ dual, full_matrices=False)
    n_components = min(settings.n_components, len(s))
    return (u[:, :n_components] * s[:n_components]).T, left[best]


def _leave_one_out(vectors: F64, shrink: F64, errors: F64) -> float:
    """Return the root mean square of the relative error at the pose left out."""
    hat = (vectors * shrink) @ vectors.T
    residual = (errors - hat @ errors) / (1.0 - np.diag(hat))[:, None]
    return float(np.sqrt((residual**2).sum(axis=1).mean()))


def _itself(poses: F64) -> F64:
    return poses
