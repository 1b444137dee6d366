"""A table's error link by link: each approximation against the one before it.

The field goes through: the coil's dipoles solved on the mesh, the layer of sources that
stands for them, the modes of it that are kept, the reduced basis, the coil's field read
off a grid, and float32. Two neighbours differ by one thing only, so that their distance
is that thing's error. All of them are solved or computed here at the same poses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

from m2m_rt.efield import CoilField, EfieldLookup, EfieldTable
from m2m_rt.errors import DataError
from m2m_rt.fem.build import ModeLayers, b_at_sensors
from m2m_rt.fem.check import answers_at
from m2m_rt.fem.coils import CoilDipoles
from m2m_rt.fem.direct import HeadModel, direct_fields, head_model
from m2m_rt.fem.modes import SourceModes, source_modes
from m2m_rt.fem.reference import reference_errors, reference_of
from m2m_rt.geometry import inverse, transform_points
from m2m_rt.units import F64

MANY = 2
"""Times as many modes as the table keeps stand for all that the source layer can do.
The last ones are no use: they would answer what no layer can follow."""

Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class ChainParts:
    """What a table was made with."""

    model: HeadModel
    coil: CoilDipoles
    layers: ModeLayers


@dataclass(frozen=True, slots=True)
class ChainErrors:
    """Relative L2 errors (n_poses,) of each link in its order, of the direct field."""

    source_layer: F64
    """Dipoles on a closed surface for the coil, by many modes."""

    modes: F64
    """The kept modes for many."""

    reduced_basis: F64
    """The proper orthogonal decomposition for the modes' own fields."""

    coil_grid: F64
    """Trilinear interpolation on the coil's grid for its dipoles."""

    float32: F64
    """The query's numbers for float64."""

    table: F64
    """All of these together: the query against the direct solve."""


@dataclass(frozen=True, slots=True)
class MeshErrors:
    """Relative L2 errors (n_poses,) of the elements that all links are solved with."""

    first_order: F64
    """Linear elements on the same mesh, against the table's own."""

    mesh: F64
    """The table's own elements against half the edges at the region."""

    remaining: float
    """Estimate of what that finer mesh still leaves."""


def chain_errors(
    table: EfieldTable, parts: ChainParts, poses: F64, report: Report
) -> tuple[ChainErrors, F64]:
    """Return the links' errors at poses (n, 4, 4), and the direct fields (n, n_roi, 3).

    Raises
    ------
    DataError
        If the layers are not the table's own, or it refuses a pose.
    """
    layers, sensors_mm = parts.layers, parts.layers.sensors.points_mm
    if not np.array_equal(sensors_mm, table.sensors_mm):
        raise DataError("the table's sensors are not those that its mesh gives now")
    report("direct solves", 0.0)
    direct = direct_fields(parts.model, parts.coil, poses)
    report("source layer", 0.0)
    b = b_at_sensors(parts.coil, poses, sensors_mm, report)
    n_many = MANY * layers.modes.moments.shape[1]
    many = source_modes(layers.sources, layers.sensors, n_many)
    by_many = _layer_fields(parts, many, b)
    report("modes", 0.0)
    by_kept = _layer_fields(parts, layers.modes, b)
    report("answers", 0.0)
    reduced = _reduced(table, b)
    gridded = _reduced(table, gridded_b(table.coil, poses, sensors_mm))
    answered = answers_at(EfieldLookup(table), poses)
    at_float32 = np.stack([each.field.astype(np.float64) for each in answered])
    chain = (direct, by_many, by_kept, reduced, gridded, at_float32)
    errors = [_apart(after, before, direct) for before, after in pairwise(chain)]
    errors.append(_apart(at_float32, direct, direct))
    return ChainErrors(*errors), direct


def mesh_errors(
    table: EfieldTable, parts: ChainParts, poses: F64, direct: F64
) -> MeshErrors:
    """Return what the elements themselves leave, at poses with direct fields.

    Minutes, and about 6 GB.
    """
    points_mm = table.roi.points_mm
    mesh, coil = parts.model.mesh, parts.coil
    conductivities = parts.model.conductivities
    linear = head_model(mesh, points_mm, conductivities=conductivities)
    first_order = _apart(direct_fields(linear, coil, poses), direct, direct)
    centre_mm = table.region.planned_head_from_coil[:3, 3]
    finer = reference_of(mesh, points_mm, centre_mm, conductivities)
    found = reference_errors(direct, finer, coil, poses)
    return MeshErrors(first_order, found.rel_l2, found.remaining_rel_l2)


def gridded_b(coil: CoilField, poses: F64, sensors_mm: F64) -> F64:
    """Return dB/dt (3 · n_sensors, n) in the head frame off the grid, in float64."""
    grid = coil.b_t_per_a_per_us.astype(np.float64)
    columns = []
    for pose in poses:
        in_coil_mm = transform_points(inverse(pose), sensors_mm)
        at = ((in_coil_mm - coil.origin_mm) / coil.spacing_mm).T
        local = [
            ndimage.map_coordinates(grid[..., axis], at, order=1, cval=np.nan)
            for axis in range(3)
        ]
        columns.append((np.stack(local, axis=1) @ pose[:3, :3].T).ravel())
    return np.column_stack(columns)


def _layer_fields(parts: ChainParts, modes: SourceModes, b: F64) -> F64:
    """Solve the source layer that modes tell from B at the sensors: (n, n_roi, 3)."""
    moments = modes.moments @ (modes.from_b @ b)  # (n_sources, n)
    sources, in_head = parts.layers.sources, np.eye(4)[np.newaxis]
    nowhere = np.zeros((0, 3))
    layers = [
        CoilDipoles(
            "layer", sources.points_mm, each[:, None] * sources.normals, nowhere
        )
        for each in moments.T
    ]
    fields = [direct_fields(parts.model, layer, in_head) for layer in layers]
    return np.concatenate(fields)


def _reduced(table: EfieldTable, b: F64) -> F64:
    """Return the table's field (n, n_roi, 3) of B at the sensors, in float64."""
    coefficients = table.project.astype(np.float64) @ b
    fields = table.basis.astype(np.float64) @ coefficients
    return fields.T.reshape(b.shape[1], -1, 3)


def _apart(field: F64, before: F64, direct: F64) -> F64:
    """Return ‖field − before‖ / ‖direct‖ of each pose, all (n, n_roi, 3)."""
    away = np.linalg.norm((field - before).reshape(len(field), -1), axis=1)
    size = np.linalg.norm(direct.reshape(len(direct), -1), axis=1)
    errors: F64 = away / size
    return errors
