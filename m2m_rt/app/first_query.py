"""How long a new process takes from its start to a table's first answer."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

N_STARTS = 5
TIMEOUT_S = 120.0


def first_query_s(path: Path, n_starts: int = N_STARTS) -> dict[str, float]:
    """Return the median time from a process's start to its first answer, s.

    Starting Python, the imports, reading the table and loading the compiled kernels
    are in it. A first process is not counted: it compiles what was never compiled and
    reads what was never read. `processor` is what of it the process computed, so what
    other programs' turns took is not in it.
    """
    _run(path)
    taken = np.array([_run(path) for _ in range(n_starts)])
    wall_s, processor_s = np.median(taken, axis=0)
    return {"wall": float(wall_s), "processor": float(processor_s)}


def answer_once(path: Path) -> None:
    """Read a table and answer its planned pose: what the process does."""
    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.efield import EfieldLookup

    table = read_table(path)
    EfieldLookup(table).query(table.region.planned_head_from_coil)


def _run(path: Path) -> tuple[float, float]:
    """Return wall and processor time of one process from start to answer, s."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from m2m_rt.app.first_query import answer_once\n"
        "answer_once(Path(sys.argv[1]))\n"
        "print(time.time(), time.process_time())"
    )
    started_s = time.time()
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    answered_s, processor_s = (float(word) for word in done.stdout.split())
    return answered_s - started_s, processor_s
