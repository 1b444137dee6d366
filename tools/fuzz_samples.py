"""Small good files of every kind that is read, for damaging them."""

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import numpy as np

from m2m_rt.adapters.msh_file import MshMesh
from m2m_rt.adapters.msh_write import MshForm, write_msh
from m2m_rt.adapters.table_file import read_table, write_table
from m2m_rt.app.table_path import table_path


def sample_files(folder: Path) -> list[Path]:
    """Write good files of every kind and return their paths."""
    return [*_coil_samples(folder), *_mesh_samples(folder), _table_sample(folder)]


def _coil_samples(folder: Path) -> list[Path]:
    rng = np.random.default_rng(1)
    places = rng.uniform((-60.0, -40.0, -9.0), (60.0, 40.0, -3.0), (30, 3))
    moments = np.column_stack((np.zeros((30, 2)), rng.uniform(1e-5, 2e-4, 30)))
    header = "# T version 1.0; dIdtmax=114.7;stimulator=S;brand=B;coilname=T;"
    rows = [" ".join(map(repr, r)) for r in np.hstack((places / 1e3, moments)).tolist()]
    ccd = folder / "coil.ccd"
    ccd.write_text("\n".join((header, str(len(rows)), "# centers", *rows)) + "\n")
    angles = 2.0 * np.pi * np.arange(24) / 24
    ring = np.column_stack((40 * np.cos(angles), 40 * np.sin(angles), 0 * angles - 5))
    steps = np.roll(ring, -1, axis=0) - ring
    grid = rng.normal(scale=1e-6, size=(3, 3, 2, 3)).tolist()
    moved = {
        "type": "rot2p",
        "deformRange": 0,
        "point1": [0, 0, 0],
        "point2": [0, 0, 1],
    }
    texts = [b64encode(v.tobytes()).decode() for v in (places, moments)]
    content = {
        "name": "T",
        "limits": [[-300, 300], [-200, 200], [-100, 300]],
        "stimulatorList": [{"name": "S", "maxdIdt": 147e6}],
        "deformList": [moved],
        "deformRangeList": [{"initial": 10.0, "range": [10.0, 10.0]}],
        "coilModels": [{"points": places.tolist(), "faces": [[0, 1, 2]]}],
        "coilCasing": 0,
        "coilElementList": [
            {"type": 1, "stimulator": 0, "points": texts[0], "values": texts[1]},
            {"type": 1, "points": places.tolist(), "values": moments.tolist()},
            {
                "type": 2,
                "deformations": [0],
                "points": (ring + steps / 2).tolist(),
                "values": steps.tolist(),
            },
            {"type": 3, "data": grid, "affine": np.diag((9.0, 9, 9, 1)).tolist()},
        ],
    }
    tcd = folder / "coil.tcd"
    tcd.write_text(json.dumps(content))
    return [ccd, tcd]


def _mesh_samples(folder: Path) -> list[Path]:
    rng = np.random.default_rng(2)
    tetrahedra = np.arange(20)[:, None] + np.arange(4)
    mesh = MshMesh(
        nodes_mm=rng.normal(scale=50.0, size=(23, 3)),
        triangles=tetrahedra[:, :3],
        triangle_tags=1001 + np.arange(20) % 5,
        tetrahedra=tetrahedra,
        tetrahedron_tags=1 + np.arange(20) % 5,
    )
    paths = []
    for form in MshForm:
        paths.append(folder / f"{form.name}.msh")
        write_msh(mesh, paths[-1], form)
    return paths


def _table_sample(folder: Path) -> Path:
    """Write a small part of the demo head's table."""
    table = read_table(table_path("demo"))
    roi, coil, region = table.roi, table.coil, table.region
    small = replace(
        table,
        sensors_mm=table.sensors_mm[:12],
        project=table.project[:6, :36],
        basis=table.basis[:60, :6],
        roi=replace(
            roi,
            points_mm=roi.points_mm[:20],
            normals=roi.normals[:20],
            box_index=roi.box_index[:20],
        ),
        coil=replace(coil, b_t_per_a_per_us=coil.b_t_per_a_per_us[:5, :5, :5]),
        region=replace(
            region,
            scalp=replace(
                region.scalp, distance_mm=region.scalp.distance_mm[:9, :9, :9]
            ),
        ),
        bound=None,
    )
    write_table(small, folder / "table.h5")
    return folder / "table.h5"
