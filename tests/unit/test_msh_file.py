import struct
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.msh_file import MshMesh, read_msh
from m2m_rt.adapters.msh_write import MshForm, write_msh
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem import HeadMesh, Tissue, volumes_mm3
from m2m_rt.fem.head_file import find_head_mesh, head_from_msh, read_head_msh
from m2m_rt.fem.mesh import boundary_triangles
from tests.support.fem_shapes import layered_ball

RADII = {1: 60.0, 2: 70.0, 3: 76.0, 4: 82.0, 5: 90.0}


def head_msh(n_cells: int = 12) -> MshMesh:
    """A layered ball as SimNIBS writes heads: surfaces 1000 + tissue, then tissues."""
    ball = layered_ball(n_cells, RADII)
    surfaces = [boundary_triangles(ball.tetrahedra[ball.tissue <= t]) for t in Tissue]
    tags = [np.full(len(s), 1000 + t) for s, t in zip(surfaces, Tissue, strict=True)]
    return MshMesh(
        nodes_mm=ball.nodes_mm
        + np.random.default_rng(0).normal(0, 1e-3, ball.nodes_mm.shape),
        triangles=np.concatenate(surfaces),
        triangle_tags=np.concatenate(tags),
        tetrahedra=ball.tetrahedra,
        tetrahedron_tags=ball.tissue,
    )


MESH = head_msh()


def same(found: MshMesh, expected: MshMesh) -> bool:
    return all(
        np.array_equal(getattr(found, f.name), getattr(expected, f.name))
        for f in fields(MshMesh)
    )


@pytest.mark.parametrize("form", list(MshForm))
def test_mesh_read_is_the_mesh_written_to_the_last_bit(
    form: MshForm, tmp_path: Path
) -> None:
    write_msh(MESH, tmp_path / "head.msh", form)
    assert same(read_msh(tmp_path / "head.msh"), MESH)


def binary_with_a_block_for_each_element(mesh: MshMesh) -> bytes:
    """As Gmsh itself writes version 2: a header before every element."""
    numbers = np.arange(1, len(mesh.nodes_mm) + 1)
    nodes = b"".join(
        struct.pack("<i3d", n, *p) for n, p in zip(numbers, mesh.nodes_mm, strict=True)
    )
    rows = [(2, t, n) for t, n in zip(mesh.triangle_tags, mesh.triangles, strict=True)]
    rows += [
        (4, t, n) for t, n in zip(mesh.tetrahedron_tags, mesh.tetrahedra, strict=True)
    ]
    elements = b"".join(
        np.array((kind, 1, 2, k + 1, tag, tag, *(node + 1)), "<i4").tobytes()
        for k, (kind, tag, node) in enumerate(rows)
    )
    head = b"$MeshFormat\n2.2 1 8\n\x01\x00\x00\x00\n$EndMeshFormat\n"
    physical = b'$PhysicalNames\n1\n3 1 "white"\n$EndPhysicalNames\n'
    middle = f"\n$EndNodes\n$Elements\n{len(rows)}\n".encode()
    start = f"$Nodes\n{len(numbers)}\n".encode()
    return head + physical + start + nodes + middle + elements + b"\n$EndElements\n"


def test_binary_file_with_a_block_for_each_element_is_read(tmp_path: Path) -> None:
    path = tmp_path / "head.msh"
    path.write_bytes(binary_with_a_block_for_each_element(MESH))
    assert same(read_msh(path), MESH)


TETRAHEDRON = np.array(((0.0, 0, 0), (9.0, 0, 0), (0, 8.0, 0), (0, 0, 7.5)))

TEXT_40 = b"""$MeshFormat
4 0 8
$EndMeshFormat
$Nodes
2 4
1 2 0 1
7 0 0 0
2 3 0 3
9 9 0 0
8 0 8 0
3 0 0 7.5
$EndNodes
$Elements
2 2
1002 2 2 1
1 7 9 8
2 3 4 1
2 7 9 8 3
$EndElements
$ElementData
1
"E"
$EndElementData
"""

BINARY_40 = (
    b"$MeshFormat\n4.0 1 8\n\x01\x00\x00\x00\n$EndMeshFormat\n$Nodes\n"
    + struct.pack("<QQ", 1, 4)
    + struct.pack("<iiiQ", 1, 3, 0, 4)
    + b"".join(struct.pack("<i3d", k + 1, *p) for k, p in enumerate(TETRAHEDRON))
    + b"\n$EndNodes\n$Elements\n"
    + struct.pack("<QQ", 1, 1)
    + struct.pack("<iiiQ", 2, 3, 4, 1)
    + struct.pack("<5i", 1, 1, 2, 3, 4)
    + b"\n$EndElements\n"
)


def test_simnibs_s_version_4_in_text_is_read_with_scattered_numbers(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.msh").write_bytes(TEXT_40)
    mesh = read_msh(tmp_path / "a.msh")
    assert mesh.nodes_mm[mesh.tetrahedra[0]].tolist() == TETRAHEDRON.tolist()
    assert (mesh.triangle_tags.tolist(), mesh.tetrahedron_tags.tolist()) == (
        [1002],
        [2],
    )


def test_simnibs_s_version_4_in_bytes_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.msh").write_bytes(BINARY_40)
    mesh = read_msh(tmp_path / "a.msh")
    assert np.array_equal(mesh.nodes_mm[mesh.tetrahedra[0]], TETRAHEDRON)
    assert mesh.tetrahedron_tags.tolist() == [2]


def test_physical_tags_of_version_4_1_name_the_tissue(tmp_path: Path) -> None:
    text = (
        "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$Entities\n0 0 0 1\n"
        "31 0 0 0 9 8 7.5 1 5 0\n$EndEntities\n$Nodes\n1 4 1 4\n3 31 0 4\n"
        "1\n2\n3\n4\n0 0 0\n9 0 0\n0 8 0\n0 0 7.5\n$EndNodes\n"
        "$Elements\n1 1 1 1\n3 31 4 1\n1 1 2 3 4\n$EndElements\n"
    )
    (tmp_path / "a.msh").write_text(text)
    assert read_msh(tmp_path / "a.msh").tetrahedron_tags.tolist() == [5]


def test_a_file_of_many_short_runs_is_read_in_time_that_grows_with_its_length(
    tmp_path: Path,
) -> None:
    n = 20_000
    rows = np.zeros((n, 6), np.int64)
    rows[:, 0], rows[:, 1], rows[:, 2] = np.arange(n), 15, 2
    rows[:, 5] = 1
    rows[::2, 2] = 1  # every other element has one tag less
    lines = [r[:-1] if r[2] == 1 else r for r in rows.tolist()]
    lines = [[*r[:-1], 1] for r in lines]
    body = "\n".join(" ".join(map(str, r)) for r in lines)
    (tmp_path / "a.msh").write_text(
        "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n1\n1 0 0 0\n$EndNodes\n"
        f"$Elements\n{n}\n{body}\n$EndElements\n"
    )
    assert len(read_msh(tmp_path / "a.msh").tetrahedra) == 0


def text(**changes: str) -> str:
    parts = {
        "format": "2.2 0 8",
        "nodes": "4\n1 0 0 0\n2 9 0 0\n3 0 8 0\n4 0 0 7.5",
        "elements": "1\n1 4 2 5 5 1 2 3 4",
        "end": "$EndElements",
    } | changes
    return (
        f"$MeshFormat\n{parts['format']}\n$EndMeshFormat\n$Nodes\n{parts['nodes']}\n"
        f"$EndNodes\n$Elements\n{parts['elements']}\n{parts['end']}\n"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("hello", "line 1"),
        (text(format="3.0 0 8"), "line 2"),
        (text(format="2.2 0 4"), "line 2"),
        (text(format="2.2 7 8"), "file type"),
        (text(format="2.2 1 8"), "little-endian"),
        (text(nodes="many"), r"\$Nodes.*expected a count"),
        (text(nodes="5\n1 0 0 0"), "the file ends"),
        (text(nodes="1\n1 0 0 0\n2 1 1 1"), "too many"),
        (text(nodes="99999999999\n1 0 0 0"), "the file ends"),
        (text(nodes="2\n1 0 0 0\n1 9 0 0"), "twice"),
        (text(nodes="4\n1 0 0 0\n2 9 0 0\n3 0 8 0\n4 0 0 nan"), "NaN"),
        (text(nodes="4\n1 0 0 0\n2 9 0 0\n3 0 8 0\n4 0 0 x"), "no number"),
        (text(nodes="4\n1 0 0 0\n2 9 0 0\n3 0 8 0\n4.5 0 0 1"), "not whole"),
        (text(elements="1\n1 4 2 5 5 1 2 3 9"), "node 9"),
        (text(elements="2\n1 4 2 5 5 1 2 3 4"), "1 elements are missing"),
        (text(elements="1\n1 5 2 5 5 1 2 3 4 1 2 3 4"), "element type 5"),
        (text(elements="1\n1 4 99 5 5 1 2 3 4"), "99 tags"),
        (text(elements="1\n1 4 2 5 5 1 2"), "within an element"),
        (text(elements="1\n1 4 2 5 5 1 2 3 4 5"), "more numbers"),
        (text(end=""), "no .EndElements"),
        (text().split("$Elements")[0], r"no \$Elements"),
        (text().replace("$EndNodes", "$Other"), "EndNodes"),
    ],
)
def test_wrong_mesh_is_refused_saying_where(
    content: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.msh"
    path.write_text(content)
    with pytest.raises(DataError, match=said) as err:
        read_msh(path)
    assert str(path) in str(err.value)


def test_missing_mesh_is_a_wrong_set_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        read_msh(tmp_path / "none.msh")


def head() -> HeadMesh:
    return head_from_msh(MESH, "test")


def test_head_mesh_has_simnibs_s_tissues_and_positive_tetrahedra() -> None:
    turned = MESH.tetrahedra[:, (1, 0, 2, 3)]
    flipped = head_from_msh(replace(MESH, tetrahedra=turned), "test")
    assert (volumes_mm3(flipped) > 0.0).all()
    assert np.array_equal(flipped.tissue, MESH.tetrahedron_tags)
    assert np.isclose(volumes_mm3(flipped).sum(), volumes_mm3(head()).sum())


def test_tissues_that_are_not_ours_are_merged_and_electrodes_refused() -> None:
    tags = MESH.tetrahedron_tags.copy()
    tags[tags == 4] = 7
    tags[np.flatnonzero(tags == 5)[:9]] = 6
    merged = head_from_msh(replace(MESH, tetrahedron_tags=tags), "test")
    assert np.array_equal(merged.tissue, MESH.tetrahedron_tags)
    tags[0] = 501
    with pytest.raises(DataError, match="501"):
        head_from_msh(replace(MESH, tetrahedron_tags=tags), "test")


def test_head_without_a_tissue_or_with_flat_tetrahedra_is_refused() -> None:
    tags = np.where(MESH.tetrahedron_tags == 3, 2, MESH.tetrahedron_tags)
    with pytest.raises(DataError, match="no csf"):
        head_from_msh(replace(MESH, tetrahedron_tags=tags), "test")
    flat = MESH.tetrahedra.copy()
    flat[5, 3] = flat[5, 2]
    with pytest.raises(DataError, match="1 tetrahedra have no volume"):
        head_from_msh(replace(MESH, tetrahedra=flat), "test")


def test_crumbs_and_unused_nodes_are_left_out() -> None:
    n = len(MESH.nodes_mm)
    nodes = np.concatenate((MESH.nodes_mm, TETRAHEDRON + 300.0, TETRAHEDRON))
    crumb = replace(
        MESH,
        nodes_mm=nodes,
        tetrahedra=np.vstack((MESH.tetrahedra, n + np.arange(4))),
        tetrahedron_tags=np.append(MESH.tetrahedron_tags, 5),
    )
    found = head_from_msh(crumb, "test")
    assert (len(found.nodes_mm), len(found.tetrahedra)) == (n, len(MESH.tetrahedra))


def test_simnibs_folder_names_its_mesh(tmp_path: Path) -> None:
    folder = tmp_path / "m2m_ernie"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"ernie\.msh"):
        find_head_mesh(folder)
    write_msh(MESH, folder / "ernie.msh", MshForm.BINARY_2)
    found = read_head_msh(find_head_mesh(folder))
    assert np.array_equal(found.tissue, head().tissue)
