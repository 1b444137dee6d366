"""The streams that a daemon reads, open for as long as it runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from m2m_rt.adapters.lsl_inlet import (
    FIND_WAIT_S,
    LslSource,
    close_together,
    open_together,
)
from m2m_rt.app.config import RigConfig
from m2m_rt.app.rig_streams import streams_of


@contextmanager
def open_devices(daemon: str, rig: RigConfig) -> Iterator[Sequence[LslSource]]:
    """Give a daemon's sources, the one that must not wait first; close them at the end.

    Raises
    ------
    ConfigError
        If a stream is missing, ambiguous, or not what the rig file says.
    """
    openers: list[Callable[[], LslSource]] = [
        partial(LslSource, reader, choice, timeout_s=FIND_WAIT_S)
        for reader, choice in streams_of(daemon, rig)
    ]
    sources = open_together(*openers) if openers else ()
    try:
        yield sources
    finally:
        close_together(*sources)
