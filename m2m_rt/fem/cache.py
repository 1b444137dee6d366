"""Head meshes kept between runs, found by a hash of what they are made from."""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from m2m_rt.fem.head import HeadSurfaces
from m2m_rt.fem.mesh import HeadMesh, MesherSettings, mesh_head
from m2m_rt.fem.mesh_file import read_mesh, write_mesh
from m2m_rt.fem.tissues import occupancies

RECIPE_VERSION = 1
"""Raised with every change of how surfaces become a mesh."""


def default_cache_folder() -> Path:
    """Return the user's cache folder for m2m_rt; it need not exist yet."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "m2m_rt"


def cached_head_mesh(
    head: HeadSurfaces,
    settings: MesherSettings,
    folder: Path,
    report: Callable[[str, float], None],
) -> HeadMesh:
    """Return a head's mesh, from the cache or made now (minutes) and kept there."""
    path = folder / f"mesh-{head.name}-{_inputs_sha256(head, settings)[:16]}.h5"
    if path.is_file():
        return read_mesh(path)
    report("tissues from surfaces", 0.0)
    tissues = occupancies(head)
    report("tetrahedra (10 minutes or more)", 0.0)
    mesh = mesh_head(tissues, settings)
    write_mesh(mesh, path)
    return mesh


def _inputs_sha256(head: HeadSurfaces, settings: MesherSettings) -> str:
    digest = hashlib.sha256(f"{RECIPE_VERSION} {settings}".encode())
    for surface in (head.scalp, head.inner_skull, *head.pial, *head.white):
        digest.update(np.ascontiguousarray(surface.points_mm, "<f8").tobytes())
        digest.update(np.ascontiguousarray(surface.triangles, "<i8").tobytes())
    return digest.hexdigest()
