"""Runs refits in a process of their own, which can be killed."""

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from m2m_rt.adapters.clock import LslClock
from m2m_rt.adapters.fit_worker import fit_file, ready_file
from m2m_rt.errors import DataError
from m2m_rt.messages import FitFinished, FitRequest, Message, decode, encode

LIMIT_S = 600.0
"""A fit that takes longer is killed: it hangs, or would come too late to be of use."""

_PATIENCE_S = 5.0
_LOOK_EVERY_S = 0.05
_LAST_WORDS = 300


@dataclass(frozen=True, slots=True)
class _Running:
    request: FitRequest
    since_s: float


@dataclass(frozen=True, slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    log: Path


class FitProcess:
    """A `Source` of `FitFinished`; one fit at a time: use as a `with`.

    The process is `python -m MODULE SESSION`, which calls `serve_fits`. It is started
    before it is needed, for reading its libraries from the disk takes the machine's
    breath; it waits between fits, and is replaced after one that went wrong. Its stdin
    ends when this process does, and it with that.
    """

    def __init__(self, module: str, session: Path, *, limit_s: float = LIMIT_S) -> None:
        """Run fits of this session with a module's main program."""
        self._module = module
        self._limit_s = limit_s
        self._session = session
        self._clock = LslClock()
        self._running: _Running | None = None
        self._worker: _Worker | None = None
        self._n_workers = 0

    def start(self, request: FitRequest) -> None:
        """Begin a fit.

        Raises
        ------
        DataError
            If one is running.
        """
        if self._running is not None:
            msg = f"fit {request.fit_id} asked for while another is running"
            raise DataError(msg)
        worker = self._ready_worker()
        fit_file(self._session, request.fit_id, "answer").unlink(missing_ok=True)
        path = fit_file(self._session, request.fit_id, "request")
        path.write_bytes(encode(request))
        _tell(worker.process, request.fit_id)
        self._running = _Running(request, time.monotonic())

    def wait_until_ready(self, longest_s: float) -> bool:
        """Wait for the process to be ready for its first fit; return whether it is."""
        worker, until_s = self._ready_worker(), time.monotonic() + longest_s
        path = ready_file(self._session)
        while not path.is_file() or path.read_text() != str(worker.process.pid):
            if time.monotonic() > until_s or worker.process.poll() is not None:
                return False
            time.sleep(_LOOK_EVERY_S)
        return True

    def poll(self, wait_s: float) -> Sequence[Message]:
        """Return the answer of a fit that has ended, whichever way."""
        running = self._running
        if running is None or not self._has_ended(running):
            time.sleep(wait_s)
            return ()
        self._running = None
        answer = self._answer(running.request)
        if answer.model_hash is None:
            self._replace_worker()
        return (answer,)

    def __enter__(self) -> Self:
        """Start the process; it gets ready meanwhile."""
        self._ready_worker()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill the process, a fit that is running with it."""
        self._end_worker()

    def _ready_worker(self) -> _Worker:
        """Return the process that waits; a new one if it has ended meanwhile."""
        if self._worker is not None and self._worker.process.poll() is None:
            return self._worker
        return self._replace_worker()

    def _replace_worker(self) -> _Worker:
        self._end_worker()
        folder = self._session / "fits"
        folder.mkdir(exist_ok=True)
        path = folder / f"process.{self._n_workers}.log"
        self._n_workers += 1
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", self._module, str(self._session)],
                stdin=subprocess.PIPE,  # ends with this process, however that ends
                stdout=log,
                stderr=log,
            )
        self._worker = _Worker(process, path)
        return self._worker

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.process.kill()
            self._worker.process.wait(_PATIENCE_S)
            _let_go(self._worker.process)
            self._worker = None

    def _has_ended(self, running: _Running) -> bool:
        if fit_file(self._session, running.request.fit_id, "answer").is_file():
            return True
        is_over = time.monotonic() - running.since_s > self._limit_s
        return (
            is_over or self._worker is None or self._worker.process.poll() is not None
        )

    def _answer(self, request: FitRequest) -> FitFinished:
        path = fit_file(self._session, request.fit_id, "answer")
        if not path.is_file():
            return self._no_answer(request, self._how_it_ended())
        try:
            answer = decode(path.read_bytes())
        except DataError as err:
            return self._no_answer(request, f"the fit's answer: {err}")
        if isinstance(answer, FitFinished) and answer.fit_id == request.fit_id:
            return answer
        return self._no_answer(request, "the fit answered something else")

    def _how_it_ended(self) -> str:
        status = None if self._worker is None else self._worker.process.poll()
        if status is None:
            return f"the fit took longer than {self._limit_s:g} s"
        return f"the fit ended with status {status}"

    def _no_answer(self, request: FitRequest, error: str) -> FitFinished:
        log = ""
        if self._worker is not None:
            log = self._worker.log.read_text(errors="replace").strip()
        return FitFinished(
            t_ns=self._clock.now_ns(),
            fit_id=request.fit_id,
            model_hash=None,
            error=f"{error}: {log[-_LAST_WORDS:]}",
        )


def _tell(process: subprocess.Popen[bytes], fit_id: int) -> None:
    """Name a fit to the process; one that has just ended is found out by polling."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(f"{fit_id}\n".encode())
            process.stdin.flush()


def _let_go(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
