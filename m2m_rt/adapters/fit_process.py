"""Runs each refit in a process of its own, which can be killed."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from m2m_rt.adapters.clock import LslClock
from m2m_rt.errors import DataError
from m2m_rt.messages import FitFinished, FitRequest, Message, decode, encode

_PATIENCE_S = 5.0
_LAST_WORDS = 300


class FitProcess:
    """A `Source` of `FitFinished`; one fit at a time.

    The process is `python -m MODULE SESSION REQUEST ANSWER`: it reads an encoded
    `FitRequest` and writes an encoded `FitFinished`, the model stored in the session.
    """

    def __init__(self, module: str, session: Path) -> None:
        """Run fits of this session with a module's main program."""
        self._module = module
        self._session = session
        self._folder = session / "fits"
        self._clock = LslClock()
        self._running: tuple[FitRequest, subprocess.Popen[bytes]] | None = None

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
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._running = request, process

    def poll(self, wait_s: float) -> Sequence[Message]:  # noqa: ARG002 - never waits
        """Return the answer of a fit that has ended, whichever way."""
        if self._running is None:
            return ()
        request, process = self._running
        if process.poll() is None:
            return ()
        self._running = None
        return (self._answer(request, process.returncode),)

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
            self._running[1].kill()
            self._running[1].wait(_PATIENCE_S)

    def _answer(self, request: FitRequest, status: int) -> Message:
        path = self._path(request, "answer")
        if status == 0 and path.is_file():
            return decode(path.read_bytes())
        log = self._path(request, "log").read_text(errors="replace").strip()
        return FitFinished(
            t_ns=self._clock.now_ns(),
            fit_id=request.fit_id,
            model_hash=None,
            error=f"the fit ended with status {status}: {log[-_LAST_WORDS:]}",
        )

    def _path(self, request: FitRequest, what: str) -> Path:
        return self._folder / f"{request.fit_id:03d}.{what}"
