"""LSL outlets that say in their metadata what their numbers are.

Stamps are given by the caller on liblsl's own clock; those of a pushed chunk belong to
its last row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pylsl

from m2m_rt.adapters.stream_name import StreamName

LONGEST_BACKLOG_S = 30
"""What an outlet keeps for a consumer that does not take it."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a stream."""

    label: str
    unit: str
    type: str


def emg_channels(
    muscles: Sequence[str], *, trigger: str = "TRIG", trigger_unit: str = "V"
) -> tuple[Channel, ...]:
    """Return EMG channels in microvolts, one a muscle, and the trigger channel."""
    emg = (Channel(muscle, "microvolts", "EMG") for muscle in muscles)
    return (*emg, Channel(trigger, trigger_unit, "TRIG"))


def emg_outlet(
    stream: StreamName,
    channels: Sequence[Channel],
    *,
    fs_hz: float,
    chunk_rows: int,
) -> pylsl.StreamOutlet:
    """Open an outlet of type `EMG`, float32, for chunks of (n_rows, n_channels)."""
    info = pylsl.StreamInfo(
        stream.name,
        "EMG",
        len(channels),
        fs_hz,
        pylsl.cf_float32,
        stream.source_id,
    )
    _describe(info, channels)
    return pylsl.StreamOutlet(info, chunk_rows, LONGEST_BACKLOG_S)


def pose_outlet(
    stream: StreamName, *, pose_hz: float, declared: Mapping[str, str]
) -> pylsl.StreamOutlet:
    """Open an outlet of type `CoilPose`: x y z qw qx qy qz; NaN: not tracked.

    Parameters
    ----------
    stream
        Its name.
    pose_hz
        Nominal rate.
    declared
        `frame`, `unit` and `convention` of the poses.
    """
    info = pylsl.StreamInfo(
        stream.name, "CoilPose", 7, pose_hz, pylsl.cf_double64, stream.source_id
    )
    desc = info.desc()
    for name, word in declared.items():
        desc.append_child_value(name, word)
    place = (Channel(axis, declared["unit"], "Position") for axis in ("x", "y", "z"))
    turn = (Channel(f"q{axis}", "normalized", "Orientation") for axis in "wxyz")
    _describe(info, (*place, *turn))
    return pylsl.StreamOutlet(info, 1, LONGEST_BACKLOG_S)


def stimulator_outlet(stream: StreamName) -> pylsl.StreamOutlet:
    """Open an outlet of type `StimulatorState`: the intensity in % MSO."""
    info = pylsl.StreamInfo(
        stream.name,
        "StimulatorState",
        1,
        pylsl.IRREGULAR_RATE,
        pylsl.cf_float32,
        stream.source_id,
    )
    _describe(info, (Channel("intensity", "percent_mso", "Stimulator"),))
    return pylsl.StreamOutlet(info, 1, LONGEST_BACKLOG_S)


def marker_outlet(stream: StreamName) -> pylsl.StreamOutlet:
    """Open an outlet of type `Markers`: one string a marker."""
    info = pylsl.StreamInfo(
        stream.name,
        "Markers",
        1,
        pylsl.IRREGULAR_RATE,
        pylsl.cf_string,
        stream.source_id,
    )
    return pylsl.StreamOutlet(info, 1, LONGEST_BACKLOG_S)


def _describe(info: pylsl.StreamInfo, channels: Sequence[Channel]) -> None:
    listed = info.desc().append_child("channels")
    for channel in channels:
        entry = listed.append_child("channel")
        entry.append_child_value("label", channel.label)
        entry.append_child_value("unit", channel.unit)
        entry.append_child_value("type", channel.type)
