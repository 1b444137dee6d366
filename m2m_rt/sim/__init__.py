"""The virtual lab: subject, coil, navigator and stimulator behind the same ports."""

from m2m_rt.sim.design import (
    CoilPlacement,
    DesignSettings,
    PlannedPulse,
    demo_design,
    place_coil,
)
from m2m_rt.sim.population import (
    Cortex,
    SeedStream,
    SubjectSettings,
    draw_subject,
    subject_rng,
)
from m2m_rt.sim.subject import VirtualSubject, measure_rmt_pct_mso

__all__ = [
    "CoilPlacement",
    "Cortex",
    "DesignSettings",
    "PlannedPulse",
    "SeedStream",
    "SubjectSettings",
    "VirtualSubject",
    "demo_design",
    "draw_subject",
    "measure_rmt_pct_mso",
    "place_coil",
    "subject_rng",
]
