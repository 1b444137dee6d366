"""Head meshes kept between runs, found by a hash of what they are made from."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from m2m_rt.adapters.label_volume import LabelVolume
from m2m_rt.errors import DataError
from m2m_rt.fem.head import HeadSurfaces
from m2m_rt.fem.label_head import occupancies_of_labels
from m2m_rt.fem.mesh import HeadMesh, MesherSettings, mesh_head
from m2m_rt.fem.mesh_file import read_mesh, write_mesh
from m2m_rt.fem.tissues import occupancies
from m2m_rt.fem.work_folder import inputs_sha256

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

    def make() -> HeadMesh:
        report("tissues from surfaces", 0.0)
        tissues = occupancies(head)
        report("tetrahedra (10 minutes or more)", 0.0)
        return mesh_head(tissues, settings)

    return kept_mesh(path, make)


def cached_label_mesh(
    volume: LabelVolume,
    settings: MesherSettings,
    folder: Path,
    report: Callable[[str, float], None],
) -> HeadMesh:
    """Return the mesh of a label volume, from the cache or made now and kept there."""
    key = inputs_sha256(RECIPE_VERSION, volume, settings)

    def make() -> HeadMesh:
        report("tissues from labels", 0.0)
        tissues = occupancies_of_labels(volume)
        report("tetrahedra (10 minutes or more)", 0.0)
        return mesh_head(tissues, settings)

    return kept_mesh(folder / f"mesh-labels-{key[:16]}.h5", make)


def kept_mesh(path: Path, make: Callable[[], HeadMesh]) -> HeadMesh:
    """Return the mesh of a file, or make it and keep it there.

    A file that is damaged counts as not there.
    """
    if path.is_file():
        with contextlib.suppress(DataError):
            return read_mesh(path)
    mesh = make()
    write_mesh(mesh, path)
    return mesh


def _inputs_sha256(head: HeadSurfaces, settings: MesherSettings) -> str:
    digest = hashlib.sha256(f"{RECIPE_VERSION} {settings}".encode())
    for surface in (head.scalp, head.inner_skull, *head.pial, *head.white):
        digest.update(np.ascontiguousarray(surface.points_mm, "<f8").tobytes())
        digest.update(np.ascontiguousarray(surface.triangles, "<i8").tobytes())
    return digest.hexdigest()
