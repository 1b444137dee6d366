"""Looks for a rig's streams before anything is started or any folder made."""

import time
from collections.abc import Sequence

from m2m_rt.adapters.lsl_discovery import describe, list_streams
from m2m_rt.adapters.stream_check import check_choice
from m2m_rt.adapters.stream_header import StreamHeader
from m2m_rt.app.config import RigConfig
from m2m_rt.app.rig_streams import RigStream, rig_streams
from m2m_rt.errors import ConfigError

LOOK_S = 1.0
"""One look at the network."""

PATIENCE_S = 8.0
"""For streams that are not there yet."""


def check_streams(rig: RigConfig, *, patience_s: float = PATIENCE_S) -> None:
    """Return when every stream of the rig is there and is what the rig file says.

    Raises
    ------
    ConfigError
        Naming every stream that is missing after `patience_s`, or every one that is
        there but is not what is expected: those are not waited for.
    """
    needed = rig_streams(rig)
    until_s = time.monotonic() + patience_s
    while True:
        there = [describe(info) for info in list_streams(wait_s=LOOK_S)]
        missing = [one for one in needed if not _fits(one, there)]
        faults = [_fault(one, there) for one in needed if one not in missing]
        _refuse([fault for fault in faults if fault])
        if not missing:
            return
        if time.monotonic() > until_s:
            raise _missing(missing, there)


def _fits(needed: RigStream, there: Sequence[StreamHeader]) -> bool:
    return any(needed[1].fits(header) for header in there)


def _fault(needed: RigStream, there: Sequence[StreamHeader]) -> str:
    try:
        check_choice(*needed, there)
    except ConfigError as err:
        return str(err)
    return ""


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise ConfigError("streams", "; ".join(faults), "what the rig file says")


def _missing(
    missing: Sequence[RigStream], there: Sequence[StreamHeader]
) -> ConfigError:
    named = "; ".join(f"no {reader.stream} with {choice}" for reader, choice in missing)
    others = ", ".join(f"{one.name} ({one.type})" for one in there) or "nothing at all"
    found = f"{named}; on the network: {others}"
    return ConfigError("streams", found, "all that the rig file names")
