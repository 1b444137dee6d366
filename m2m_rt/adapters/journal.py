"""The journal of one deciding daemon: what its node was handed and what it answered."""

from pathlib import Path
from types import TracebackType
from typing import Self

from m2m_rt.adapters.mcap_log import McapLog
from m2m_rt.errors import DiskFault
from m2m_rt.messages import MESSAGE_TYPES, Message
from m2m_rt.ports import Arrival

INPUTS = "in"
OUTPUTS = "out"
"""The two channels; outputs lie behind the input that they followed from."""


class Journal:
    """Inputs in the order of arrival, each followed by its outputs.

    Log time is the arrival's `now_ns`, publish time the message's own `t_ns`.
    """

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises
        ------
        DiskFault
            If it exists already or cannot be created.
        """
        self._log = McapLog(path)
        self._inputs = self._log.add_channel(INPUTS, *MESSAGE_TYPES)
        self._outputs = self._log.add_channel(OUTPUTS, *MESSAGE_TYPES)

    @property
    def fault(self) -> DiskFault | None:
        """Why the journal is no longer written, or None while it is."""
        return self._log.fault

    def wrote_input(self, arrival: Arrival, frame: bytes) -> None:
        """Store an input before the node sees it."""
        self._log.write(
            self._inputs,
            frame,
            log_time_ns=arrival.now_ns,
            publish_time_ns=arrival.message.t_ns,
        )

    def wrote_output(self, arrival: Arrival, message: Message, frame: bytes) -> None:
        """Store an output after it was sent."""
        self._log.write(
            self._outputs,
            frame,
            log_time_ns=arrival.now_ns,
            publish_time_ns=message.t_ns,
        )

    def close(self, *, is_clean: bool = True) -> None:
        """Close the file; a crash leaves its end unmarked."""
        self._log.close(is_clean=is_clean)

    def __enter__(self) -> Self:
        """Return the journal itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; after an exception as after a kill."""
        self.close(is_clean=kind is None)


class NoRecord:
    """For a daemon that decides nothing, and for a replay: keeps nothing."""

    def wrote_input(self, arrival: Arrival, frame: bytes) -> None:
        """Keep nothing."""

    def wrote_output(self, arrival: Arrival, message: Message, frame: bytes) -> None:
        """Keep nothing."""
