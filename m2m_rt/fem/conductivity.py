"""How well each tissue conducts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from m2m_rt.errors import ConfigError
from m2m_rt.fem.tissues import Tissue
from m2m_rt.units import F64, I64

LEAST_S_PER_M, MOST_S_PER_M = 1e-5, 20.0
"""Drier than bone and saltier than any body fluid: beyond them it is a wrong unit."""


@dataclass(frozen=True, slots=True)
class Conductivities:
    """Of each tissue, S/m, isotropic.

    The values where nothing else is said are SimNIBS's (Thielscher, Antunes &
    Saturnino 2015).
    """

    wm: float = 0.126
    gm: float = 0.275
    csf: float = 1.654
    skull: float = 0.010
    scalp: float = 0.465

    def of(self, tissue: I64) -> F64:
        """Return the conductivity (n,) of tissue numbers (n,)."""
        by_number = np.zeros(max(Tissue) + 1)
        for each in Tissue:
            by_number[each] = self.by_name()[each.name.lower()]
        found: F64 = by_number[tissue]
        return found

    def by_name(self) -> dict[str, float]:
        """Return the values by tissue, from inside to outside."""
        return asdict(self)

    def with_values(self, by_name: Mapping[str, float]) -> "Conductivities":
        """Return these with some tissues' values replaced.

        Raises
        ------
        ConfigError
            For a name that is no tissue, or a value that no tissue has.
        """
        known = [field.name for field in fields(self)]
        for name, value in by_name.items():
            if name not in known:
                raise ConfigError("conductivity", repr(name), f"one of {known}")
            if not LEAST_S_PER_M <= value <= MOST_S_PER_M:
                expected = f"{LEAST_S_PER_M:g} to {MOST_S_PER_M:g} S/m"
                raise ConfigError(f"conductivity of {name}", f"{value:g}", expected)
        return replace(self, **by_name)

    def changed(self, tissue: Tissue, factor: float) -> "Conductivities":
        """Return these with one tissue's value multiplied."""
        name = tissue.name.lower()
        return replace(self, **{name: factor * self.by_name()[name]})


DEFAULT_CONDUCTIVITIES = Conductivities()
