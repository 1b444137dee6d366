"""The model's input for a stimulus: the field where the coil is taken to be."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.learning import PROBE_MM, PROBES_XY, moved_pose
from m2m_rt.model import relative_efield
from m2m_rt.nodes.candidates import CandidateFields, look_up
from m2m_rt.units import F32, F64

Shift = tuple[float, float]
"""From reported to true poses along the planned coil's x and y axes, mm."""

NO_SHIFT: Shift = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Stimulus:
    """What was, or would be, given."""

    head_from_coil: F64
    intensity_pct_mso: float


class FieldSource:
    """A table, and what intensities mean to a subject."""

    def __init__(self, lookup: EfieldLookup, *, rmt_pct_mso: float) -> None:
        """Take intensities as parts of this resting motor threshold."""
        self._lookup = lookup
        self._rmt_pct_mso = rmt_pct_mso

    def pct_rmt(self, intensity_pct_mso: float) -> float:
        """Return an intensity relative to the resting motor threshold, %."""
        return 100.0 * intensity_pct_mso / self._rmt_pct_mso

    def at(self, stimulus: Stimulus, shift_mm: Shift) -> F32 | str:
        """Return the model's input (1, n_roi, 3), or why the table has none.

        A shift moves the pose, unless the table has no field there. Whether there is an
        answer does not depend on the shift: what was predicted before a shift was found
        or taken back can still be learnt after it.
        """
        pose = stimulus.head_from_coil
        reported = self._look_up(pose, stimulus)
        if isinstance(reported, str) or shift_mm == NO_SHIFT:
            return reported
        moved = self._look_up(self._moved(pose, np.array(shift_mm)), stimulus)
        return reported if isinstance(moved, str) else moved

    def candidates(self, head_from_coil: F64, shift_mm: Shift) -> CandidateFields:
        """Return the fields of reported poses (n, 4, 4), moved where the table can."""
        moved = head_from_coil
        if shift_mm != NO_SHIFT:
            moved = self._moved(head_from_coil, np.array(shift_mm))
            fits = [self._lookup.guard.fault(pose) is None for pose in moved]
            keeps = np.array(fits)[:, np.newaxis, np.newaxis]
            moved = np.where(keeps, moved, head_from_coil)
        return look_up(self._lookup, moved)

    def beside(self, stimulus: Stimulus, shift_mm: Shift) -> tuple[F32, ...]:
        """Return the inputs at the probes beside a pose; none where one is missing."""
        fields = []
        for towards in PROBES_XY:
            place = np.array(shift_mm) + PROBE_MM * towards
            pose = self._moved(stimulus.head_from_coil, place)
            field = self._look_up(pose, stimulus)
            if isinstance(field, str):
                return ()
            fields.append(field)
        return tuple(fields)

    def _moved(self, head_from_coil: F64, xy_mm: F64) -> F64:
        planned = self._lookup.table.region.planned_head_from_coil
        return moved_pose(head_from_coil, planned, xy_mm)

    def _look_up(self, head_from_coil: F64, stimulus: Stimulus) -> F32 | str:
        answer = self._lookup.query(head_from_coil)
        if answer.unit_efield_v_per_m is None:
            return str(answer.reason)
        return relative_efield(
            answer.unit_efield_v_per_m,
            planned_peak_v_per_m=self._lookup.table.planned_peak_v_per_m,
            intensity_pct_rmt=self.pct_rmt(stimulus.intensity_pct_mso),
        )
