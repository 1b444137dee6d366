"""Whole sessions as an experimenter starts them: real processes on a virtual lab."""

import csv
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from m2m_rt.adapters.mcap_reader import LogEntry, LogReader
from m2m_rt.app.config_path import config_path
from m2m_rt.app.daemons import DAEMONS
from m2m_rt.app.table_path import table_path
from m2m_rt.messages import Message, decode
from m2m_rt.nodes import PoseRegistration
from m2m_rt.sim import LabProcesses, plan_lab
from m2m_rt.sim.lab_settings import LabSettings

DEADLINE_S = 90.0
"""Far beyond what any step takes on a busy machine: only a hang reaches it."""

IN_HEAD = PoseRegistration()
"""The demo's navigator: head frame, mm, SimNIBS."""

_LOOK_EVERY_S = 0.05


def wait_until(
    condition: Callable[[], bool], what: str, each_round: Callable[[], object] = object
) -> None:
    """Look at a condition until it is true.

    Raises
    ------
    TimeoutError
        If that takes implausibly long.
    """
    until_s = time.monotonic() + DEADLINE_S
    while not condition():
        each_round()
        if time.monotonic() > until_s:
            raise TimeoutError(what)
        time.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True)
class Rig:
    """A lab that runs, and the files that describe it."""

    lab: LabProcesses
    rig: Path
    protocol: Path
    settings: LabSettings


@contextmanager
def running_lab(
    folder: Path, *, n_pulses: int, navigator: PoseRegistration = IN_HEAD
) -> Iterator[Rig]:
    """Run a virtual lab on the shipped table, a pulse each 2.5 s.

    The rig file is the demo's: it knows nothing of another `navigator`.
    """
    plan = plan_lab(
        table_path("demo"), seed=3, n_pulses=n_pulses, log_folder=folder / "lab"
    )
    settings = msgspec.structs.replace(
        plan.settings,
        first_pulse_s=2.5,
        interval_s=(2.5, 2.6),
        navigator=navigator,
    )
    protocol = folder / "protocol.toml"
    protocol.write_text(f'subject = "s01"\nrmt_pct_mso = {plan.rmt_pct_mso}\n')
    with LabProcesses(settings) as lab:
        lab.wait_ready(DEADLINE_S)
        yield Rig(lab, config_path("rig.demo.toml"), protocol, settings)


class Command:
    """`m2m` in a process of its own."""

    def __init__(self, out: Path, *arguments: str | Path) -> None:
        """Start it; what it says goes to files beside `out`."""
        self._said, self._wrong = out.with_suffix(".out"), out.with_suffix(".err")
        with self._said.open("wb") as said, self._wrong.open("wb") as wrong:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "m2m_rt.app.cli", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=wrong,
            )

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self._said.read_text(encoding="utf-8")

    @property
    def wrong(self) -> str:
        """What it printed on stderr so far."""
        return self._wrong.read_text(encoding="utf-8")

    def status(self) -> int:
        """Wait for its end."""
        return self.process.wait(DEADLINE_S)

    def check(self) -> None:
        """Raise if it has ended."""
        status = self.process.poll()
        if status is not None:
            raise AssertionError(f"ended with {status}: {self.said} {self.wrong}")

    def kill_if_running(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextmanager
def running_session(rig: Rig, root: Path, *options: str) -> Iterator[Command]:
    """Run `m2m run` on a lab; give it when its first trial is there."""
    command = Command(
        root.with_name(f"{root.name}-said"),
        *("run", "--rig", rig.rig, "--protocol", rig.protocol, "--session", root),
        *options,
    )
    try:
        wait_until(lambda: bool(trials(root)), "the first trial", command.check)
        yield command
    finally:
        command.kill_if_running()


def trials(root: Path) -> list[dict[str, str]]:
    """Return the rows of trials.csv that are whole."""
    path = root / "trials.csv"
    if not path.is_file():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    return list(csv.DictReader(whole.splitlines()))


def entries(path: Path) -> list[LogEntry]:
    """Return what can be read of an MCAP file."""
    return list(LogReader(path))


def messages(root: Path, topic: str) -> list[Message]:
    """Return the recorded messages of `topic/daemon`."""
    found = entries(root / "messages.mcap")
    return [decode(one.frame) for one in found if one.topic == topic]


def daemons_left(root: Path) -> set[str]:
    """Return the daemons that have not taken leave of a session."""
    names = {daemon.name for daemon in DAEMONS}
    return names & {path.stem for path in (root / "bus").glob("*.json")}
