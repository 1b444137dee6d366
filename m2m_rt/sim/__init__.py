"""The virtual lab: subject, coil, navigator and stimulator behind the same ports."""

from m2m_rt.efield import CoilPlacement, place_coil
from m2m_rt.sim.design import DesignSettings, PlannedPulse, demo_design
from m2m_rt.sim.foci import FociSubject, draw_foci_subject
from m2m_rt.sim.lab import LabPlan, plan_lab
from m2m_rt.sim.lab_log import LabLog, PulseGiven, read_lab_log
from m2m_rt.sim.lab_processes import LabProcesses
from m2m_rt.sim.lab_settings import (
    EMG_STREAM,
    MARKER_STREAM,
    POSE_STREAM,
    STIMULATOR_STREAM,
    LabSettings,
    Nastiness,
    write_lab_settings,
)
from m2m_rt.sim.population import (
    Cortex,
    SeedStream,
    SubjectSettings,
    draw_subject,
    measure_didt_at_rmt,
    subject_rng,
)
from m2m_rt.sim.stimulation import cortex_of
from m2m_rt.sim.subject import Subject, VirtualSubject, measure_rmt_pct_mso

__all__ = [
    "EMG_STREAM",
    "MARKER_STREAM",
    "POSE_STREAM",
    "STIMULATOR_STREAM",
    "CoilPlacement",
    "Cortex",
    "DesignSettings",
    "FociSubject",
    "LabLog",
    "LabPlan",
    "LabProcesses",
    "LabSettings",
    "Nastiness",
    "PlannedPulse",
    "PulseGiven",
    "SeedStream",
    "Subject",
    "SubjectSettings",
    "VirtualSubject",
    "cortex_of",
    "demo_design",
    "draw_foci_subject",
    "draw_subject",
    "measure_didt_at_rmt",
    "measure_rmt_pct_mso",
    "place_coil",
    "plan_lab",
    "read_lab_log",
    "subject_rng",
    "write_lab_settings",
]
