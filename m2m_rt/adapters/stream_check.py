"""What the streams on a network are good for, and whether a rig's choices fit them."""

from collections.abc import Sequence
from dataclasses import dataclass

from m2m_rt.adapters.lsl_link import Reader
from m2m_rt.adapters.lsl_markers import MarkerReader
from m2m_rt.adapters.lsl_pose import (
    POSE_DESCRIPTION,
    POSE_TYPE,
    PoseReader,
    declared_by,
)
from m2m_rt.adapters.lsl_stimulator import STIMULATOR_TYPE, StimulatorReader
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import StreamHeader
from m2m_rt.adapters.units_of_streams import microvolts_per
from m2m_rt.errors import ConfigError


@dataclass(frozen=True, slots=True)
class StreamUse:
    """What a rig could use a stream as."""

    role: str
    """`emg`, `pose`, `stimulator`, `markers`; empty: nothing."""

    fault: str = ""
    """Why it cannot be used as what it seems to be; empty: it can."""

    registration: dict[str, str] | None = None
    """The frame, unit and convention that a rig must state to use it; None: nothing."""


def use_of(header: StreamHeader) -> StreamUse:
    """Return what a stream seems to be, and what is wrong with it if anything is."""
    if header.is_text:
        return StreamUse("markers", _fault(MarkerReader(), header))
    if header.type == POSE_TYPE:
        declared = declared_by(header)
        reader = PoseReader(declared or POSE_DESCRIPTION)
        return StreamUse("pose", _fault(reader, header), declared)
    if header.type == STIMULATOR_TYPE:
        return StreamUse("stimulator", _fault(StimulatorReader(), header))
    if "emg" in header.type.lower():
        known = bool(muscle_labels(header))
        fault = "" if known else "no channel with a label and a unit of voltage"
        return StreamUse("emg", fault if header.fs_hz else "irregular rate")
    return StreamUse("")


def muscle_labels(header: StreamHeader) -> tuple[str, ...]:
    """Return the labels of the channels in a unit of voltage, but for a trigger."""
    channels = zip(header.labels, header.units, strict=True)
    return tuple(
        label
        for label, unit in channels
        if label and microvolts_per(unit) is not None and not _is_trigger(label)
    )


def trigger_label(header: StreamHeader) -> str | None:
    """Return the label of the channel that seems to be the trigger."""
    return next((label for label in header.labels if _is_trigger(label)), None)


def check_choice(
    reader: Reader, choice: StreamChoice, headers: Sequence[StreamHeader]
) -> StreamHeader:
    """Return the one stream that a rig's choice means, checked as at a session's start.

    Raises
    ------
    ConfigError
        If none or several fit, or the one that does is not what the rig expects.
    """
    where = f"{reader.stream}.stream"
    fitting = [header for header in headers if choice.fits(header)]
    if len(fitting) != 1:
        listed = "; ".join(str(header) for header in fitting or headers) or "nothing"
        count = f"{len(fitting)} streams" if fitting else "no stream"
        raise ConfigError(where, f"{count} with {choice}; there: {listed}", "one")
    reader.accept(fitting[0])
    return fitting[0]


def choice_of(header: StreamHeader) -> StreamChoice:
    """Return the choice that means this stream, whatever computer it is on."""
    return StreamChoice(type=header.type, name=header.name, source_id=header.source_id)


def _fault(reader: Reader, header: StreamHeader) -> str:
    try:
        reader.accept(header)
    except ConfigError as err:
        return str(err)
    return ""


def _is_trigger(label: str) -> bool:
    return "trig" in label.lower()
