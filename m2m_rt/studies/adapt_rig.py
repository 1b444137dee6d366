"""What a study of adaptation stands on: a table, the shipped model, a pool of poses.

Poses are reported ones: where the navigator says that the coil is. Where it truly is
may lie beside that, by a constant shift along the planned coil's plane. Everything that
does not depend on the subject is computed once for the pool.
"""

from dataclasses import dataclass

import numpy as np

from m2m_rt.adapters.onnx_predictor import OnnxPredictor
from m2m_rt.learning import PROBE_MM, PROBES_XY, LastLayerPrior, moved_pose
from m2m_rt.nets.sessions import HeadField
from m2m_rt.sim import DesignSettings, demo_design
from m2m_rt.units import F32, F64, Bools

LEVELS_PCT_RMT = (100.0, 110.0, 120.0, 130.0, 140.0)

RMT_FACTORS = (1.0, 1.12, 1.0 / 1.12)
"""By what the operator's resting threshold may be wrong."""

N_AZIMUTHS = 8
FIRST_AZIMUTH_DEG = 11.25
"""As far from the watched directions as a shift anywhere is on average."""

SHIFTS_MM = (5.0, 6.0)

_WINDING_MM = (5.8, 9.0)
"""Leaves the table room for every shift on both sides."""

_ROWS = 512


@dataclass(frozen=True, slots=True)
class Pool:
    """Poses with the fields of where the coil may truly be, and the model's features.

    Shift 0 is none; 1 + 8 k + a is `SHIFTS_MM[k]` at azimuth a.
    """

    head_from_coil: F64
    """(n_poses, 4, 4), as reported."""

    true_coefficients: F32
    """(n_shifts, n_poses, rank): unit fields of the true pose, V/m per A/µs."""

    features: F32
    """(n_rmt_factors, n_levels, n_poses, n_features) at the reported pose."""

    probe_features: F32
    """(n_rmt_factors, n_levels, n_poses, 4, n_features): at the model's probes."""


@dataclass(frozen=True, slots=True)
class Rig:
    """All that is the same for every subject."""

    head: HeadField
    model: OnnxPredictor
    pool: Pool

    @property
    def prior(self) -> LastLayerPrior:
        """Of the model's last layer."""
        return self.model.prior


def build_rig(
    head: HeadField, model: OnnxPredictor, rng: np.random.Generator, n_poses: int
) -> Rig:
    """Draw the pool and compute its fields and features."""
    reported, shifted = _draw_reported(head, rng, n_poses)
    coefficients = np.stack([unit_coefficients(head, one) for one in shifted])
    unit = coefficients[0]
    planned = head.lookup.table.region.planned_head_from_coil
    probes = [
        unit_coefficients(head, moved_pose(reported, planned, PROBE_MM * xy))
        for xy in PROBES_XY
    ]
    levels = np.array(LEVELS_PCT_RMT) / 100.0
    features = [
        [
            features_of(head, model, unit * np.float32(level * factor))
            for level in levels
        ]
        for factor in RMT_FACTORS
    ]
    probe_features = [
        [
            [features_of(head, model, one * np.float32(level * f)) for one in probes]
            for level in levels
        ]
        for f in RMT_FACTORS
    ]
    pool = Pool(
        head_from_coil=reported,
        true_coefficients=coefficients,
        features=np.array(features),
        probe_features=np.moveaxis(np.array(probe_features), 2, 3),
    )
    return Rig(head=head, model=model, pool=pool)


def moved_features(
    rig: Rig, head_from_coil: F64, level: F64, xy_mm: tuple[float, float]
) -> tuple[F32, F32, Bools, Bools]:
    """Return features where poses (n, 4, 4) are taken to be, and beside that.

    Parameters
    ----------
    rig
        Table and model.
    head_from_coil
        As reported.
    level
        (n,): intensity over the resting threshold.
    xy_mm
        By how much the poses are moved.

    Returns
    -------
        Features (n, n_features) and those of the probes (n, 4, n_features); which moved
        poses the table answers (n,), and for which it answers every probe too (n,).
    """
    planned = rig.head.lookup.table.region.planned_head_from_coil
    places = np.array(xy_mm) + np.concatenate((np.zeros((1, 2)), PROBE_MM * PROBES_XY))
    rows, valid = [], []
    for place in places:
        poses = moved_pose(head_from_coil, planned, place)
        answer = rig.head.lookup.query_batch(poses)
        scale = (level / rig.head.planned_peak_v_per_m).astype(np.float32)
        fields = answer.unit_efield_v_per_m * scale[:, np.newaxis, np.newaxis]
        rows.append(rig.model.features(fields))
        valid.append(answer.valid)
    return rows[0], np.stack(rows[1:], axis=1), valid[0], np.all(valid, axis=0)


def shift_of(*, size_mm: float, azimuth: int) -> int:
    """Return the number of a shift in the pool."""
    return 1 + N_AZIMUTHS * SHIFTS_MM.index(size_mm) + azimuth


def azimuth_xy(azimuth: int) -> F64:
    """Return the unit vector (2,) of an azimuth in the planned coil's plane."""
    angle = 2.0 * np.pi * azimuth / N_AZIMUTHS + np.radians(FIRST_AZIMUTH_DEG)
    return np.array((np.cos(angle), np.sin(angle)))


def shifts_xy_mm() -> F64:
    """Return (n_shifts, 2): every shift of a pool along the planned coil's plane."""
    around = np.array([azimuth_xy(azimuth) for azimuth in range(N_AZIMUTHS)])
    return np.concatenate((np.zeros((1, 2)), *(size * around for size in SHIFTS_MM)))


def _draw_reported(
    head: HeadField, rng: np.random.Generator, n_poses: int
) -> tuple[F64, list[F64]]:
    """Return poses whose every shift the table answers, and the shifted ones."""
    region = head.lookup.table.region
    planned = region.planned_head_from_coil
    kept: list[F64] = []
    while sum(map(len, kept)) < n_poses:
        drawn = demo_design(
            rng,
            head.lookup.guard,
            planned_head_from_coil=planned,
            n_pulses=_ROWS // 4,
            settings=DesignSettings(winding_mm=_WINDING_MM),
        )
        poses = np.array([pulse.head_from_coil for pulse in drawn])
        fits = [
            head.lookup.query_batch(moved_pose(poses, planned, xy_mm)).valid
            for xy_mm in shifts_xy_mm()
        ]
        kept.append(poses[np.all(fits, axis=0)])
    reported = np.concatenate(kept)[:n_poses]
    return reported, [moved_pose(reported, planned, xy) for xy in shifts_xy_mm()]


def unit_coefficients(head: HeadField, poses: F64) -> F32:
    """Return (n, rank): unit fields of true poses, V/m per A/µs."""
    rows = [
        head.lookup.query_batch(poses[at : at + _ROWS]).unit_efield_v_per_m
        for at in range(0, len(poses), _ROWS)
    ]
    return np.concatenate([row.reshape(len(row), -1) @ head.basis for row in rows])


def features_of(head: HeadField, model: OnnxPredictor, coefficients: F32) -> F32:
    """Return features (n, n_features) of unit fields times intensity over threshold."""
    scaled = coefficients / np.float32(head.planned_peak_v_per_m)
    rows = [
        model.features(head.fields(scaled[at : at + _ROWS]))
        for at in range(0, len(scaled), _ROWS)
    ]
    return np.concatenate(rows)
