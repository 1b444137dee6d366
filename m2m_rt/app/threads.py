"""One computing thread a process: set before numpy loads, or it is too late."""

import os

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What OpenMP, OpenBLAS and MKL read, once, when they are loaded."""


def limit_threads() -> None:
    """Give this process and its children one thread each in numpy's libraries.

    The daemons share few cores: a pool of spinning BLAS threads in one of them makes
    the others late. A value that the user has set is left alone; each
    session records what was set (`versions`).
    """
    for name in THREAD_LIMITS:
        os.environ.setdefault(name, "1")
