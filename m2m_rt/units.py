"""Instants, lengths of time and the array types, with their units in the name."""

from typing import NewType

import numpy as np
import numpy.typing as npt

RigNs = NewType("RigNs", int)
"""An instant: nanoseconds on the rig clock, LSL's on the acquisition host."""

DurationNs = NewType("DurationNs", int)
"""A length of time in nanoseconds."""

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

LARGEST_STAMP_S = 4e9
"""A Unix epoch against a clock that starts at boot is 2e9; ns then fit into 64 bits."""


def rig_ns(seconds: float) -> RigNs:
    """Return the instant that an LSL stamp in seconds names."""
    return RigNs(round(seconds * NS_PER_S))


def instant_of(stamp_s: float) -> RigNs | None:
    """Return the instant of a stamp in seconds; None if it can be none.

    >>> instant_of(1.5), instant_of(float("nan")), instant_of(1e10)
    (1500000000, None, None)
    """
    return rig_ns(stamp_s) if 0.0 <= stamp_s <= LARGEST_STAMP_S else None


def duration_ns(*, ms: float = 0.0, s: float = 0.0) -> DurationNs:
    """Return a length of time in nanoseconds.

    >>> duration_ns(ms=1.5)
    1500000
    """
    return DurationNs(round(ms * NS_PER_MS + s * NS_PER_S))


def to_ms(length_ns: int) -> float:
    """Return a length of time in milliseconds.

    >>> to_ms(2_500_000)
    2.5
    """
    return length_ns / NS_PER_MS
