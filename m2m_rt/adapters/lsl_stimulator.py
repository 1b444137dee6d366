"""The stimulator's intensity from LSL, in % of maximum stimulator output."""

import pylsl

from m2m_rt.adapters.lsl_inlet import FIND_WAIT_S, LslSource, message_ns, pull_samples
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import StreamHeader, require_channels
from m2m_rt.errors import ConfigError
from m2m_rt.messages import Message, StimulatorReceived

STIMULATOR_TYPE = "StimulatorState"
INTENSITY_UNIT = "percent_mso"


class StimulatorReader:
    """Reads a stream of one channel: sent on change and at 1 Hz."""

    stream = "stimulator"
    buffer_s = 2
    lost_after_s: float | None = 3.0

    def accept(self, header: StreamHeader) -> None:
        """Check that it is one number in % MSO."""
        require_channels(header, "stimulator.stream", (1,))
        unit = header.units[0] if header.units else header.unit
        if unit != INTENSITY_UNIT:
            raise ConfigError(
                f"stimulator.stream: unit of {header.name}",
                repr(unit) if unit else "none",
                repr(INTENSITY_UNIT),
            )

    def pull(self, inlet: pylsl.StreamInlet, wait_s: float) -> list[Message]:
        """Return every state that has arrived."""
        return [
            StimulatorReceived(
                t_ns=message_ns(stamp_s),
                intensity_pct_mso=float(row[0]),
                device_s=stamp_s,
            )
            for row, stamp_s in pull_samples(inlet, wait_s)
        ]


def open_stimulator(
    choice: StreamChoice, *, timeout_s: float = FIND_WAIT_S
) -> LslSource:
    """Return the source of `StimulatorReceived`, `LinkChanged` and `ClockOffset`.

    Raises
    ------
    ConfigError
        If the stream is missing, not the only one, or not one number in % MSO.
    """
    return LslSource(StimulatorReader(), choice, timeout_s=timeout_s)
