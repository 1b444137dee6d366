"""String markers from LSL: they say which pulse it was, not when."""

import pylsl

from m2m_rt.adapters.lsl_inlet import FIND_WAIT_S, LslSource, message_ns, pull_samples
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import StreamHeader
from m2m_rt.errors import ConfigError
from m2m_rt.messages import MarkerReceived, Message


class MarkerReader:
    """Reads the first channel of a text stream; silence is normal."""

    stream = "markers"
    buffer_s = 30
    lost_after_s: float | None = None

    def accept(self, header: StreamHeader) -> None:
        """Check that it is text."""
        if not header.is_text:
            found = f"numbers in stream {header.name}"
            raise ConfigError("markers.stream", found, "a string stream")

    def pull(self, inlet: pylsl.StreamInlet, wait_s: float) -> list[Message]:
        """Return every marker that has arrived."""
        return [
            MarkerReceived(
                t_ns=message_ns(stamp_s),
                # A lab's text may be in any encoding; a marker is not worth a crash.
                text=row[0].decode("utf-8", errors="replace"),
                device_s=stamp_s,
            )
            for row, stamp_s in pull_samples(inlet, wait_s)
        ]


def open_markers(choice: StreamChoice, *, timeout_s: float = FIND_WAIT_S) -> LslSource:
    """Return the source of `MarkerReceived`, `LinkChanged` and `ClockOffset`.

    Raises
    ------
    ConfigError
        If the stream is missing, not the only one, or not text.
    """
    return LslSource(MarkerReader(), choice, timeout_s=timeout_s)
