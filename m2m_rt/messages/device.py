"""What adapters hand to nodes: raw values with their sender's own time stamps.

These are journalled and never published: the node turns them into the vocabulary.
"""

from enum import StrEnum

from m2m_rt.messages.base import Array, Message, require_finite


class EmgReceived(Message, frozen=True, tag="emg_received.v1"):
    """Rows of EMG as one pull from the inlet gave them; any number of rows."""

    stamps_s: Array
    """(n_rows,) float64: the sender's stamps, untouched."""

    samples: Array
    """(n_rows, n_muscles + 1) float32: µV, muscles in the rig's order, then the
    trigger channel in its own unit."""


class MarkerReceived(Message, frozen=True, tag="marker_received.v1"):
    """One string marker: it says which pulse, not when."""

    text: str
    device_s: float


class StimulatorReceived(Message, frozen=True, tag="stimulator_received.v1"):
    """The stimulator's intensity as its stream gave it; NaN means not known."""

    intensity_pct_mso: float
    device_s: float


class PoseReceived(Message, frozen=True, tag="pose_received.v1"):
    """A coil pose as the navigator's stream gave it; NaN means not tracked."""

    values: Array
    """(7,) x y z qw qx qy qz, or (16,) row-major 4×4; frame, unit and coil axes are
    those that the stream declares and the rig's registration states."""

    device_s: float


class Link(StrEnum):
    """What became of a stream's connection."""

    OPENED = "opened"
    LOST = "lost"
    REFUSED = "refused"


class LinkChanged(Message, frozen=True, tag="link_changed.v1"):
    """A stream was opened, lost, or came back as something else."""

    stream: str
    link: Link
    detail: str = ""


class ClockOffset(Message, frozen=True, tag="clock_offset.v1"):
    """One measurement of a sender's clock: rig time = its stamp + `offset_s`."""

    stream: str
    offset_s: float

    def __post_init__(self) -> None:
        """Refuse an offset that is not a number."""
        require_finite(offset_s=self.offset_s)
