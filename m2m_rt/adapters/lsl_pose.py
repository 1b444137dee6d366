"""The coil pose from LSL: frame, unit and axes as the rig says, or refused."""

from collections.abc import Mapping

import numpy as np
import pylsl

from m2m_rt.adapters.lsl_inlet import FIND_WAIT_S, LslSource, message_ns, pull_samples
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import StreamHeader, require_channels
from m2m_rt.errors import ConfigError
from m2m_rt.geometry import MM_PER_UNIT, OTHER_FRAMES, CoilConvention
from m2m_rt.messages import Message, PoseReceived, pack_f64
from m2m_rt.nodes import PoseRegistration

POSE_TYPE = "CoilPose"
POSE_DESCRIPTION = PoseRegistration().declared
"""What a pose stream must say in `<desc>`, unless the rig has a registration."""

OTHER_DESCRIPTIONS = {
    "frame": OTHER_FRAMES,
    "unit": tuple(unit for unit in MM_PER_UNIT if unit != "mm"),
    "convention": tuple(one.value for one in CoilConvention if one != "simnibs"),
}
"""What it may say where the rig's registration says the same."""

POSE_CHANNELS = {
    7: ("x", "y", "z", "qw", "qx", "qy", "qz"),
    16: tuple(f"m{row}{column}" for row in range(4) for column in range(4)),
}
"""Labels by number of channels, in their order; the 16 are row-major. Other labels, or
none, are not looked at."""


class PoseReader:
    """Reads each pose as it comes, the oldest first; the node knows their age."""

    stream = "pose"
    buffer_s = 2
    lost_after_s: float | None = 1.0

    def __init__(self, declared: Mapping[str, str] = POSE_DESCRIPTION) -> None:
        """Expect a stream that declares this frame, unit and convention."""
        self._declared = dict(declared)

    def accept(self, header: StreamHeader) -> None:
        """Check the channels, their order where it is told, and the declarations."""
        require_channels(header, "pose.stream", tuple(POSE_CHANNELS))
        _require_order(header)
        for name, expected in self._declared.items():
            found = getattr(header, name)
            if found != expected:
                raise ConfigError(
                    f"pose.stream: <{name}> of {header.name}",
                    repr(found) if found else "none",
                    f"{expected!r}{self._other(name)}",
                )

    def _other(self, name: str) -> str:
        """Return what else could be expected, for the person who sets up the rig."""
        if self._declared != POSE_DESCRIPTION:
            return ", as in pose.registration"
        others = " ".join(OTHER_DESCRIPTIONS[name])
        return f", or one of {others} with the same in [pose.registration]"

    def pull(self, inlet: pylsl.StreamInlet, wait_s: float) -> list[Message]:
        """Return every pose that has arrived."""
        return [
            PoseReceived(
                t_ns=message_ns(stamp_s),
                values=pack_f64(row.astype(np.float64)),
                device_s=stamp_s,
            )
            for row, stamp_s in pull_samples(inlet, wait_s)
        ]


def _require_order(header: StreamHeader) -> None:
    """Raise ConfigError where labels say another order: qw last, or column-major."""
    wanted = POSE_CHANNELS[header.n_channels]
    found = tuple(label.strip().lower() for label in header.labels)
    if found != wanted and sorted(found) == sorted(wanted):
        where = f"pose.stream: channels of {header.name}"
        raise ConfigError(where, " ".join(found), " ".join(wanted))


def declared_by(header: StreamHeader) -> dict[str, str] | None:
    """Return a pose stream's declarations that a registration could name, else None."""
    declared = {name: getattr(header, name) for name in POSE_DESCRIPTION}
    is_known = all(
        word == POSE_DESCRIPTION[name] or word in OTHER_DESCRIPTIONS[name]
        for name, word in declared.items()
    )
    return declared if is_known and declared != POSE_DESCRIPTION else None


def open_pose(choice: StreamChoice, *, timeout_s: float = FIND_WAIT_S) -> LslSource:
    """Return the source of `PoseReceived`, `LinkChanged` and `ClockOffset`.

    Raises
    ------
    ConfigError
        If the stream is missing, not the only one, or declares something else.
    """
    return LslSource(PoseReader(), choice, timeout_s=timeout_s)
