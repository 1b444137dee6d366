"""Starts and ends the two processes of a virtual lab, and hears what they say."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from m2m_rt.errors import LinkLost
from m2m_rt.sim.lab_settings import LabSettings, write_lab_settings

PARTS = ("amplifier", "navigation")
SETTINGS_NAME = "lab.json"

_POLL_S = 0.02
_PATIENCE_S = 10.0
"""For a process that was told to stop."""


class _Part:
    """One process, and the last thing of each kind that it said."""

    def __init__(self, name: str, settings: Path) -> None:
        self.name = name
        self.said: dict[str, object] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"m2m_rt.sim.{name}", str(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._listen, name=name, daemon=True).start()

    def tell(self, line: str) -> None:
        """Send one line; a process that has gone is not an error here."""
        if self.process.stdin is None or self.process.stdin.closed:
            return
        with contextlib.suppress(OSError):
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """Wait for the process, and kill it if it does not end."""
        try:
            self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):  # what could not be flushed
                self.process.stdin.close()

    def _listen(self) -> None:
        if self.process.stdout is None:
            return
        with self.process.stdout as said:
            for line in said:
                self.said |= msgspec.json.decode(line, type=dict[str, object])


class LabProcesses:
    """A virtual lab that runs beside this process; ends with the `with` block."""

    def __init__(self, settings: LabSettings) -> None:
        """Write the settings into the lab's folder and start both processes."""
        folder = Path(settings.log_folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_lab_settings(settings, folder / SETTINGS_NAME)
        self._parts = [_Part(name, folder / SETTINGS_NAME) for name in PARTS]

    def wait_ready(
        self, timeout_s: float, each_round: Callable[[], None] = lambda: None
    ) -> None:
        """Wait until every stream is there.

        Parameters
        ----------
        timeout_s
            Longest wait.
        each_round
            Called while waiting, for example to show progress.

        Raises
        ------
        LinkLost
            If a process ended or the time is over.
        """
        end_s = time.monotonic() + timeout_s
        while not self._have_said("ready"):
            self.check()
            if time.monotonic() > end_s:
                raise LinkLost(f"virtual lab: not ready within {timeout_s:g} s")
            each_round()
            time.sleep(_POLL_S)

    def start(self, start_s: float) -> None:
        """Begin the pulse schedule at an instant of the rig clock, in seconds."""
        for part in self._parts:
            part.tell(f"start {start_s!r}")

    @property
    def is_finished(self) -> bool:
        """Whether the last pulse was given half a second ago or more."""
        return self._have_said("finished")

    def check(self) -> None:
        """Raise LinkLost if a process has ended by itself."""
        for part in self._parts:
            status = part.process.poll()
            if status is not None:
                raise LinkLost(f"virtual lab: {part.name} ended with status {status}")

    def stop(self) -> None:
        """End both processes; their log is complete after this."""
        for part in self._parts:
            part.tell("stop")
        for part in self._parts:
            part.end()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the lab if it still runs."""
        self.stop()

    def _have_said(self, word: str) -> bool:
        return all(word in part.said for part in self._parts)
