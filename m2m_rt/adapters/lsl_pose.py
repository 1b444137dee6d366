"""The coil pose from LSL: head frame, millimetres, SimNIBS axes, or refused."""

import numpy as np
import pylsl

from m2m_rt.adapters.lsl_inlet import FIND_WAIT_S, LslSource, message_ns
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import StreamHeader, require_channels
from m2m_rt.errors import ConfigError
from m2m_rt.messages import Message, PoseReceived, pack_f64

POSE_TYPE = "CoilPose"
POSE_DESCRIPTION = {"frame": "head", "unit": "mm", "convention": "simnibs"}
"""What a pose stream must say in `<desc>`; another frame, unit or axes are refused."""

POSE_CHANNELS = {
    7: ("x", "y", "z", "qw", "qx", "qy", "qz"),
    16: tuple(f"m{row}{column}" for row in range(4) for column in range(4)),
}
"""Labels by number of channels; the 16 are row-major."""

_LARGEST_PULL = 64


class PoseReader:
    """Reads each pose as it comes, the oldest first; the node knows their age."""

    stream = "pose"
    buffer_s = 2
    lost_after_s: float | None = 1.0

    def accept(self, header: StreamHeader) -> None:
        """Check the channels and the three declarations."""
        require_channels(header, "pose.stream", tuple(POSE_CHANNELS))
        for name, expected in POSE_DESCRIPTION.items():
            found = getattr(header, name)
            if found != expected:
                raise ConfigError(
                    f"pose.stream: <{name}> of {header.name}",
                    repr(found) if found else "none",
                    repr(expected),
                )

    def pull(self, inlet: pylsl.StreamInlet, wait_s: float) -> list[Message]:
        """Return every pose that has arrived."""
        rows, stamps_s = inlet.pull_chunk(
            timeout=wait_s, max_samples=_LARGEST_PULL, min_samples=1, as_numpy=True
        )
        return [
            PoseReceived(
                t_ns=message_ns(stamp_s),
                values=pack_f64(row.astype(np.float64)),
                device_s=float(stamp_s),
            )
            for row, stamp_s in zip(rows, stamps_s, strict=True)
        ]


def open_pose(choice: StreamChoice, *, timeout_s: float = FIND_WAIT_S) -> LslSource:
    """Return the source of `PoseReceived`, `LinkChanged` and `ClockOffset`.

    Raises
    ------
    ConfigError
        If the stream is missing, not the only one, or declares something else.
    """
    return LslSource(PoseReader(), choice, timeout_s=timeout_s)
