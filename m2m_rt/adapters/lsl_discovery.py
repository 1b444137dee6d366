"""Finding streams on the network: one by a rig's choice, or all of them."""

import pylsl

from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import StreamHeader
from m2m_rt.errors import ConfigError

DUPLICATE_WAIT_S = 0.8
"""How long a second stream that fits may take to answer after the first. On one machine
only one sender hears the first question; liblsl asks each port in turn 0.5 s later."""

HEADER_WAIT_S = 5.0
"""How long a sender may take to hand over its full description."""


class SenderSilent(ConfigError):  # noqa: N818 - the condition, as LinkLost
    """A stream was found, but its sender does not answer."""

    def __init__(self, where: str, detail: str) -> None:
        """Say which stream and what was waited for."""
        super().__init__(where, detail, "a sender that answers")


def choose_stream(
    choice: StreamChoice, where: str, *, timeout_s: float
) -> pylsl.StreamInfo:
    """Return the one stream that fits, without its description.

    Raises
    ------
    ConfigError
        If none fits within `timeout_s`, or several do; it names what is there.
    """
    fitting = resolve(choice, timeout_s=timeout_s)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ConfigError(
            where, f"{len(fitting)} with {choice}: {_named(fitting)}", "one"
        )
    there = pylsl.resolve_streams(wait_time=DUPLICATE_WAIT_S)
    raise ConfigError(
        where,
        f"no stream with {choice} within {timeout_s:g} s; found: {_named(there)}",
        "one",
    )


def resolve(choice: StreamChoice, *, timeout_s: float) -> list[pylsl.StreamInfo]:
    """Return the streams that fit, in a fixed order; waits for the first one."""
    first = pylsl.resolve_bypred(choice.predicate(), 1, timeout_s)
    if not first:
        return []
    both = pylsl.resolve_bypred(choice.predicate(), 2, DUPLICATE_WAIT_S)
    by_uid = {info.uid(): info for info in (*first, *both)}
    return sorted(by_uid.values(), key=_order)


def list_streams(*, wait_s: float) -> list[pylsl.StreamInfo]:
    """Return every stream that answers within `wait_s`, without descriptions."""
    return sorted(pylsl.resolve_streams(wait_time=wait_s), key=_order)


def describe(info: pylsl.StreamInfo) -> StreamHeader:
    """Return a found stream's own description; a bare one if it does not answer."""
    inlet = pylsl.StreamInlet(info, max_buflen=1, recover=False)
    try:
        return read_header(inlet, info.name())
    except SenderSilent:
        return header_of(info)


def read_header(inlet: pylsl.StreamInlet, where: str) -> StreamHeader:
    """Return the stream's own description.

    Raises
    ------
    SenderSilent
        If the sender does not hand it over in time or is gone.
    """
    try:
        return header_of(inlet.info(timeout=HEADER_WAIT_S))
    except (pylsl.util.TimeoutError, pylsl.util.LostError) as err:
        found = f"no description within {HEADER_WAIT_S:g} s ({err})"
        raise SenderSilent(where, found) from err


def header_of(info: pylsl.StreamInfo) -> StreamHeader:
    """Return what an LSL description says, as ours."""
    desc = info.desc()
    channels = _channels(desc.child("channels"))
    return StreamHeader(
        name=info.name(),
        type=info.type(),
        source_id=info.source_id(),
        fs_hz=info.nominal_srate(),
        is_text=info.channel_format() == pylsl.cf_string,
        n_channels=info.channel_count(),
        labels=tuple(channel.child_value("label") for channel in channels),
        units=tuple(channel.child_value("unit") for channel in channels),
        frame=desc.child_value("frame"),
        unit=desc.child_value("unit"),
        convention=desc.child_value("convention"),
        hostname=info.hostname(),
        uid=info.uid(),
    )


def _order(info: pylsl.StreamInfo) -> tuple[str, str, str, str]:
    return info.type(), info.name(), info.hostname(), info.source_id()


def _channels(channels: pylsl.info.XMLElement) -> list[pylsl.info.XMLElement]:
    found = []
    channel = channels.child("channel")
    while not channel.empty():
        found.append(channel)
        channel = channel.next_sibling("channel")
    return found


def _named(infos: list[pylsl.StreamInfo]) -> str:
    if not infos:
        return "nothing at all (firewall? other LSL session id?)"
    return "; ".join(
        f"{info.name()} (type {info.type()!r}, source_id {info.source_id()!r}, "
        f"on {info.hostname()})"
        for info in infos
    )
