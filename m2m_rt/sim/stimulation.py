"""Pulses on the virtual subject: from the coil's true pose to the true answer."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.adapters.table_file import read_table
from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import ConfigError
from m2m_rt.sim.lab_settings import LabSettings, LabStream, lab_rng
from m2m_rt.sim.population import Cortex, SeedStream, draw_subject, subject_rng
from m2m_rt.sim.subject import VirtualSubject
from m2m_rt.units import F32, F64


@dataclass(frozen=True, slots=True)
class TrueAnswer:
    """What a pulse does to the virtual subject."""

    evoked_uv: F64
    """(n_muscles,): this trial's MEPs."""

    expected_log10_uv: F64
    """(n_muscles,): the mean over trials of log10(max(A, 5 µV)), noise floor too."""


class Stimulation:
    """A subject under a coil."""

    def __init__(
        self, settings: LabSettings, lookup: EfieldLookup, subject: VirtualSubject
    ) -> None:
        """Put a subject under the coil of a table."""
        self._settings = settings
        self._lookup = lookup
        self.subject = subject

    def efield_v_per_m(self, head_from_coil: F64, intensity_pct_mso: float) -> F32:
        """Return the field (n_roi, 3) of a pulse.

        Raises
        ------
        ConfigError
            If the table does not answer this pose.
        """
        answer = self._lookup.query(head_from_coil)
        if answer.unit_efield_v_per_m is None:
            raise ConfigError(
                "virtual lab: pulses",
                f"a pose that the table refuses ({answer.reason})",
                "poses inside the table's region, jitter included",
            )
        didt = self._settings.didt_at_100_pct_mso_a_per_us * intensity_pct_mso / 100.0
        return answer.unit_efield_v_per_m * np.float32(didt)

    def give(
        self, number: int, head_from_coil: F64, intensity_pct_mso: float
    ) -> TrueAnswer:
        """Return the answer to one pulse; each `number` has its own randomness."""
        efield = self.efield_v_per_m(head_from_coil, intensity_pct_mso)
        rng = lab_rng(self._settings.seed, LabStream.TRIALS, number)
        return TrueAnswer(
            evoked_uv=self.subject.draw_evoked_uv(efield, rng),
            expected_log10_uv=self.subject.expected_log10_uv(efield),
        )


def open_stimulation(settings: LabSettings) -> Stimulation:
    """Read the table and draw the subject that the settings name; warm both up.

    Raises
    ------
    ConfigError
        If there is no such table.
    """
    lookup = EfieldLookup(read_table(Path(settings.table)))
    lookup.warm_up()
    subject = demo_subject(cortex_of(lookup), seed=settings.seed)
    stimulation = Stimulation(settings, lookup, subject)
    stimulation.give(0, lookup.table.region.planned_head_from_coil, 1.0)
    return stimulation


def demo_subject(cortex: Cortex, *, seed: int) -> VirtualSubject:
    """Return the virtual subject of a demo; no network was trained on one of these."""
    return draw_subject(subject_rng(seed, SeedStream.DEMO), cortex)


def cortex_of(lookup: EfieldLookup) -> Cortex:
    """Return what of a table's head a subject is drawn on.

    Raises
    ------
    ConfigError
        If the table refuses its own planned pose.
    """
    table = lookup.table
    answer = lookup.query(table.region.planned_head_from_coil)
    if answer.unit_efield_v_per_m is None:
        raise ConfigError(
            f"table {table.name}",
            f"a planned pose that it refuses itself ({answer.reason})",
            "a planned pose inside its region",
        )
    return Cortex(
        points_mm=table.roi.points_mm,
        planned_unit_efield=answer.unit_efield_v_per_m,
    )
