"""How far from the planned pose a table's coil may be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """Size of the region of allowed poses, and how finely the scalp is known in it."""

    max_offset_mm: float = 30.0
    """Of the coil's centre from the planned one, along the scalp."""

    max_tilt_deg: float = 30.0
    min_winding_mm: float = 4.5
    """From the scalp; more than the height of the source layer."""

    max_winding_mm: float = 30.0
    scalp_grid_mm: float = 2.0
    """Spacing of the grid that holds the distance to the scalp."""
