"""What `m2m table build` is asked for, and where its tables go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from m2m_rt.app.table_path import tables_folder
from m2m_rt.errors import ConfigError
from m2m_rt.fem import BuildMeans, BuildSettings
from m2m_rt.units import F64

DEMO = "demo"
DEFAULT_COIL = "demo-figure8"
MOTOR = "motor"
CORTEX = "cortex"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One head, with the coils that are to have a table over it."""

    head: str
    """`demo`, a `.msh` file, an `m2m_<subject>` folder, or a NIfTI volume of labels."""

    coils: tuple[str, ...]
    """Named ones, or `.ccd` or `.tcd` files."""

    roi: str
    """`motor`, `box`, `patch`, `patch:<radius in mm>` or `cortex`."""

    target_mm: F64 | None
    out: Path | None
    """Of one table its folder, of several the folder that theirs are in; None: in
    `models/tables`, named for head, region and coil."""

    cache: Path
    like: Path | None = None
    """A table's file, whose mesh and region are taken instead of a head's."""

    simnibs_job: Path | None = None
    from_simnibs: Path | None = None
    max_memory_gb: float | None = None
    dask: str | None = None
    conductivities_s_per_m: dict[str, float] = field(default_factory=dict)
    """By tissue, of those that are to be others than the head's usual ones."""

    settings: BuildSettings = field(default_factory=BuildSettings)

    def __post_init__(self) -> None:
        """Refuse coils of one name: their tables would have one folder.

        Raises
        ------
        ConfigError
            If there is no coil, or two have one name.
        """
        names = [Path(coil).stem for coil in self.coils]
        if not names or len(set(names)) < len(names):
            raise ConfigError("--coil", ", ".join(names) or "none", "different coils")

    @property
    def means(self) -> BuildMeans:
        """What the build may use."""
        return BuildMeans(self.cache, self.max_memory_gb, self.dask)

    def folder_for(self, coil: str) -> Path:
        """Return the folder for a coil's table."""
        stem = Path(coil).stem
        if self.out is not None:
            return self.out if len(self.coils) == 1 else self.out / stem
        head = self.like.parent.name if self.like is not None else Path(self.head).stem
        region = "" if self.roi == MOTOR else self.roi.replace(":", "")
        own = "" if stem == DEFAULT_COIL else stem
        return tables_folder() / "-".join(filter(None, (head, region, own)))


def conductivities_of(texts: Sequence[str]) -> dict[str, float]:
    """Return S/m by tissue of `tissue=value` texts; tissues are checked later.

    Raises
    ------
    ConfigError
        If a text is none, or names a tissue again.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isnan(number) or name in found:
            expected = "tissue=S/m, each tissue once"
            raise ConfigError("--conductivity", repr(text), expected)
        found[name] = number
    return found


def target_of(text: str | None) -> F64 | None:
    """Return a place of `x,y,z` text, mm.

    Raises
    ------
    ConfigError
        If the text is no three numbers.
    """
    if text is None:
        return None
    try:
        place = np.array([float(part) for part in text.split(",")])
    except ValueError:
        place = np.zeros(0)
    if place.shape != (3,) or not (np.abs(place) < 1e3).all():
        raise ConfigError("--target", repr(text), "x,y,z in mm")
    return place
