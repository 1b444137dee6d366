"""Coils by name or file; one head can have a table for each of them."""

from collections.abc import Callable
from pathlib import Path

from m2m_rt.adapters.coil_file import read_coil
from m2m_rt.efield import EfieldTable
from m2m_rt.errors import ConfigError
from m2m_rt.fem.coil_from_file import coil_from_file
from m2m_rt.fem.coil_shapes import double_cone_coil, round_coil
from m2m_rt.fem.coils import DEMO_COIL_NAME, CoilDipoles, coil_sha256, demo_coil

NAMED_COILS: dict[str, Callable[[], CoilDipoles]] = {
    DEMO_COIL_NAME: demo_coil,
    "round": round_coil,
    "double-cone": double_cone_coil,
}
"""Analytic coils for simulation; no models of products."""

COIL_FILES = ("*.ccd", "*.tcd")


def named_coil(name: str) -> CoilDipoles:
    """Return an analytic coil by name, or the coil of a `.ccd` or `.tcd` file.

    Raises
    ------
    ConfigError
        If it is neither.
    DataError
        If the file is damaged or holds what is not supported.
    """
    if name in NAMED_COILS:
        return NAMED_COILS[name]()
    path = Path(name)
    if path.suffix.lower() in {".ccd", ".tcd"}:
        return coil_from_file(read_coil(path))
    raise ConfigError(
        "--coil", repr(name), f"{', '.join(NAMED_COILS)}, or a .ccd or .tcd file"
    )


def coil_of_table(table: EfieldTable, folder: Path) -> CoilDipoles:
    """Return the coil that a table was made for: a named one, or a file beside it.

    Raises
    ------
    ConfigError
        If none of them is that coil.
    """
    expected = table.provenance.coil_sha256
    files = [path for kind in COIL_FILES for path in sorted(folder.glob(kind))]
    for name in (*NAMED_COILS, *map(str, files)):
        coil = named_coil(name)
        if coil_sha256(coil) == expected:
            return coil
    raise ConfigError(
        f"coil {table.coil.name} of the table in {folder}",
        "no coil of that hash",
        f"sha256 {expected[:12]}…: put its .ccd or .tcd file beside the table",
    )
