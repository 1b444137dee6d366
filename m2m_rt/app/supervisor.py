"""Starts, watches and stops the daemons of one session; speaks for the operator."""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq

from m2m_rt.adapters.clock import LslClock
from m2m_rt.adapters.host import uninterrupted
from m2m_rt.adapters.live_outbox import LiveOutbox
from m2m_rt.adapters.operator_line import OperatorLine
from m2m_rt.adapters.rendezvous import Rendezvous
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.adapters.zmq_bus import BusPublisher, BusSubscriber
from m2m_rt.app.daemon_process import JOIN_TIMEOUT_S, UNTIL_STDIN_ENDS, meeting_folder
from m2m_rt.app.daemons import (
    DAEMONS,
    SUPERVISOR,
    subscribed_topics,
    subscriptions_of,
)
from m2m_rt.errors import ConfigError, LinkLost
from m2m_rt.messages import Health, Message, SessionEvent, SessionEventKind
from m2m_rt.ports import Received
from m2m_rt.runtime import Timers
from m2m_rt.units import RigNs

CONTROL = "control"
"""Name under which `m2m note` and others find the supervisor."""

STOP_TIMEOUT_S = 20.0
GIVE_UP_TIMEOUT_S = 5.0
"""For daemons to end that were started and are not needed after all."""

_SET_UP_WRONG = 2


class Supervisor:
    """The daemons of a session, from their start to their end: use as a `with`."""

    def __init__(self, folder: SessionFolder) -> None:
        """Supervise a new session."""
        self.folder = folder
        self.health: dict[str, Health] = {}
        """The last heartbeat of each daemon."""

        self.failed: dict[str, str] = {}
        """Daemons that ended before they were told to, and how."""

        self._clock = LslClock()
        self._context = zmq.Context()
        self._publisher = BusPublisher(self._context, SUPERVISOR.name)
        self._bus = BusSubscriber(self._context, self._clock)
        self._outbox = LiveOutbox(self._publisher, self._clock, Timers())
        self._meeting = Rendezvous(meeting_folder(folder))
        self._operator = OperatorLine(self._context, secrets.token_hex(16))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._is_started = False
        self._is_stopping = False

    def now_ns(self) -> RigNs:
        """Return the present instant of the rig clock."""
        return self._clock.now_ns()

    @property
    def n_lost(self) -> int:
        """Messages that should have come here and did not."""
        return self._bus.n_lost

    @property
    def process_ids(self) -> dict[str, int]:
        """The daemons' process ids, by name."""
        return {name: process.pid for name, process in self._processes.items()}

    def start(self, each_round: Callable[[], None] = lambda: None) -> None:
        """Start all daemons and wait until they are ready.

        Raises
        ------
        ConfigError
            If one refuses its set-up; the line is its own.
        LinkLost
            If one ends for another reason.
        """
        self._meeting.announce(SUPERVISOR.name, self._publisher.endpoint)
        self._meeting.announce(
            CONTROL, self._operator.endpoint, secret=self._operator.secret
        )
        (self.folder.root / "log").mkdir(exist_ok=True)
        for daemon in DAEMONS:
            self._processes[daemon.name] = self._spawn(daemon.name)
        self._join(each_round)
        self._is_started = True
        self.say(SessionEventKind.STARTED)

    def poll(self, wait_s: float) -> Sequence[Message]:
        """Return what the daemons said since the last call; pass on the operator's."""
        for kind, text in self._operator.take():
            self.say(kind, text)
        got = self._bus.poll(wait_s)
        messages = [one.message if isinstance(one, Received) else one for one in got]
        for message in messages:
            if isinstance(message, Health):
                self.health[message.daemon] = message
        self._look_for_failures()
        return messages

    def say(self, kind: SessionEventKind, text: str = "", daemon: str = "") -> None:
        """Tell every daemon and the record."""
        event = SessionEvent(
            t_ns=self._clock.now_ns(), kind=kind, text=text, daemon=daemon
        )
        self._outbox.say(event)

    def stop(self) -> Sequence[Message]:
        """Stop the daemons in the order of the table; return what they still said.

        What does not stop is killed. Daemons that had not all found each other are
        only let go of: they have nothing to finish.
        """
        if self._is_stopping or not self._processes:
            return ()
        self._is_stopping = True
        with uninterrupted():
            messages = self._stop_in_order()
            self._let_go()
        self._look_for_failures()
        return [*messages, *self.poll(0.0)]

    def _stop_in_order(self) -> Sequence[Message]:
        self.say(SessionEventKind.STOPPING)
        if not self._is_started:
            self._let_go()
        patience_s = STOP_TIMEOUT_S if self._is_started else GIVE_UP_TIMEOUT_S
        until_s = time.monotonic() + patience_s
        messages: list[Message] = []
        while self._alive() and time.monotonic() < until_s:
            messages += self.poll(0.05)
        for name in self._alive():
            self._processes[name].kill()
            self.failed[name] = "did not stop and was killed"
        for process in self._processes.values():
            process.wait()
        return messages

    def __enter__(self) -> Self:
        """Return itself, nothing started."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything that still runs."""
        self.stop()
        self._bus.close()
        self._publisher.close()
        self._operator.close()
        self._context.term()
        self._meeting.leave(CONTROL)
        self._meeting.leave(SUPERVISOR.name)

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        with self._log_path(name).open("wb") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "m2m_rt.app.start_daemon",
                    name,
                    str(self.folder.root),
                    UNTIL_STDIN_ENDS,
                ],
                stdin=subprocess.PIPE,  # its end tells the daemon that we are gone
                stdout=log,
                stderr=log,
            )

    def _join(self, each_round: Callable[[], None]) -> None:
        def watch() -> None:
            self._refuse_failures()
            each_round()

        for one in subscriptions_of(SUPERVISOR.name):
            self._bus.subscribe(one.topic, one.producer, one.delivery)
        names = [daemon.name for daemon in DAEMONS]
        for meeting in self._meeting.find(names, JOIN_TIMEOUT_S, watch).values():
            self._bus.connect(meeting.endpoint)
        wanted = subscribed_topics(SUPERVISOR.name)
        until_s = time.monotonic() + JOIN_TIMEOUT_S
        while not self._publisher.has_subscribers(wanted) or len(self.health) < len(
            names
        ):
            self.poll(0.02)
            watch()
            if time.monotonic() > until_s:
                missing = [name for name in names if name not in self.health]
                found = f"{', '.join(missing)} not ready after {JOIN_TIMEOUT_S:g} s"
                raise ConfigError("session", found, "all daemons to be ready")

    def _refuse_failures(self) -> None:
        self._look_for_failures()
        for name, how in self.failed.items():
            if self._processes[name].returncode == _SET_UP_WRONG:
                raise ConfigError(name, how, "a set-up that it can use")
            raise LinkLost(f"{name} ended: {how}")

    def _look_for_failures(self) -> None:
        for name, process in self._processes.items():
            status = process.poll()
            is_as_told = self._is_stopping and (status == 0 or not self._is_started)
            if status is None or is_as_told or name in self.failed:
                continue
            self.failed[name] = self._last_words(name, status)
            self.say(SessionEventKind.DAEMON_LOST, self.failed[name], name)

    def _let_go(self) -> None:
        for process in self._processes.values():
            if process.stdin is not None:
                process.stdin.close()

    def _alive(self) -> list[str]:
        return [name for name, one in self._processes.items() if one.poll() is None]

    def _last_words(self, name: str, status: int) -> str:
        lines = self._log_path(name).read_text(errors="replace").strip().splitlines()
        said = lines[-1].removeprefix(f"{name}: ") if lines else "no word"
        return f"status {status}: {said}" if status != _SET_UP_WRONG else said

    def _log_path(self, name: str) -> Path:
        return self.folder.root / "log" / f"{name}.log"
