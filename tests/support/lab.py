"""Small virtual labs for tests."""

from dataclasses import replace as replaced
from pathlib import Path

import msgspec
import numpy as np

from m2m_rt.adapters.table_file import write_table
from m2m_rt.geometry import matrix_rows
from m2m_rt.sim.lab import LabPlan, plan_lab
from m2m_rt.sim.lab_settings import LabPulse, LabSettings, Nastiness
from m2m_rt.units import F64
from tests.support.efield import make_synthetic_table

CALM = Nastiness(
    artefact_uv=0.0,
    hum_uv=0.0,
    wander_uv=0.0,
    offset_uv=0.0,
    preactivation_rate=0.0,
    bad_muscle=None,
    untracked_rate=0.0,
    jitter_mm=0.0,
    jitter_deg=0.0,
)
"""A lab in which nothing goes wrong."""


def lab_settings(
    *, n_pulses: int = 3, seed: int = 0, nastiness: Nastiness | None = None
) -> LabSettings:
    """Return settings with made-up sites and no table."""
    rng = np.random.default_rng(seed)
    pulses = tuple(
        LabPulse(head_from_coil=matrix_rows(site(rng)), intensity_pct_mso=50.0 + index)
        for index in range(n_pulses)
    )
    return LabSettings(
        seed=seed,
        table="",
        log_folder="",
        pulses=pulses,
        nastiness=nastiness or Nastiness(),
    )


def site(rng: np.random.Generator) -> F64:
    """Return a coil pose near the left hand knob, pointing into the head."""
    head_from_coil = np.diag((1.0, -1.0, -1.0, 1.0))
    head_from_coil[:3, 3] = np.array((-38.0, -22.0, 85.0)) + rng.uniform(-15, 15, 3)
    return head_from_coil


def plan_small_lab(folder: Path, *, n_pulses: int, seed: int = 0) -> LabPlan:
    """Write a synthetic table into a folder and plan a lab on it, soon to pulse."""
    write_table(make_synthetic_table(), folder / "table.h5")
    plan = plan_lab(
        folder / "table.h5", seed=seed, n_pulses=n_pulses, log_folder=folder / "lab"
    )
    return replaced(
        plan,
        settings=msgspec.structs.replace(
            plan.settings, first_pulse_s=2.5, interval_s=(2.5, 2.6)
        ),
    )
