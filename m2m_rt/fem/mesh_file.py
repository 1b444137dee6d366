"""Keeps head meshes: one small HDF5 file each, checked by its hash."""

import secrets
from pathlib import Path

import h5py
import numpy as np

from m2m_rt.adapters.file_seal import BLOCK_BYTES, check_seal, seal
from m2m_rt.errors import DataError
from m2m_rt.fem.mesh import HeadMesh, mesh_sha256

MESH_FORMAT = "m2m_rt head mesh 1"
MAX_BYTES = 8 * 1024**3
"""Largest sum of array sizes that is read: a damaged shape must not fill memory."""


def write_mesh(mesh: HeadMesh, path: Path) -> str:
    """Write a mesh and return its hash; a crash leaves no half file under the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256 = mesh_sha256(mesh)
    # Of its own name: several processes may mesh one head at a time.
    unfinished = path.with_suffix(f".part-{secrets.token_hex(8)}")
    with h5py.File(unfinished, "w", userblock_size=BLOCK_BYTES) as file:
        file.attrs["format"] = MESH_FORMAT
        file.attrs["frame"] = "head"
        file.attrs["sha256"] = sha256
        # Differences along the file's order are small numbers and compress well.
        steps = np.diff(mesh.tetrahedra, axis=0, prepend=0)
        arrays = {
            "nodes_mm": mesh.nodes_mm.astype("<f4"),
            "tetrahedra_steps": steps.astype("<i4"),
            "tissue": mesh.tissue.astype("u1"),
        }
        for name, array in arrays.items():
            file.create_dataset(
                name, data=array, compression="gzip", compression_opts=9, shuffle=True
            )
    seal(unfinished, MESH_FORMAT)
    unfinished.replace(path)
    return sha256


def read_mesh(path: Path) -> HeadMesh:
    """Return the mesh of a file.

    Raises
    ------
    DataError
        If it is no mesh file, or its content does not have the hash it states.
    """
    try:
        check_seal(path, MESH_FORMAT)
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != MESH_FORMAT:
                raise DataError(f"{path}: not a file of the format {MESH_FORMAT!r}")
            stated = str(file.attrs["sha256"])
            mesh = _mesh_in(file)
    # What h5py raises on a damaged file depends on where it is damaged.
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as err:
        raise DataError(f"{path}: cannot be read as a head mesh ({err})") from err
    if mesh_sha256(mesh) != stated:
        raise DataError(f"{path}: content does not match its sha256 {stated[:12]}…")
    return mesh


def _mesh_in(file: h5py.File) -> HeadMesh:
    names = ("nodes_mm", "tetrahedra_steps", "tissue")
    stored = [file.get(name) for name in names]
    if not all(isinstance(each, h5py.Dataset) for each in stored):
        raise DataError(f"{file.filename}: expected the arrays {', '.join(names)}")
    n_bytes = sum(each.nbytes for each in stored)
    if n_bytes > MAX_BYTES:
        raise DataError(f"{file.filename}: arrays of {n_bytes} bytes; refused")
    nodes_mm, steps, tissue = (each[()] for each in stored)
    return HeadMesh(
        nodes_mm=nodes_mm.astype(np.float64),
        tetrahedra=np.cumsum(steps, axis=0, dtype=np.int64),
        tissue=tissue.astype(np.int64),
    )
