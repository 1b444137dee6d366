"""Where the E-field tables are: a name under `models/tables`, or a path."""

from pathlib import Path

from m2m_rt.errors import ConfigError

TABLE_FILE = "table.h5"
MESH_FILE = "mesh.h5"
"""Beside a table: the mesh that it was solved on."""

DIRECT_FILE = "direct.npz"
"""Beside a table that another program has solved: its direct solves."""


def tables_folder() -> Path:
    """Return `models/tables` of the working directory, or else of the repository."""
    here = Path.cwd() / "models" / "tables"
    return here if here.is_dir() else Path(__file__).parents[2] / "models" / "tables"


def table_path(table: str) -> Path:
    """Return the file of a table given as a name, a folder or a file.

    Raises
    ------
    ConfigError
        If there is no such table.
    """
    tried = (tables_folder() / table, tables_folder().parent / table, Path(table))
    for place in tried:
        if place.is_file():
            return place
        if (place / TABLE_FILE).is_file():
            return place / TABLE_FILE
    raise ConfigError("TABLE", repr(table), f"a name in {tables_folder()} or a file")
