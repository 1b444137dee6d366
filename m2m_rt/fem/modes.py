"""Source modes: what of a coil's field reaches the brain, and the E-field of each.

B inside the head is curl-free, so any coil outside a closed surface acts as a layer of
normal dipoles on it (Huygens). B at sensors on the outside of the CSF tells the layer;
the layer's singular vectors are the modes (Daneshzand 2021, Hasan 2024).
"""

from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import ScalpDistance
from m2m_rt.fem.coils import SCALE_B
from m2m_rt.fem.mesh import HeadMesh, outer_boundary
from m2m_rt.fem.surfaces import level_set, thin_to_number
from m2m_rt.fem.tissues import Tissue
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class ModeSettings:
    """How finely sources and sensors are laid out."""

    source_height_mm: float = 4.0
    """Of the source layer above the scalp; no winding may come nearer."""

    n_sources: int = 1900
    source_spacing_mm: float = 3.5
    """Near the region; grows outwards."""

    n_sensors: int = 480
    sensor_spacing_mm: float = 5.0
    n_modes: int = 400
    rank: int = 80
    """Of the reduced basis over the allowed poses."""

    n_training_poses: int = 1500


@dataclass(frozen=True, slots=True)
class Layer:
    """Points on a closed surface with normals and areas."""

    points_mm: F64
    normals: F64
    areas_mm2: F64


@dataclass(frozen=True, slots=True)
class SourceModes:
    """Modes of the source layer, strongest at the sensors first."""

    moments: F64
    """(n_sources, n_modes): normal moments, A·m²."""

    from_b: F64
    """(n_modes, 3 · n_sensors): coefficients from dB/dt at the sensors."""

    singular_values: F64
    """All of them."""


def source_layer(scalp: ScalpDistance, centre_mm: F64, settings: ModeSettings) -> Layer:
    """Return the Huygens layer around the whole head, finest near the centre."""
    points_mm, normals = level_set(scalp, settings.source_height_mm)
    kept, areas = thin_to_number(
        points_mm,
        centre_mm,
        n_wanted=settings.n_sources,
        nearest_mm=settings.source_spacing_mm,
    )
    return Layer(points_mm[kept], normals[kept], areas)


def sensor_layer(mesh: HeadMesh, centre_mm: F64, settings: ModeSettings) -> Layer:
    """Return sensor places on the outside of the CSF, finest near the centre.

    At scalp depth the singular values are flat and the modes useless.
    """
    csf = outer_boundary(mesh, Tissue.CSF)
    points_mm = csf.points_mm[np.unique(csf.triangles)]
    kept, areas = thin_to_number(
        points_mm,
        centre_mm,
        n_wanted=settings.n_sensors,
        nearest_mm=settings.sensor_spacing_mm,
    )
    return Layer(points_mm[kept], np.zeros((len(kept), 3)), areas)


def source_modes(sources: Layer, sensors: Layer, n_modes: int) -> SourceModes:
    """Return the strongest modes at the sensors, both sides weighted by area."""
    away = sensors.points_mm[:, None] - sources.points_mm  # (n_sensors, n_sources, 3)
    r2 = np.einsum("abi,abi->ab", away, away)
    along = 3.0 * np.einsum("abi,bi->ab", away, sources.normals) / r2
    b = (along[..., None] * away - sources.normals) * (SCALE_B * r2**-1.5)[..., None]
    b_from_moments = b.transpose(0, 2, 1).reshape(-1, len(sources.points_mm))
    row_weight = np.repeat(np.sqrt(sensors.areas_mm2), 3)
    column_weight = np.sqrt(sources.areas_mm2)
    u, s, vt = np.linalg.svd(
        row_weight[:, None] * b_from_moments * column_weight, full_matrices=False
    )
    return SourceModes(
        moments=column_weight[:, None] * vt[:n_modes].T,
        from_b=(u[:, :n_modes] / s[:n_modes]).T * row_weight,
        singular_values=s,
    )


def reduce_modes(
    efield: F64, from_b: F64, training_b: F64, rank: int
) -> tuple[F64, F64, F64]:
    """Return basis (3 · n_roi, rank), project (rank, 3 · n_sensors), singular values.

    Proper orthogonal decomposition of the fields of training poses.

    Parameters
    ----------
    training_b
        Shape (3 · n_sensors, n): dB/dt at the sensors.
    """
    fields = efield @ (from_b @ training_b)
    # The Gram matrix is enough: what it loses lies far below the kept rank.
    values, vectors = np.linalg.eigh(fields.T @ fields)
    singular = np.sqrt(np.maximum(values[::-1], 0.0))
    basis = fields @ (vectors[:, ::-1][:, :rank] / singular[:rank])
    return basis, (basis.T @ efield) @ from_b, singular
