"""Fields and features of many candidate stimuli, thousands a second."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.model import relative_efield
from m2m_rt.ports import Predictor
from m2m_rt.units import F32, F64

_A_BLOCK = 256
"""Poses whose fields fit the cache while the network reads them."""


@dataclass(frozen=True, slots=True)
class CandidateFields:
    """The fields of poses, looked up once and used at every intensity."""

    unit_efield_v_per_m: F32
    """(n, n_roi, 3): V/m per A/µs; zero where the table refuses the pose."""

    planned_peak_v_per_m: float

    def relative(self, rows: slice, intensity_pct_rmt: float) -> F32:
        """Return the model's input (n_rows, n_roi, 3) at an intensity."""
        return relative_efield(
            self.unit_efield_v_per_m[rows],
            planned_peak_v_per_m=self.planned_peak_v_per_m,
            intensity_pct_rmt=intensity_pct_rmt,
        )

    def features(self, predictor: Predictor, intensity_pct_rmt: float) -> F32:
        """Return features (n, n_features) at an intensity."""
        n_poses = len(self.unit_efield_v_per_m)
        rows = [
            predictor.features(
                self.relative(slice(at, at + _A_BLOCK), intensity_pct_rmt)
            )
            for at in range(0, n_poses, _A_BLOCK)
        ]
        return np.concatenate(rows)

    def at_points(self) -> F32:
        """Return relative fields (n_roi, 3, n) at threshold, poses last."""
        relative = self.unit_efield_v_per_m / np.float32(self.planned_peak_v_per_m)
        return np.ascontiguousarray(relative.transpose(1, 2, 0), np.float32)


def look_up(lookup: EfieldLookup, head_from_coil: F64) -> CandidateFields:
    """Return the fields of poses (n, 4, 4)."""
    answer = lookup.query_batch(head_from_coil)
    return CandidateFields(
        answer.unit_efield_v_per_m, lookup.table.planned_peak_v_per_m
    )
