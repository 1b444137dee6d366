"""The streams that a rig file names, each with what it must be."""

from m2m_rt.adapters.lsl_emg import EmgReader
from m2m_rt.adapters.lsl_inlet import StreamReader
from m2m_rt.adapters.lsl_markers import MarkerReader
from m2m_rt.adapters.lsl_pose import PoseReader
from m2m_rt.adapters.lsl_stimulator import StimulatorReader
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.app.config import EmgRig, RigConfig


def emg_reader(emg: EmgRig) -> EmgReader:
    """Return the reader of a rig's muscles and trigger."""
    return EmgReader(
        tuple(muscle.label for muscle in emg.muscles),
        trigger_channel=emg.trigger_channel,
        fs_hz=emg.fs_hz,
    )


def rig_streams(rig: RigConfig) -> tuple[tuple[StreamReader, StreamChoice], ...]:
    """Return every stream that the rig's daemons open."""
    needed: tuple[tuple[StreamReader, StreamChoice], ...] = (
        (emg_reader(rig.emg), rig.emg.stream),
        (PoseReader(), rig.pose.stream),
        (StimulatorReader(), rig.stimulator.stream),
    )
    if rig.markers is None:
        return needed
    return (*needed, (MarkerReader(), rig.markers.stream))
