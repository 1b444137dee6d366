"""Direct solves that came with a table, for checking it without its solver.

A table whose fields another program has solved cannot be solved again here. So that
program also solves some coil poses directly, and they are kept beside the table as
`direct.npz`: `format`, `table_hash`, `head_from_coil` (n, 4, 4), `efield` (n, n_roi, 3)
in V/m per A/µs, head frame.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.efield import EfieldTable
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem.npz_file import checked_numbers, read_npz, write_npz
from m2m_rt.units import F64

DIRECT_FORMAT = "m2m_rt direct solves 1"


@dataclass(frozen=True, slots=True)
class DirectSolves:
    """Fields of a coil at poses that its table was not made from."""

    poses: F64
    """(n, 4, 4)"""

    efield: F64
    """(n, n_roi, 3): V/m per A/µs."""


def write_direct(solves: DirectSolves, table: EfieldTable, path: Path) -> None:
    """Write the solves that belong to a written table."""
    arrays = {
        "format": np.array(DIRECT_FORMAT),
        "table_hash": np.array(table.table_hash),
        "head_from_coil": solves.poses,
        "efield": solves.efield,
    }
    write_npz(arrays, path)


def read_direct(path: Path, table: EfieldTable) -> DirectSolves:
    """Return the solves of a table.

    Raises
    ------
    ConfigError
        If there is no such file, or it belongs to another table.
    DataError
        If it is damaged or its arrays do not fit.
    """
    found = read_npz(path, "the direct solves that came with the table")
    if str(found.get("format")) != DIRECT_FORMAT:
        raise DataError(f"{path}: not a file of the format {DIRECT_FORMAT!r}")
    stated = str(found.get("table_hash"))
    if stated != table.table_hash:
        raise ConfigError(
            f"{path}: table_hash", f"{stated[:12]}…", f"{table.table_hash[:12]}…"
        )
    poses = checked_numbers(found, "head_from_coil", (None, 4, 4), path)
    shape = (len(poses), len(table.roi.points_mm), 3)
    return DirectSolves(poses, checked_numbers(found, "efield", shape, path))
