"""Writes what lies in a table's folder: table, mesh, notice, the user's coil file."""

import shutil
from pathlib import Path

from m2m_rt.adapters.table_file import write_table
from m2m_rt.app.table_path import DIRECT_FILE, MESH_FILE, TABLE_FILE
from m2m_rt.efield import EfieldTable
from m2m_rt.fem import DEMO_HEAD_SOURCES, HeadMesh, write_mesh, write_notices


def write_folder(
    folder: Path, coil: str, table: EfieldTable, mesh: HeadMesh
) -> EfieldTable:
    """Write a table and what it needs to be checked; return it with its hash.

    Parameters
    ----------
    coil
        As the user named it: a file is copied, for a table knows its hash only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own_file, beside = Path(coil), folder / Path(coil).name
    if own_file.is_file() and own_file.resolve() != beside.resolve():
        shutil.copyfile(own_file, beside)
    write_mesh(mesh, folder / MESH_FILE)
    (folder / DIRECT_FILE).unlink(missing_ok=True)  # of a table that was here before
    if table.provenance.made_from == DEMO_HEAD_SOURCES:
        write_notices(folder)
    return write_table(table, folder / TABLE_FILE)
