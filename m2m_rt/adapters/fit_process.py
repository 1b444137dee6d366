"""Runs each refit in a process of its own, which can be killed."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from m2m_rt.adapters.clock import LslClock
from m2m_rt.errors import DataError
from m2m_rt.messages import FitFinished, FitRequest, Message, decode, encode

LIMIT_S = 600.0
"""A fit that takes longer is killed: it hangs, or would come too late to be of use."""

_PATIENCE_S = 5.0
_LAST_WORDS = 300


@dataclass(frozen=True, slots=True)
class _Running:
    request: FitRequest
    process: subprocess.Popen[bytes]
    since_s: float


class FitProcess:
    """A `Source` of `FitFinished`; one fit at a time.

    The process is `python -m MODULE SESSION REQUEST ANSWER`: it reads an encoded
    `FitRequest` and writes an encoded `FitFinished`, the model stored in the session.
    Its stdin ends when this process does: it must not outlive it (`exit_with_parent`).
    """

    def __init__(self, module: str, session: Path, *, limit_s: float = LIMIT_S) -> None:
        """Run fits of this session with a module's main program."""
        self._module = module
        self._limit_s = limit_s
        self._session = session
        self._folder = session / "fits"
        self._clock = LslClock()
        self._running: _Running | None = None

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
        self._folder.mkdir(exist_ok=True)
        self._path(request, "request").write_bytes(encode(request))
        with self._path(request, "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    self._module,
                    str(self._session),
                    str(self._path(request, "request")),
                    str(self._path(request, "answer")),
                ],
                stdin=subprocess.PIPE,  # ends with this process, however that ends
                stdout=log,
                stderr=log,
            )
        self._running = _Running(request, process, time.monotonic())

    def poll(self, wait_s: float) -> Sequence[Message]:
        """Return the answer of a fit that has ended, whichever way."""
        running = self._running
        if running is None or not self._has_ended(running):
            time.sleep(wait_s)
            return ()
        self._running = None
        _let_go(running.process)
        return (self._answer(running.request, running.process.returncode),)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill a fit that is running."""
        if self._running is not None:
            self._running.process.kill()
            self._running.process.wait(_PATIENCE_S)
            _let_go(self._running.process)

    def _has_ended(self, running: _Running) -> bool:
        is_over = time.monotonic() - running.since_s > self._limit_s
        if running.process.poll() is None and is_over:
            running.process.kill()
            running.process.wait(_PATIENCE_S)
        return running.process.poll() is not None

    def _answer(self, request: FitRequest, status: int) -> FitFinished:
        path = self._path(request, "answer")
        error = f"the fit ended with status {status}"
        if status == 0 and path.is_file():
            try:
                answer = decode(path.read_bytes())
            except DataError as err:
                error = f"the fit's answer: {err}"
            else:
                if isinstance(answer, FitFinished) and answer.fit_id == request.fit_id:
                    return answer
                error = "the fit answered something else"
        log = self._path(request, "log").read_text(errors="replace").strip()
        return FitFinished(
            t_ns=self._clock.now_ns(),
            fit_id=request.fit_id,
            model_hash=None,
            error=f"{error}: {log[-_LAST_WORDS:]}",
        )

    def _path(self, request: FitRequest, what: str) -> Path:
        return self._folder / f"{request.fit_id:03d}.{what}"


def _let_go(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
