"""The demo head: the surfaces of fsaverage that nilearn and MNE ship in their wheels.

A realistic head for demonstrations and tests; no validated anatomy of anybody.
"""

from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np

from m2m_rt.units import F64, I64

HAND_KNOB_MM = (-38.0, -22.0, 57.0)
"""Where the left hand knob is expected, fsaverage surface RAS (close to MNI-305)."""

DEMO_HEAD_NAME = "demo"

DEMO_HEAD_SOURCES = (
    "Pial and white surfaces: fsaverage5 as shipped with nilearn. Scalp and inner "
    "skull: fsaverage as shipped with MNE-Python. Outer skull: inner skull + 6 mm. "
    "fsaverage is part of FreeSurfer, Copyright The General Hospital Corporation "
    "(Boston, MA), under the FreeSurfer Software License Agreement, see "
    "NOTICE.freesurfer.txt beside this table. A demonstration head, not validated "
    "anatomy."
)


@dataclass(frozen=True, slots=True)
class Surface:
    """A closed triangle mesh in the head frame."""

    points_mm: F64
    """(n, 3)"""

    triangles: I64
    """(m, 3): rows of `points_mm`."""


@dataclass(frozen=True, slots=True)
class HeadSurfaces:
    """What a head mesh is made from; each tissue may have several closed surfaces."""

    name: str
    scalp: Surface
    inner_skull: Surface
    pial: tuple[Surface, ...]
    white: tuple[Surface, ...]


def load_demo_head() -> HeadSurfaces:
    """Return fsaverage from the installed wheels; nothing is downloaded.

    All surfaces are in fsaverage's surface RAS, mm (MNE's coordinate frame 5, which
    its files give in metres).
    """
    return HeadSurfaces(
        name=DEMO_HEAD_NAME,
        scalp=_mne_surface("fsaverage-head.fif"),
        inner_skull=_mne_surface("fsaverage-inner_skull-bem.fif"),
        pial=(_nilearn_surface("pial_left"), _nilearn_surface("pial_right")),
        white=(_nilearn_surface("white_left"), _nilearn_surface("white_right")),
    )


def hand_knob_mm(head: HeadSurfaces) -> F64:
    """Return the left pial vertex nearest to the expected hand knob, shape (3,)."""
    points_mm = head.pial[0].points_mm
    nearest = np.linalg.norm(points_mm - np.array(HAND_KNOB_MM), axis=1).argmin()
    knob: F64 = points_mm[nearest]
    return knob


def outward_vertex_normals(surface: Surface) -> F64:
    """Return unit normals (n, 3) at the points, pointing out of the closed surface."""
    corners = surface.points_mm[surface.triangles]  # (m, 3 corners, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    six_volumes = np.einsum("mi,mi->", corners.mean(axis=1), normals)
    at_points = np.zeros_like(surface.points_mm)
    for corner in range(3):
        np.add.at(at_points, surface.triangles[:, corner], normals)
    lengths = np.linalg.norm(at_points, axis=1, keepdims=True)
    unit: F64 = np.sign(six_volumes) * at_points / np.maximum(lengths, 1e-12)
    return unit


def _mne_surface(file_name: str) -> Surface:
    import mne

    with as_file(files("mne") / "data" / "fsaverage" / file_name) as path:
        surface = mne.read_bem_surfaces(path, verbose="error")[0]
    return Surface(
        points_mm=np.asarray(surface["rr"], dtype=np.float64) * 1e3,
        triangles=np.asarray(surface["tris"], dtype=np.int64),
    )


def _nilearn_surface(name: str) -> Surface:
    import nibabel

    folder = files("nilearn") / "datasets" / "data" / "fsaverage5"
    with as_file(folder / f"{name}.gii.gz") as path:
        points, triangles = nibabel.GiftiImage.from_filename(path).darrays  # type: ignore[no-untyped-call] # untyped
    return Surface(
        points_mm=points.data.astype(np.float64),
        triangles=triangles.data.astype(np.int64),
    )
