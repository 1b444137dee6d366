"""Opens the streams that a rig file names."""

from collections.abc import Callable, Sequence

from m2m_rt.adapters.lsl_emg import EmgReader, open_emg
from m2m_rt.adapters.lsl_inlet import LslSource, open_together
from m2m_rt.adapters.lsl_markers import open_markers
from m2m_rt.adapters.lsl_pose import open_pose
from m2m_rt.adapters.lsl_stimulator import open_stimulator
from m2m_rt.app.config import RigConfig


def open_acquisition(rig: RigConfig) -> Sequence[LslSource]:
    """Return EMG first, as it must not wait, then stimulator and markers.

    Raises
    ------
    ConfigError
        If a stream is missing, ambiguous, or not what the rig file says.
    """
    reader = EmgReader(
        tuple(muscle.label for muscle in rig.emg.muscles),
        trigger_channel=rig.emg.trigger_channel,
        fs_hz=rig.emg.fs_hz,
    )
    openers: list[Callable[[], LslSource]] = [
        lambda: open_emg(rig.emg.stream, reader),
        lambda: open_stimulator(rig.stimulator.stream),
    ]
    markers = rig.markers
    if markers is not None:
        openers.append(lambda: open_markers(markers.stream))
    return open_together(*openers)


def open_navigation(rig: RigConfig) -> Sequence[LslSource]:
    """Return the coil's poses.

    Raises
    ------
    ConfigError
        As for the acquisition.
    """
    return (open_pose(rig.pose.stream),)
