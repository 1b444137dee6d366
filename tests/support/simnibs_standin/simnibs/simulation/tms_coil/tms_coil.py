"""A coil of elements."""

from dataclasses import dataclass

from simnibs.simulation.tms_coil.tms_coil_element import DipoleElements


@dataclass
class TmsCoil:
    elements: list[DipoleElements]
