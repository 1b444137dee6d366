"""Writes `.msh` meshes in the four forms that are read, for exchange and for tests."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import numpy as np

from m2m_rt.adapters.msh_parts import TETRAHEDRON, TRIANGLE, MshMesh
from m2m_rt.units import I64


class MshForm(Enum):
    """Version and encoding of a file."""

    TEXT_2 = "2.2 0 8"
    BINARY_2 = "2.2 1 8"
    TEXT_4 = "4.1 0 8"
    BINARY_4 = "4.1 1 8"


def write_msh(mesh: MshMesh, path: Path, form: MshForm) -> None:
    """Write a mesh; triangles are numbered first, tetrahedra after them."""
    binary = form in {MshForm.BINARY_2, MshForm.BINARY_4}
    parts = [f"$MeshFormat\n{form.value}\n".encode()]
    if binary:
        parts.append(b"\x01\x00\x00\x00\n")
    parts.append(b"$EndMeshFormat\n")
    if form in {MshForm.TEXT_2, MshForm.BINARY_2}:
        parts += _version_2(mesh, binary=binary)
    else:
        parts += _version_4(mesh, binary=binary)
    path.write_bytes(b"".join(parts))


def _version_2(mesh: MshMesh, *, binary: bool) -> Iterator[bytes]:
    numbers = np.arange(1, len(mesh.nodes_mm) + 1)
    yield f"$Nodes\n{len(numbers)}\n".encode()
    if binary:
        rows = np.zeros(len(numbers), [("number", "<i4"), ("place", "<f8", 3)])
        rows["number"], rows["place"] = numbers, mesh.nodes_mm
        yield rows.tobytes()
    else:
        for number, place in zip(numbers, mesh.nodes_mm.tolist(), strict=True):
            yield f"{number} {place[0]!r} {place[1]!r} {place[2]!r}\n".encode()
    n_elements = len(mesh.triangles) + len(mesh.tetrahedra)
    yield f"$EndNodes\n$Elements\n{n_elements}\n".encode()
    for kind, first, tags, nodes in _by_kind(mesh):
        count = np.arange(first, first + len(tags))
        if binary:
            yield np.array((kind, len(tags), 2), "<i4").tobytes()
            rows = np.column_stack((count, tags, tags, nodes + 1))
            yield rows.astype("<i4").tobytes()
        else:
            fixed = np.tile((kind, 2), (len(tags), 1))
            rows = np.column_stack((count, fixed, tags, tags, nodes + 1))
            yield _lines(rows)
    yield b"$EndElements\n"


def _version_4(mesh: MshMesh, *, binary: bool) -> Iterator[bytes]:
    n_nodes = len(mesh.nodes_mm)
    numbers = np.arange(1, n_nodes + 1)
    yield b"$Nodes\n"
    yield _numbers((1, n_nodes, 1, n_nodes), "<u8", binary=binary)
    yield _numbers((3, 1, 0), "<i4", binary=binary)
    yield _numbers((n_nodes,), "<u8", binary=binary)
    if binary:
        yield numbers.astype("<u8").tobytes() + mesh.nodes_mm.astype("<f8").tobytes()
    else:
        yield _lines(numbers[:, None])
        yield "".join(
            f"{x!r} {y!r} {z!r}\n" for x, y, z in mesh.nodes_mm.tolist()
        ).encode()
    yield b"$EndNodes\n$Elements\n"
    blocks = [
        (kind, tag, first + np.flatnonzero(tags == tag), nodes[tags == tag] + 1)
        for kind, first, tags, nodes in _by_kind(mesh)
        for tag in np.unique(tags).tolist()
    ]
    n_elements = len(mesh.triangles) + len(mesh.tetrahedra)
    yield _numbers((len(blocks), n_elements, 1, n_elements), "<u8", binary=binary)
    for kind, tag, count, nodes in blocks:
        yield _numbers((2 if kind == TRIANGLE else 3, tag, kind), "<i4", binary=binary)
        yield _numbers((len(count),), "<u8", binary=binary)
        rows = np.column_stack((count, nodes))
        yield rows.astype("<u8").tobytes() if binary else _lines(rows)
    yield b"$EndElements\n"


def _by_kind(mesh: MshMesh) -> Iterator[tuple[int, int, I64, I64]]:
    """Yield kind, first number, tags and nodes of triangles, then of tetrahedra."""
    if len(mesh.triangles):
        yield TRIANGLE, 1, mesh.triangle_tags, mesh.triangles
    if len(mesh.tetrahedra):
        first = 1 + len(mesh.triangles)
        yield TETRAHEDRON, first, mesh.tetrahedron_tags, mesh.tetrahedra


def _numbers(numbers: tuple[int, ...], dtype: str, *, binary: bool) -> bytes:
    if binary:
        return np.array(numbers, dtype).tobytes()
    return (" ".join(str(n) for n in numbers) + "\n").encode()


def _lines(rows: I64) -> bytes:
    return "".join(" ".join(map(str, row)) + "\n" for row in rows.tolist()).encode()
