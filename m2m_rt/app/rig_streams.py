"""The streams that a rig file names, each with what it must be and who reads it."""

from m2m_rt.adapters.lsl_emg import EmgRows
from m2m_rt.adapters.lsl_inlet import StreamReader
from m2m_rt.adapters.lsl_markers import MarkerReader
from m2m_rt.adapters.lsl_pose import PoseReader
from m2m_rt.adapters.lsl_stimulator import StimulatorReader
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.app.config import EmgRig, RigConfig

RigStream = tuple[StreamReader, StreamChoice]

_READ_BY = {
    "acquired": ("emg", "stimulator", "markers"),
    "posed": ("pose",),
}
"""The first one is waited on: EMG must not wait for the others."""


def emg_rows(emg: EmgRig) -> EmgRows:
    """Return the reader of a rig's muscles and trigger."""
    return EmgRows(
        tuple(muscle.label for muscle in emg.muscles),
        trigger_channel=emg.trigger_channel,
        fs_hz=emg.fs_hz,
    )


def rig_streams(rig: RigConfig) -> tuple[RigStream, ...]:
    """Return every stream that the rig's daemons open."""
    needed: tuple[RigStream, ...] = (
        (emg_rows(rig.emg), rig.emg.stream),
        (PoseReader(rig.pose.registration.declared), rig.pose.stream),
        (StimulatorReader(), rig.stimulator.stream),
    )
    if rig.markers is None:
        return needed
    return (*needed, (MarkerReader(), rig.markers.stream))


def streams_of(daemon: str, rig: RigConfig) -> tuple[RigStream, ...]:
    """Return the streams that one daemon opens; most open none."""
    wanted = _READ_BY.get(daemon, ())
    found = {reader.stream: (reader, choice) for reader, choice in rig_streams(rig)}
    return tuple(found[stream] for stream in wanted if stream in found)
