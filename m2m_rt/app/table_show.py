"""What `m2m table show` does: one pose of one table becomes pictures and figures."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.cli_table_shared import known, mesh_of, model_of
from m2m_rt.app.table_page import page_of
from m2m_rt.app.table_path import MESH_FILE, table_path
from m2m_rt.app.table_picture import draw_field
from m2m_rt.app.table_region import PoseMap, pose_maps
from m2m_rt.app.table_report_pictures import (
    DirectErrors,
    draw_errors,
    draw_region,
    draw_spectrum,
)
from m2m_rt.app.table_scene import cortex_of
from m2m_rt.efield import EfieldLookup, EfieldTable, FieldAnswer
from m2m_rt.errors import ConfigError
from m2m_rt.fem import HeadMesh, coil_of_table, direct_fields, is_solved_by_simnibs
from m2m_rt.units import F64

Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """What the command line asks for."""

    table: str
    pose: str | None
    """None: the table's planned pose."""

    folder: Path
    interactive: bool = False
    direct: bool = False


def run_show(request: ShowRequest, report: Report) -> dict[str, object]:
    """Write the pictures and return the figures of `m2m table show`.

    Raises
    ------
    ConfigError
        If the request cannot be met.
    """
    report("table and mesh", 0.0)
    path = table_path(request.table)
    table = read_table(path)
    pose = _pose_of(request.pose, table)
    lookup = EfieldLookup(table)
    answer = lookup.query(pose)
    mesh = _mesh_beside(table, path, report)
    cortex = None if mesh is None else cortex_of(mesh, table.roi.points_mm)
    errors = None
    if request.direct:
        errors = _direct_errors(table, path, mesh, pose, report)
    request.folder.mkdir(parents=True, exist_ok=True)
    files = {
        name: request.folder / name
        for name in ("field.png", "errors.png", "region.png", "singular_values.png")
    }
    report("poses around the planned one", 0.0)
    maps = pose_maps(lookup)
    report("pictures", 0.0)
    draw_field(table, cortex, pose, answer, files["field.png"])
    report("pictures", 0.5)
    draw_errors(table, cortex, maps, errors, files["errors.png"])
    draw_region(table, maps, files["region.png"])
    draw_spectrum(table, files["singular_values.png"])
    if request.interactive:
        files["field.html"] = request.folder / "field.html"
        page = page_of(table, cortex, pose, answer)
        files["field.html"].write_text(page, encoding="utf-8")
    found = {"table": str(path), "head_from_coil": pose.tolist()}
    found |= _figures(table, answer, maps, errors)
    return found | {"files": [str(file) for file in files.values()]}


def _pose_of(text: str | None, table: EfieldTable) -> F64:
    """Return the pose (4, 4) of 16 numbers, or of a file that holds them."""
    if text is None:
        return table.region.planned_head_from_coil
    try:
        pose = np.array([float(part) for part in _words(_text_of(text))])
    except ValueError:
        pose = np.zeros(0)
    if pose.size != 16 or not np.isfinite(pose).all():
        raise ConfigError(
            "--pose", repr(text[:60]), "16 numbers, row by row, or a file of them"
        )
    return pose.reshape(4, 4)


def _text_of(text: str) -> str:
    """Return the text of a file, or a text that is no file's name."""
    is_file = "," not in text and Path(text).is_file()
    return Path(text).read_text(encoding="utf-8") if is_file else text


def _words(text: str) -> list[str]:
    return text.translate(str.maketrans(",;[]", "    ")).split()


def _mesh_beside(table: EfieldTable, path: Path, report: Report) -> HeadMesh | None:
    """Return the table's mesh if it lies beside it: none is made for a picture."""
    if not (path.parent / MESH_FILE).is_file():
        return None
    return mesh_of(table, path, None, report)


def _direct_errors(
    table: EfieldTable, path: Path, mesh: HeadMesh | None, pose: F64, report: Report
) -> DirectErrors:
    """Solve one pose directly and compare."""
    efield = EfieldLookup(table).query(pose).unit_efield_v_per_m
    if is_solved_by_simnibs(table):
        raise ConfigError("--direct", f"{path}, solved by SimNIBS", "m2m table check")
    if mesh is None:
        raise ConfigError("--direct", f"no {MESH_FILE} beside {path}", "its mesh")
    if efield is None:
        raise ConfigError("--direct", "a pose that the table refuses", "one it allows")
    coil = coil_of_table(table, path.parent)
    model = model_of(table, mesh, report)
    report("direct solve", 0.0)
    true = direct_fields(model, coil, pose[np.newaxis])[0]
    away = np.linalg.norm(efield - true, axis=1)
    size = np.linalg.norm(true, axis=1)
    rel_l2 = float(np.linalg.norm(away) / np.linalg.norm(size))
    return DirectErrors(pose, away / size.max(), rel_l2)


def _figures(
    table: EfieldTable,
    answer: FieldAnswer,
    maps: tuple[PoseMap, ...],
    errors: DirectErrors | None,
) -> dict[str, object]:
    rank = table.project.shape[0]
    n_modes = len(table.singular_values) - rank
    return {
        "valid": answer.valid,
        "reason": answer.reason,
        "table_rel_error": known(answer.table_rel_error),
        "peak": _peak(table, answer),
        "direct_rel_l2": None if errors is None else errors.rel_l2,
        "singular_values": {
            "modes": _cut(table.singular_values[:n_modes]),
            "basis": _cut(table.singular_values[n_modes:]),
        },
        "region": {
            each.title: Counter(reason or "allowed" for reason in each.reasons)
            for each in maps
        },
    }


def _peak(table: EfieldTable, answer: FieldAnswer) -> dict[str, object] | None:
    """Return where |E| is largest, and E there."""
    efield = answer.unit_efield_v_per_m
    if efield is None:
        return None
    size = np.linalg.norm(efield, axis=1)
    at = int(size.argmax())
    return {
        "v_per_m_per_a_per_us": float(size[at]),
        "efield_v_per_m_per_a_per_us": efield[at].astype(float).tolist(),
        "point_mm": table.roi.points_mm[at].tolist(),
    }


def _cut(values: F64) -> dict[str, object]:
    last = float(values[-1] / values[0]) if len(values) else None
    return {"kept": len(values), "last_over_first": last}
