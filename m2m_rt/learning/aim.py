"""The best stimulus for an aim such as "most FDI with least ADM", under limits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.errors import ConfigError
from m2m_rt.learning.surfaces import ResponseMap
from m2m_rt.units import F64, Bools

Share = Annotated[float, Meta(ge=0, le=1)]


class Aim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which muscles are to answer, and which are not."""

    most: tuple[str, ...]
    least: tuple[str, ...] = ()

    least_presence: Share = 0.8
    """P(MEP ≥ 50 µV) that each wanted muscle must have: a pose where nothing answers
    is selective, too."""

    def __post_init__(self) -> None:
        """Refuse an aim without a muscle, or that names one more than once."""
        if not self.most:
            raise ValueError("most: name at least one muscle")
        for names in (self.most, self.least):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{' '.join(twice)}: named more than once")
        if both := set(self.most) & set(self.least):
            raise ValueError(f"{' '.join(sorted(both))}: wanted and unwanted at once")

    def weights(self, muscles: Sequence[str]) -> F64:
        """Return each muscle's weight (n_muscles,): means of both sides, subtracted.

        Raises
        ------
        ConfigError
            If one is not among the muscles.
        """
        weights = np.zeros(len(muscles))
        for names, share in ((self.most, 1.0), (self.least, -1.0)):
            for name in names:
                if name not in muscles:
                    raise ConfigError("muscle", name, " ".join(muscles))
                weights[list(muscles).index(name)] = share / len(names)
        return weights


class AimLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the stimulus may be; the table's own region holds besides."""

    most_intensity_pct_mso: Annotated[float, Meta(gt=0, le=100)] = 100.0
    most_move_mm: Annotated[float, Meta(gt=0)] = math.inf
    """Of the coil's centre from where it was at the last pulse, learnt from or not."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Stimuli to choose from."""

    centre_mm: F64
    """(n, 3), head frame."""

    intensity_pct_mso: F64
    """(n,)"""


def within_limits(
    candidates: Candidates, limits: AimLimits, *, now_mm: F64 | None = None
) -> Bools:
    """Return which candidates (n,) the limits allow.

    `now_mm` (3,) is the coil's centre; while it is not known, a limit of the move
    allows nothing.
    """
    allowed: Bools = candidates.intensity_pct_mso <= limits.most_intensity_pct_mso
    if math.isinf(limits.most_move_mm):
        return allowed
    if now_mm is None:
        return np.zeros_like(allowed)
    move_mm = np.linalg.norm(candidates.centre_mm - now_mm, axis=1)
    near: Bools = move_mm <= limits.most_move_mm
    return allowed & near


def best_candidate(
    answers: ResponseMap, aim: Aim, *, muscles: Sequence[str], allowed: Bools
) -> int | None:
    """Return the row of the best allowed candidate, None if none meets the aim.

    Best is the largest expected log10 MEP of the wanted muscles less that of the
    unwanted ones: the logarithm of their ratio. Where it is not known, as without an
    expectation of an unwanted muscle, the aim is not met.
    """
    weights = aim.weights(muscles)
    wanted, named = weights > 0.0, weights != 0.0
    # Of the named ones only: 0 times the NaN of a muscle that is left out is NaN, too.
    ratio_log10 = answers.mean[:, named] @ weights[named]
    meets = allowed & np.all(answers.presence[:, wanted] >= aim.least_presence, axis=1)
    meets = meets & np.isfinite(ratio_log10)
    if not meets.any():
        return None
    return int(np.argmax(np.where(meets, ratio_log10, -np.inf)))
