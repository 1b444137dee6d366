"""Dipoles of a coil."""

from dataclasses import dataclass

from m2m_rt.units import F64
from simnibs.simulation.tms_coil.tms_stimulator import TmsStimulator


@dataclass
class DipoleElements:
    stimulator: TmsStimulator
    points: F64
    """mm"""

    values: F64
    """A·m²"""
