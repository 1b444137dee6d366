"""Single-voxel sigmoid regression: one place in the cortex explains a muscle.

As in pyNIBS (Numssen et al. 2021; Weise et al. 2023): at every point a sigmoid of the
field there is fitted to the MEPs, and the point with the best fit is taken. The field
counts by its magnitude or by its part along one of a few directions.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from m2m_rt.nets.paper_data import PaperData
from m2m_rt.nets.sessions import HeadField
from m2m_rt.studies.smearing import Smearing, learn_smearing
from m2m_rt.studies.systems import Predicted
from m2m_rt.units import F32, F64, I64

_TURNS_DEG = (-60.0, -30.0, 0.0, 30.0, 60.0)
"""Directions tried: the planned field's mean one, turned about the head's vertical."""

_N_REFINED = 4
"""Points a muscle to which a sigmoid is fitted, the best by a parabola first."""

_N_NUMBERS = 7
"""A muscle's: point, kind of field (two numbers), and the sigmoid's four."""


@dataclass(frozen=True, slots=True)
class FittedVoxels:
    """One point, kind of field and sigmoid a muscle; fulfils `Fitted`."""

    directions: F64
    """(n_kinds, 3); all zero means the magnitude."""

    points: I64
    kinds: I64
    """(n_muscles,)"""

    sigmoids: F64
    """(n_muscles, 4): floor, height, middle, ln of the width."""

    smearing: Smearing
    hat_trace: float = float("nan")

    @property
    def n_parameters(self) -> int:
        """All trained numbers."""
        return _N_NUMBERS * len(self.points)

    @property
    def n_effective(self) -> int:
        """All of them: nothing shrinks."""
        return self.n_parameters

    def predict(self, data: PaperData, rows: I64) -> Predicted:
        """Return what is expected of rows."""
        efield = data.relative_efield[rows]
        expected = np.stack(
            [
                _sigmoid(_field_at(efield[:, point], self.directions[kind]), sigmoid)
                for point, kind, sigmoid in zip(
                    self.points, self.kinds, self.sigmoids, strict=True
                )
            ],
            axis=-1,
        )
        return Predicted(self.smearing.amplitude_uv(expected), expected)


def fit_voxel_sigmoids(head: HeadField, data: PaperData, training: I64) -> FittedVoxels:
    """Learn each muscle's point from training rows."""
    directions = _directions(head)
    efield = data.relative_efield[training]
    log10_uv = np.log10(data.amplitude_uv[training].astype(np.float64))
    explained = np.stack([_explained(efield, along, log10_uv) for along in directions])
    chosen = [
        _best_sigmoid(efield, directions, explained[..., muscle], log10_uv[:, muscle])
        for muscle in range(log10_uv.shape[1])
    ]
    points, kinds, sigmoids, fits = zip(*chosen, strict=True)
    amplitude_uv = data.amplitude_uv[training].astype(np.float64)
    return FittedVoxels(
        directions=directions,
        points=np.array(points),
        kinds=np.array(kinds),
        sigmoids=np.array(sigmoids),
        smearing=learn_smearing(np.stack(fits, axis=-1), amplitude_uv),
    )


def _directions(head: HeadField) -> F64:
    """Return the kinds of field (n_kinds, 3): none for magnitude, then turned ones."""
    mean = head.cortex.planned_unit_efield.mean(axis=0).astype(np.float64)
    forward = mean / np.linalg.norm(mean)
    turns = np.radians(_TURNS_DEG)
    turned = [
        (c * forward[0] - s * forward[1], s * forward[0] + c * forward[1], forward[2])
        for c, s in zip(np.cos(turns), np.sin(turns), strict=True)
    ]
    return np.vstack((np.zeros(3), turned))


def _field_at(efield: F32, along: F64) -> F64:
    """Return (n, …): fields (n, …, 3) by magnitude or along a direction."""
    if not along.any():
        magnitude: F64 = np.linalg.norm(efield, axis=-1).astype(np.float64)
        return magnitude
    projected: F64 = (efield @ along.astype(np.float32)).astype(np.float64)
    return projected


def _explained(efield: F32, along: F64, log10_uv: F64) -> F64:
    """Return how much of each muscle's variance (n_roi, n_muscles) a parabola holds."""
    field = _field_at(efield, along)  # (n, n_roi)
    line = (field - field.mean(axis=0)) / (field.std(axis=0) + 1e-12)
    bend = line**2 - 1.0
    bend -= line * np.mean(bend * line, axis=0)
    bend /= bend.std(axis=0) + 1e-12
    standard = (log10_uv - log10_uv.mean(axis=0)) / (log10_uv.std(axis=0) + 1e-12)
    n = len(field)
    explained: F64 = (line.T @ standard / n) ** 2 + (bend.T @ standard / n) ** 2
    return explained


def _best_sigmoid(
    efield: F32, directions: F64, explained: F64, log10_uv: F64
) -> tuple[int, int, F64, F64]:
    """Return the best point, kind, sigmoid, and what it makes of the training rows."""
    order = np.argsort(-explained, axis=None, kind="stable")[:_N_REFINED]
    best: tuple[float, int, int, F64, F64] | None = None
    for kind, point in zip(*np.unravel_index(order, explained.shape), strict=True):
        field = _field_at(efield[:, point], directions[kind])
        sigmoid = _fit_sigmoid(field, log10_uv)
        fit = _sigmoid(field, sigmoid)
        error = float(np.sum((fit - log10_uv) ** 2))
        if best is None or error < best[0]:
            best = (error, int(point), int(kind), sigmoid, fit)
    if best is None:
        raise ValueError("no point of the cortex to fit a sigmoid at")
    return best[1:]


def _fit_sigmoid(field: F64, log10_uv: F64) -> F64:
    """Return floor, height, middle and ln width of least squares."""
    low, high = np.quantile(log10_uv, (0.05, 0.95))
    start = np.array((low, high - low, np.median(field), np.log(field.std() + 1e-9)))
    found = least_squares(
        lambda at: _sigmoid(field, at) - log10_uv, start, method="lm", max_nfev=200
    )
    sigmoid: F64 = found.x
    return sigmoid


def _sigmoid(field: F64, sigmoid: F64) -> F64:
    floor, height, middle, ln_width = sigmoid
    at = (field - middle) / np.exp(np.clip(ln_width, -20.0, 20.0))
    value: F64 = floor + height / (1.0 + np.exp(-np.clip(at, -60.0, 60.0)))
    return value
