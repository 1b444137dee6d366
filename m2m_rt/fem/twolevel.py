"""Conjugate gradients for hybrid elements too many for a direct factor."""

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from m2m_rt.errors import DataError
from m2m_rt.units import F64

TOLERANCE = 1e-8
"""Relative residual; the field's error is then far below the mesh's."""

MAX_ITERATIONS = 200


class TwoLevelSolver:
    """Preconditioned by multigrid on the P1 block and a diagonal on the edges.

    The basis is hierarchical, so the two blocks hardly know of each other and the
    number of iterations does not grow with the mesh.
    """

    def __init__(self, stiffness: sparse.csr_array, n_nodes: int) -> None:
        """Build the hierarchy of the P1 block with unknown 0 pinned to zero."""
        import pyamg

        self._pinned = sparse.csr_matrix(stiffness[1:, 1:])
        self._n_low = n_nodes - 1
        low = sparse.csr_matrix(self._pinned[: self._n_low, : self._n_low])
        self._hierarchy = pyamg.smoothed_aggregation_solver(low, max_coarse=500)
        self._diagonal = self._pinned.diagonal()[self._n_low :]
        self.iterations = 0

    def solve(self, loads: F64) -> F64:
        """Return potentials (n_unknowns, k), zero at the pinned unknown.

        Raises
        ------
        DataError
            If the iteration does not converge.
        """
        size = self._pinned.shape[0]
        precondition = linalg.LinearOperator((size, size), matvec=self._precondition)
        potentials = np.zeros_like(loads)
        for column in range(loads.shape[1]):
            self.iterations = 0
            found, failed = linalg.cg(
                self._pinned,
                loads[1:, column],
                rtol=TOLERANCE,
                maxiter=MAX_ITERATIONS,
                M=precondition,
                callback=self._count,
            )
            if failed:
                raise DataError(f"no convergence in {MAX_ITERATIONS} iterations")
            potentials[1:, column] = found
        return potentials

    def _precondition(self, residual: F64) -> F64:
        low = self._hierarchy.solve(
            residual[: self._n_low], maxiter=1, tol=1e-30, cycle="V"
        )
        return np.concatenate((low, residual[self._n_low :] / self._diagonal))

    def _count(self, _: F64) -> None:
        self.iterations += 1
