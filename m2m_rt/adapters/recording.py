"""Streams of a recording in memory, as a player sends them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from m2m_rt.errors import DataError
from m2m_rt.units import F64

Description = Mapping[str, Sequence["Description | str"]]
"""A stream's `<desc>`: children by name, several of one name in order."""

Texts = Sequence[Sequence[str]]
Samples = npt.NDArray[np.generic] | Texts

LSL_FORMATS = ("float32", "double64", "string", "int8", "int16", "int32", "int64")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStream:
    """One stream: what it was called and what it sent."""

    name: str
    type: str
    source_id: str
    fs_hz: float
    """Nominal rate; 0 for an irregular stream."""

    n_channels: int
    channel_format: str
    """One of LSL's."""

    stamps_s: F64
    """(n_samples,) in the recording's one time base, ascending."""

    samples: Samples
    """(n_samples, n_channels), or as many lists of texts."""

    desc: Description = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be sent."""
        if self.channel_format not in LSL_FORMATS:
            raise DataError(f"stream {self.name}: format {self.channel_format!r}")
        if len(self.samples) != len(self.stamps_s):
            counts = f"{len(self.samples)} samples, {len(self.stamps_s)} stamps"
            raise DataError(f"stream {self.name}: {counts}")
        if not np.all(np.isfinite(self.stamps_s)) or np.any(np.diff(self.stamps_s) < 0):
            raise DataError(f"stream {self.name}: stamps are not ascending")


@dataclass(frozen=True, slots=True)
class Recording:
    """Streams that were recorded together."""

    streams: tuple[RecordedStream, ...]

    @property
    def start_s(self) -> float:
        """The first stamp of all."""
        return float(min(s.stamps_s[0] for s in self.streams if len(s.stamps_s)))

    @property
    def length_s(self) -> float:
        """From the first stamp of all to the last."""
        last_s = max(s.stamps_s[-1] for s in self.streams if len(s.stamps_s))
        return float(last_s) - self.start_s


def channel_description(*channels: tuple[str, str, str]) -> Description:
    """Return `<channels>` of (label, unit, type) each."""
    listed: list[Description | str] = [
        {"label": [label], "unit": [unit], "type": [kind]}
        for label, unit, kind in channels
    ]
    return {"channels": [{"channel": listed}]}
