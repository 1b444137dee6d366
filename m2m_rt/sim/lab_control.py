"""How the process that started a virtual lab talks with it: lines of text.

In: `start SECONDS` begins the pulse schedule at that instant of the rig clock; `stop`,
or the end of the input (the parent is gone), ends the process. Out: one JSON object a
line, `{"ready": true}` once the streams are there, `{"finished": n_pulses}` after the
last pulse.
"""

import math
import queue
import sys
import threading
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec

from m2m_rt.errors import DataError


@dataclass(slots=True)
class LabControl:
    """The lab's side of the talk; asked now and then, never waits."""

    lines: BinaryIO
    """Where commands come from, unbuffered: a thread that is still reading a buffered
    standard input stops the interpreter from ending."""

    start_s: float | None = None
    """When the schedule begins, rig clock; None until it is known."""

    is_stopped: bool = False
    _heard: queue.SimpleQueue[bytes] = field(default_factory=queue.SimpleQueue)

    def listen(self) -> None:
        """Begin to read; the thread only blocks in the read."""
        threading.Thread(target=self._read, name="lab control", daemon=True).start()

    def update(self) -> None:
        """Take in what has been said.

        Raises
        ------
        DataError
            If a line is no command.
        """
        while not self._heard.empty():
            self._obey(self._heard.get())

    def _read(self) -> None:
        while line := self.lines.readline():
            self._heard.put(line)
        self._heard.put(b"stop\n")

    def _obey(self, line: bytes) -> None:
        match line.decode("utf-8", "replace").split():
            case ["stop"]:
                self.is_stopped = True
            case ["start", text]:
                self.start_s = _seconds(text)
            case _:
                raise DataError(f"lab control: {line!r} is no command")


def say(**said: object) -> None:
    """Write one JSON object to standard output, at once."""
    sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
    sys.stdout.flush()


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise DataError(f"lab control: start {text!r} is no instant")
    return seconds
