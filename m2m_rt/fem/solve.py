"""Solving for the potential: one factorisation, blocks of right-hand sides."""

import os
import weakref
from typing import Protocol

import numpy as np
from scipy import sparse

from m2m_rt.errors import ConfigError
from m2m_rt.units import F64

ITERATIVE_TOLERANCE = 1e-9
"""Relative residual of the iterative solver; far below any error of the mesh."""

SYMMETRIC_POSITIVE_DEFINITE = 2
"""Pardiso's matrix type: it wants the upper triangle."""


class PotentialSolver(Protocol):
    """Solves the stiffness system for many right-hand sides."""

    def solve(self, loads: F64) -> F64:
        """Return potentials (n_unknowns, k) for loads (n_unknowns, k)."""


class PardisoSolver:
    """Direct: factorised once, seconds; then milliseconds a right-hand side."""

    def __init__(self, stiffness: sparse.csr_array) -> None:
        """Factorise with unknown 0 pinned to zero."""
        import pypardiso

        self._solver = pypardiso.PyPardisoSolver(mtype=SYMMETRIC_POSITIVE_DEFINITE)
        # Or pypardiso searches the whole environment for MKL at every solver.
        found = self._solver.libmkl._name  # noqa: SLF001 - ctypes has no other way
        os.environ.setdefault("PYPARDISO_MKL_RT", found)
        pinned = sparse.csr_matrix(stiffness[1:, 1:])
        self._upper = sparse.triu(pinned, format="csr")
        self._solver.factorize(self._upper)
        # pypardiso keeps a factor, gigabytes of it, after its solver is gone.
        weakref.finalize(self, self._solver.free_memory, everything=True).atexit = False

    def solve(self, loads: F64) -> F64:
        """Return potentials, zero at the pinned unknown."""
        potentials = np.zeros_like(loads)
        right = np.asfortranarray(loads[1:])
        potentials[1:] = self._solver.solve(self._upper, right)
        return potentials


class MultigridSolver:
    """Conjugate gradients with smoothed aggregation, where Pardiso is missing."""

    def __init__(self, stiffness: sparse.csr_array) -> None:
        """Build the hierarchy with unknown 0 pinned to zero."""
        import pyamg

        pinned = sparse.csr_matrix(stiffness[1:, 1:])
        self._hierarchy = pyamg.smoothed_aggregation_solver(pinned)

    def solve(self, loads: F64) -> F64:
        """Return potentials, zero at the pinned unknown."""
        potentials = np.zeros_like(loads)
        for column in range(loads.shape[1]):
            potentials[1:, column] = self._hierarchy.solve(
                loads[1:, column], tol=ITERATIVE_TOLERANCE, accel="cg", maxiter=300
            )
        return potentials


def make_solver(stiffness: sparse.csr_array, kind: str = "auto") -> PotentialSolver:
    """Return a solver: `pardiso`, `multigrid`, or `auto` for the best installed one.

    Raises
    ------
    ConfigError
        For any other kind.
    """
    match kind:
        case "auto":
            try:
                return PardisoSolver(stiffness)
            except ImportError:
                return MultigridSolver(stiffness)
        case "pardiso":
            return PardisoSolver(stiffness)
        case "multigrid":
            return MultigridSolver(stiffness)
        case _:
            raise ConfigError("solver", kind, "auto, pardiso or multigrid")
