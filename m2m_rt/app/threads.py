"""One computing thread a process: set before numpy loads, or it is too late."""

import os
import sys
from collections.abc import Mapping

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What OpenMP, OpenBLAS and MKL read, once, when they are loaded."""

KERNEL_CHOICES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""What makes OpenBLAS take other kernels, whose sums end in other last bits."""


def limit_threads() -> None:
    """Give this process and its children one thread each in numpy's libraries.

    The daemons share few cores: a pool of spinning BLAS threads in one of them makes
    the others late. A value that the user has set is left alone.
    """
    for name in THREAD_LIMITS:
        os.environ.setdefault(name, "1")


def numeric_settings() -> dict[str, str]:
    """Return the settings of numpy's libraries that last bits depend on."""
    names = (*THREAD_LIMITS, *KERNEL_CHOICES)
    return {name: os.environ[name] for name in names if name in os.environ}


def restore_numeric_settings(recorded: Mapping[str, str]) -> None:
    """Set numpy's libraries as they were recorded: those not recorded were not set.

    A session replays byte for byte only with the kernels that it ran with, whatever
    the shell says that replays it. Where numpy is loaded it is too late, and nothing is
    changed for the processes that this one starts.
    """
    if "numpy" in sys.modules:
        return
    for name in (*THREAD_LIMITS, *KERNEL_CHOICES):
        if name in recorded:
            os.environ[name] = recorded[name]
        else:
            os.environ.pop(name, None)
