"""Plans a virtual session as an operator would: subject, threshold, poses, levels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.adapters.table_file import read_table
from m2m_rt.efield import EfieldLookup
from m2m_rt.geometry import matrix_rows
from m2m_rt.sim.design import DesignSettings, demo_design
from m2m_rt.sim.lab_settings import LabPulse, LabSettings, LabStream, lab_rng
from m2m_rt.sim.population import DIDT_AT_100_PCT_MSO_A_PER_US
from m2m_rt.sim.stimulation import cortex_of, demo_subject
from m2m_rt.sim.subject import measure_rmt_pct_mso

LEAST_WINDING_MM = 6.0
"""Of the nearest winding to the scalp: the region's 4.5 mm and room for the jitter."""

DEMO_DESIGN = DesignSettings(winding_mm=(LEAST_WINDING_MM, 10.0))


@dataclass(frozen=True, slots=True)
class LabPlan:
    """A virtual session that is ready to be given."""

    settings: LabSettings

    rmt_pct_mso: float
    """The first muscle's resting threshold as the operator measured it."""


def plan_lab(
    table: Path,
    *,
    seed: int,
    n_pulses: int,
    log_folder: Path,
    didt_at_100_pct_mso_a_per_us: float = DIDT_AT_100_PCT_MSO_A_PER_US,
) -> LabPlan:
    """Draw the subject of a seed, measure its threshold, and plan poses and levels.

    Raises
    ------
    ConfigError
        If there is no such table.
    """
    lookup = EfieldLookup(read_table(table))
    cortex = cortex_of(lookup)
    rng = lab_rng(seed, LabStream.PLAN)
    at_1_pct = cortex.planned_unit_efield * np.float32(
        didt_at_100_pct_mso_a_per_us / 100.0
    )
    rmt_pct_mso = measure_rmt_pct_mso(demo_subject(cortex, seed=seed), at_1_pct, rng)
    design = demo_design(
        rng,
        lookup.guard,
        planned_head_from_coil=lookup.table.region.planned_head_from_coil,
        n_pulses=n_pulses,
        settings=DEMO_DESIGN,
    )
    pulses = tuple(
        LabPulse(
            head_from_coil=matrix_rows(pulse.head_from_coil),
            intensity_pct_mso=_dial(rmt_pct_mso * pulse.intensity_pct_rmt / 100.0),
        )
        for pulse in design
    )
    settings = LabSettings(
        seed=seed,
        table=str(table),
        log_folder=str(log_folder),
        pulses=pulses,
        didt_at_100_pct_mso_a_per_us=didt_at_100_pct_mso_a_per_us,
    )
    return LabPlan(settings, float(rmt_pct_mso))


def _dial(wanted_pct_mso: float) -> float:
    """Return what a stimulator can be set to: whole per cents up to 100."""
    return float(min(100, round(wanted_pct_mso)))
