"""How the streams of the amplifier's host are read."""

from typing import Annotated

import msgspec
from msgspec import Meta

from m2m_rt.emg import EmgSettings

Positive = Annotated[float, Meta(gt=0)]


class AcquireSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How EMG, markers and the stimulator's state are read and watched."""

    fs_hz: Positive
    """Rows a second of the EMG stream."""

    reading: EmgSettings
    """Muscles in the order of the columns, trigger, filter, windows, quality."""

    chunk_ms: Positive = 20.0
    """Length of a published `EmgChunk`."""

    marker_wait_ms: Annotated[float, Meta(ge=0)] = 150.0
    """How long after the edge a pulse waits for its marker; 0 where there are none."""

    emg_stale_ms: Positive = 250.0
    """A stream whose newest stamp or last arrival is older is stale."""

    stimulator_stale_ms: Positive = 3000.0
    """The same; its state comes on change and once a second."""

    watch_every_ms: Positive = 50.0
    """How often is looked whether something came."""

    max_offset_step_ms: Positive = 20.0
    """Largest change between two measurements of a sender's clock that is no step."""
