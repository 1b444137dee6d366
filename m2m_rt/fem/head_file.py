"""A head mesh from a SimNIBS `.msh` file or an `m2m_<subject>` folder."""

from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from m2m_rt.adapters.msh_file import MshMesh, read_msh
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem.mesh import HeadMesh
from m2m_rt.fem.tissues import Tissue
from m2m_rt.units import Bools

TISSUE_OF_TAG = {
    1: Tissue.WM,
    2: Tissue.GM,
    3: Tissue.CSF,
    4: Tissue.SKULL,
    5: Tissue.SCALP,
    6: Tissue.SCALP,
    7: Tissue.SKULL,
    8: Tissue.SKULL,
    9: Tissue.CSF,
    10: Tissue.SCALP,
}
"""By SimNIBS's numbers. Merged, with SimNIBS's own conductivity in S/m: eyes (6, 0.5)
and muscle (10, 0.16) into scalp; compact (7, 0.008) and spongy bone (8, 0.025) into
skull; blood (9, 0.6) into CSF. These lie far from the motor cortex or are thin."""

SMALLEST_VOLUME_MM3 = 1e-12
LARGEST_MM = 10_000.0


def find_head_mesh(path: Path) -> Path:
    """Return the `.msh` file that a path names: itself, or a subject folder's.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if path.is_file():
        return path
    name = path.resolve().name.removeprefix("m2m_")
    mesh = path / f"{name}.msh"
    if not mesh.is_file():
        raise ConfigError(
            str(path),
            "no head mesh",
            f"a .msh file or a SimNIBS folder with {mesh.name}",
        )
    return mesh


def read_head_msh(path: Path) -> HeadMesh:
    """Return the head mesh of a `.msh` file, in subject RAS, mm.

    Raises
    ------
    ConfigError
        If there is no such file.
    DataError
        If it is damaged, has unknown tissues, or lacks one of the five.
    """
    return head_from_msh(read_msh(path), str(path))


def head_from_msh(mesh: MshMesh, where: str) -> HeadMesh:
    """Return the tetrahedra of known tissues, in one connected piece.

    Raises
    ------
    DataError
        If a tag is no tissue, a tissue is missing, or tetrahedra are flat.
    """
    tissue = _tissues(mesh, where)
    if np.abs(mesh.nodes_mm).max() > LARGEST_MM:
        raise DataError(f"{where}: nodes are not mm from the head's middle")
    kept = _largest_piece(mesh)
    tetrahedra, tissue = mesh.tetrahedra[kept], tissue[kept]
    used, renumbered = np.unique(tetrahedra, return_inverse=True)
    # Mesh files keep nodes as float32: a mesh read back is then the same mesh.
    nodes_mm = mesh.nodes_mm[used].astype(np.float32).astype(np.float64)
    tetrahedra = renumbered.reshape(-1, 4)
    corners = nodes_mm[tetrahedra]
    six_volumes = np.linalg.det(corners[:, 1:] - corners[:, :1])
    flat = ~(np.abs(six_volumes) > 6.0 * SMALLEST_VOLUME_MM3)
    if flat.any():
        raise DataError(f"{where}: {int(flat.sum())} tetrahedra have no volume")
    flipped = six_volumes < 0.0
    tetrahedra[flipped] = tetrahedra[flipped][:, (0, 1, 3, 2)]
    return HeadMesh(nodes_mm, tetrahedra, tissue)


def _tissues(mesh: MshMesh, where: str) -> np.ndarray:
    tags, inverse = np.unique(mesh.tetrahedron_tags, return_inverse=True)
    unknown = [tag for tag in tags.tolist() if tag not in TISSUE_OF_TAG]
    if unknown:
        raise DataError(
            f"{where}: tetrahedra with tags {unknown[:10]}, expected SimNIBS tissues "
            f"1 … {max(TISSUE_OF_TAG)}; electrodes and the like are not supported"
        )
    numbers = np.array([TISSUE_OF_TAG[tag] for tag in tags.tolist()], dtype=np.int64)
    missing = [t.name.lower() for t in Tissue if t not in numbers]
    if missing:
        raise DataError(f"{where}: found no {', '.join(missing)}")
    return numbers[inverse]


def _largest_piece(mesh: MshMesh) -> Bools:
    """Return which tetrahedra hang together, through nodes, with the most others."""
    tetrahedra, n_nodes = mesh.tetrahedra, len(mesh.nodes_mm)
    ends = tetrahedra[:, :1].repeat(3, axis=1).ravel(), tetrahedra[:, 1:].ravel()
    links = sparse.coo_matrix(
        (np.ones(len(ends[0]), dtype=np.int8), ends), shape=(n_nodes, n_nodes)
    )
    _, piece = csgraph.connected_components(links, directed=False)
    of_tetrahedron = piece[tetrahedra[:, 0]]
    largest: Bools = of_tetrahedron == np.bincount(of_tetrahedron).argmax()
    return largest
