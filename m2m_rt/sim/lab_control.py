"""How the process that started a virtual lab talks with it: lines of text.

In: `start SECONDS` begins the pulse schedule at that instant of the rig clock; `stop`,
or the end of the input (the parent is gone), ends the process. Out: one JSON object a
line, `{"ready": true}` once the streams are there, `{"finished": n_pulses}` after the
last pulse.
"""

import math
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from m2m_rt.errors import ConfigError, DataError
from m2m_rt.sim.lab_settings import LabSettings, read_lab_settings


class Lines(Protocol):
    """A binary file, as far as it is needed here."""

    def readline(self) -> bytes:
        """Return the next line, empty at the end."""
        ...


@dataclass(slots=True)
class LabControl:
    """The lab's side of the talk; asked now and then, never waits."""

    lines: Lines
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


class LabPart(Protocol):
    """What one process of the lab does."""

    def start(self, start_s: float) -> None:
        """Begin the schedule at an instant of the rig clock."""
        ...

    def run_until_due(self) -> None:
        """Wait for what is due next, some milliseconds at most, and do it."""
        ...


def run_lab_process(
    arguments: Sequence[str],
    open_part: Callable[[LabSettings], AbstractContextManager[LabPart]],
) -> int:
    """Run one part of a virtual lab until it is told to stop; return the exit status.

    Parameters
    ----------
    arguments
        The path of the settings file.
    open_part
        Opens the part's streams.
    """
    # Ctrl-C reaches every process of a terminal; the parent is the one to end the lab.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        settings = read_lab_settings(Path(*arguments))
        with (
            open(0, "rb", buffering=0, closefd=False) as lines,
            open_part(settings) as part,
        ):
            control = LabControl(lines)
            control.listen()
            say(ready=True)
            _obey_until_stopped(part, control)
    except ConfigError as err:
        sys.stderr.write(f"{err}\n")
        return 2
    return 0


def say(**said: object) -> None:
    """Write one JSON object to standard output, at once."""
    sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
    sys.stdout.flush()


def _obey_until_stopped(part: LabPart, control: LabControl) -> None:
    while not control.is_stopped:
        part.run_until_due()
        control.update()
        if control.start_s is not None:
            part.start(control.start_s)
            control.start_s = None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise DataError(f"lab control: start {text!r} is no instant")
    return seconds
