"""The E-field of a coil pose from a precomputed table, and what is made of it."""

from m2m_rt.efield.draw import draw_pose
from m2m_rt.efield.drive import (
    didt_a_per_us,
    intensity_pct_mso,
    rated_output_fault,
)
from m2m_rt.efield.edge import edge_margin
from m2m_rt.efield.lookup import BatchAnswer, EfieldLookup, FieldAnswer
from m2m_rt.efield.nrp import NrpSettings, neural_response, roi_volume
from m2m_rt.efield.placement import CoilPlacement, PoseGrid, place_coil, pose_grid
from m2m_rt.efield.region import PoseFault, RegionGuard
from m2m_rt.efield.table import (
    CoilField,
    EfieldTable,
    ErrorBound,
    PlannedRegion,
    Provenance,
    RegionOfInterest,
    ScalpDistance,
    Uncertainty,
)

__all__ = [
    "BatchAnswer",
    "CoilField",
    "CoilPlacement",
    "EfieldLookup",
    "EfieldTable",
    "ErrorBound",
    "FieldAnswer",
    "NrpSettings",
    "PlannedRegion",
    "PoseFault",
    "PoseGrid",
    "Provenance",
    "RegionGuard",
    "RegionOfInterest",
    "ScalpDistance",
    "Uncertainty",
    "didt_a_per_us",
    "draw_pose",
    "edge_margin",
    "intensity_pct_mso",
    "neural_response",
    "place_coil",
    "pose_grid",
    "rated_output_fault",
    "roi_volume",
]
