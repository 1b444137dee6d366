"""A stimulator's rate of current."""

from dataclasses import dataclass


@dataclass
class TmsStimulator:
    name: str | None
    brand: str | None = None
    max_di_dt: float | None = None
    di_dt: float = 1.0
    """A/s"""
