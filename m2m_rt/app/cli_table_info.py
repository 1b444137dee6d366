"""`m2m table info`: what a table holds and where it comes from."""

from typing import TYPE_CHECKING

import typer

from m2m_rt.app.cli_table_shared import JsonOption, TableArgument, known, say
from m2m_rt.app.table_path import table_path

if TYPE_CHECKING:
    from m2m_rt.efield import EfieldTable

FEM_SOURCE_UNSAID = (
    "against a refined mesh, when the table was made",
    "not measured when the table was made",
)
"""Of tables made before they said it: measured, or not."""

UNESTIMATED: dict[str, str | None] = {
    "conductivity_rel_error": None,
    "coil_rel_error": None,
    "coil_source": "not estimated when the table was made",
}


def register(table: typer.Typer) -> None:
    """Add `m2m table info`."""
    table.command("info")(info)


def info(table: TableArgument, json_file: JsonOption = None) -> None:
    """Describe a table: head, coil, region, sizes, accuracy, where it comes from."""
    from m2m_rt.adapters.table_file import read_table

    say(description(read_table(table_path(table))), json_file)


def description(table: "EfieldTable") -> dict[str, object]:
    """Return what `m2m table info` says of a table."""
    region, origin = table.region, table.provenance
    return {
        "name": table.name,
        "table_hash": table.table_hash,
        "coil": table.coil.name,
        "roi_points": len(table.roi.points_mm),
        "sensors": len(table.sensors_mm),
        "rank": int(table.project.shape[0]),
        "planned_peak_v_per_m": table.planned_peak_v_per_m,
        "self_error": table.self_error,
        "fem_rel_error": table.fem_rel_error,
        "fem_source": table.fem_source
        or FEM_SOURCE_UNSAID[table.fem_rel_error is None],
        "uncertainty": _uncertainty(table),
        "planned_head_from_coil": region.planned_head_from_coil.tolist(),
        "region": {
            "max_offset_mm": region.max_offset_mm,
            "max_tilt_deg": region.max_tilt_deg,
            "min_winding_mm": region.min_winding_mm,
            "max_winding_mm": region.max_winding_mm,
        },
        "provenance": {
            "head_name": origin.head_name,
            "mesh_sha256": origin.mesh_sha256,
            "coil_sha256": origin.coil_sha256,
            "code_sha256": origin.code_sha256,
            "element_order": origin.element_order,
            "conductivities_s_per_m": origin.conductivities_s_per_m,
            "made_from": origin.made_from,
        },
    }


def _uncertainty(table: "EfieldTable") -> dict[str, object]:
    """Return what conductivities and coil leave open; null where it is not known."""
    found = table.uncertainty
    if found is None:
        return dict(UNESTIMATED)
    by_tissue = found.conductivity_rel_error
    total = {"total": found.conductivity_total}
    return {
        "conductivity_change": found.conductivity_change,
        "conductivity_rel_error": by_tissue | total if by_tissue else None,
        "coil_rel_error": known(found.coil_rel_error),
        "coil_source": found.coil_source,
    }
