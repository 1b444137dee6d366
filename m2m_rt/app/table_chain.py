"""What `m2m table chain` says."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np

from m2m_rt.app.cli_table_shared import model_of
from m2m_rt.efield import EfieldTable
from m2m_rt.errors import ConfigError
from m2m_rt.fem import (
    BuildSettings,
    HeadMesh,
    TableSetup,
    coil_of_table,
    is_solved_by_simnibs,
    mode_layers,
)
from m2m_rt.fem.chain import ChainErrors, ChainParts, chain_errors, mesh_errors
from m2m_rt.fem.scalp import scalp_distance
from m2m_rt.units import F64

Report = Callable[[str, float], None]


def chain_figures(  # noqa: PLR0913 - what it is about, and whether minutes are allowed
    table: EfieldTable,
    path: Path,
    mesh: HeadMesh,
    poses: F64,
    report: Report,
    *,
    reference: bool,
) -> dict[str, object]:
    """Return each link's error over poses (n, 4, 4), relative L2 of the direct field.

    Raises
    ------
    ConfigError
        If the table was solved elsewhere, or its coil is not there.
    DataError
        If the mesh gives other sensors than the table has.
    """
    if is_solved_by_simnibs(table):
        raise ConfigError("TABLE", f"{path}, solved by SimNIBS", "one solved here")
    coil = coil_of_table(table, path.parent)
    report("region and scalp", 0.0)
    scalp = scalp_distance(mesh, table.region.scalp.spacing_mm)
    setup = TableSetup(table.name, "", coil, table.region, table.roi, scalp)
    layers = mode_layers(setup, mesh, BuildSettings())
    parts = ChainParts(model_of(table, mesh, report), coil, layers)
    found, direct = chain_errors(table, parts, poses, report)
    links: dict[str, object] = {
        each.name: _figure(getattr(found, each.name)) for each in fields(ChainErrors)
    }
    if reference:
        report("first order and finer mesh", 0.0)
        of_mesh = mesh_errors(table, parts, poses, direct)
        links["element_order"] = _figure(of_mesh.first_order)
        links["mesh"] = _figure(of_mesh.mesh) | {"remaining": of_mesh.remaining}
    return {
        "poses": len(poses),
        "modes": layers.modes.moments.shape[1],
        "rank": int(table.project.shape[0]),
        "links": links,
    }


def _figure(errors: F64) -> dict[str, float]:
    return {"median": float(np.median(errors)), "max": float(errors.max())}
