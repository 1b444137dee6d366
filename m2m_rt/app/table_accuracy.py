"""What `m2m table check` and `m2m table sphere` say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.cli_table_shared import known, mesh_of, model_of
from m2m_rt.app.table_path import DIRECT_FILE
from m2m_rt.efield import EfieldTable
from m2m_rt.errors import ConfigError
from m2m_rt.fem import (
    SPHERE_CELLS,
    CoilDipoles,
    HeadModel,
    Reference,
    ReferenceErrors,
    TableErrors,
    check_table,
    coil_of_table,
    convergence_rate,
    direct_fields,
    errors_against,
    held_out_poses,
    in_focus,
    is_solved_by_simnibs,
    read_direct,
    reference_errors,
    reference_of,
    rel_l2,
    sphere_errors,
)
from m2m_rt.units import F64, I64, Bools

REFERENCE_POSES = 4
"""How many of the poses are also solved on a finer mesh, a minute or more each."""

Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """How tables are checked."""

    n_poses: int
    seed: int
    cache: Path | None
    with_reference: bool


@dataclass(frozen=True, slots=True)
class _Truth:
    """What tables over one mesh and region are compared with."""

    mesh_sha256: str
    points_mm: F64
    model: HeadModel
    reference: Reference | None

    def fits(self, table: EfieldTable) -> bool:
        """Return whether a table has the same mesh and region."""
        same_mesh = table.provenance.mesh_sha256 == self.mesh_sha256
        return same_mesh and np.array_equal(table.roi.points_mm, self.points_mm)


def check_tables(
    paths: Sequence[Path], request: CheckRequest, report: Report
) -> list[dict[str, object]]:
    """Return each table's figures; tables over one mesh share its factor.

    Raises
    ------
    ConfigError
        If a table's mesh or coil is not there.
    DataError
        If a table refuses a pose of its own region.
    """
    truth: _Truth | None = None
    found = []
    for path in paths:
        table = read_table(path)
        figures: dict[str, object] = {"seed": request.seed, "table": str(path)}
        if is_solved_by_simnibs(table):
            found.append(figures | _stored(table, path, request))
            continue
        coil = coil_of_table(table, path.parent)
        if truth is None or not truth.fits(table):
            truth = _truth_of(table, path, request, report)
        found.append(figures | _checked(table, coil, truth, request, report))
    return found


def _stored(table: EfieldTable, path: Path, request: CheckRequest) -> dict[str, object]:
    """Return the figures of a table that SimNIBS solved, by SimNIBS' own solves."""
    if request.with_reference:
        raise ConfigError(
            "--reference", f"{path}, solved by SimNIBS", "a table solved here"
        )
    solves = read_direct(path.parent / DIRECT_FILE, table)
    order = np.random.default_rng(request.seed).permutation(len(solves.poses))
    at = order[: request.n_poses]
    if not len(at):
        raise ConfigError(
            str(path.parent / DIRECT_FILE), "no pose", "a coil of dipoles only"
        )
    errors = errors_against(table, solves.poses[at], solves.efield[at])
    figures: dict[str, object] = {"coil": table.coil.name, "direct_solves": "stored"}
    return figures | _figures(table, errors)


def _truth_of(
    table: EfieldTable, path: Path, request: CheckRequest, report: Report
) -> _Truth:
    mesh = mesh_of(table, path, request.cache, report)
    model = model_of(table, mesh, report)
    reference = None
    if request.with_reference:
        report("finer mesh", 0.0)
        centre_mm = table.region.planned_head_from_coil[:3, 3]
        reference = reference_of(
            mesh, table.roi.points_mm, centre_mm, model.conductivities
        )
    return _Truth(table.provenance.mesh_sha256, table.roi.points_mm, model, reference)


def _checked(
    table: EfieldTable,
    coil: CoilDipoles,
    truth: _Truth,
    request: CheckRequest,
    report: Report,
) -> dict[str, object]:
    at = held_out_poses(table, request.n_poses, np.random.default_rng(request.seed))
    errors = check_table(
        table,
        truth.model,
        coil,
        at,
        lambda part: report(f"direct solves, {coil.name}", part),
    )
    figures: dict[str, object] = {"coil": coil.name} | _figures(table, errors)
    if truth.reference is not None:
        some = at[:REFERENCE_POSES]
        against = reference_errors(
            direct_fields(truth.model, coil, some),
            truth.reference,
            coil,
            some,
            lambda part: report(f"reference solves, {coil.name}", part),
        )
        figures["reference"] = _reference_figures(table, against)
    return figures


def _figures(table: EfieldTable, errors: TableErrors) -> dict[str, object]:
    near = _near(table, np.arange(len(table.roi.points_mm)))
    return _error_figures(errors) | _by_part(errors, near) | _bound_figures(errors)


def _reference_figures(
    table: EfieldTable, errors: ReferenceErrors
) -> dict[str, object]:
    return (
        _error_figures(errors)
        | _by_part(errors, _near(table, errors.rows))
        | {"remaining_rel_l2": errors.remaining_rel_l2}
    )


def _error_figures(errors: TableErrors | ReferenceErrors) -> dict[str, object]:
    peak = errors.peak_rel_error
    return {
        "poses": len(peak),
        "rel_l2": _median_and_max(errors.rel_l2),
        "pointwise": {"median": float(np.median(errors.pointwise))},
        "peak_rel_error": _median_and_max(peak),
    }


def _by_part(errors: TableErrors | ReferenceErrors, near: Bools) -> dict[str, object]:
    """Return the figures near the target and elsewhere, for a region that is large."""
    if near.all():
        return {}
    return {
        name: {
            "points": int(part.sum()),
            "rel_l2": _median_and_max(
                rel_l2(errors.away[:, part], errors.size[:, part])
            ),
            "pointwise": {"median": float(np.median(errors.pointwise[:, part]))},
            "rms_v_per_m_per_a_per_us": float(
                np.sqrt((errors.size[:, part] ** 2).mean())
            ),
        }
        for name, part in (("near_target", near), ("elsewhere", ~near))
    }


def _near(table: EfieldTable, rows: I64) -> Bools:
    """Return which of some ROI points are among those nearest to the planned pose."""
    centre_mm = table.region.planned_head_from_coil[:3, 3]
    near: Bools = in_focus(table.roi.points_mm, centre_mm)[rows]
    return near


def _median_and_max(values: F64) -> dict[str, float]:
    return {"median": float(np.median(values)), "max": float(values.max())}


def _bound_figures(errors: TableErrors) -> dict[str, object]:
    """Return how good the bounds are; null for a table that has none."""
    if not np.isfinite(errors.bound).all():
        return {"bound_coverage": None, "bound_over_median": None}
    return {
        "bound_coverage": errors.bound_coverage(),
        "bound_coverage_near_edge": errors.bound_coverage(0.25),
        "bound_over_median": errors.bound_over_median,
        "bound_rank_correlation": known(errors.bound_rank_correlation),
    }


def sphere_figures(report: Report) -> dict[str, object]:
    """Return the finite elements' errors in a ball, by order and mesh.

    `p`, `n`, `edge_mm` and `rel_l2` are parallel lists: element order, unknowns, median
    edge in the grey matter, and the worst of the tilted and off-axis coils. `rate` is
    the second order's over the edge length.
    """
    found = []
    for k, n_cells in enumerate(SPHERE_CELLS):
        found += sphere_errors(n_cells)
        report("balls", (k + 1) / len(SPHERE_CELLS))
    rates = {
        order: convergence_rate(
            np.array([e.edge_mm for e in found if e.order == order]),
            np.array([max(e.rel_l2) for e in found if e.order == order]),
        )
        for order in (1, 2)
    }
    return {
        "p": [error.order for error in found],
        "n": [error.n_unknowns for error in found],
        "edge_mm": [error.edge_mm for error in found],
        "rel_l2": [max(error.rel_l2) for error in found],
        "rate": rates[2],
        "rate_first_order": rates[1],
    }
