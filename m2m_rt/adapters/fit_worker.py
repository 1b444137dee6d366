"""What the process that fits does: it waits, and carries out one fit after another."""

import os
from collections.abc import Callable
from pathlib import Path

from m2m_rt.adapters.parent_watch import lines_of_parent
from m2m_rt.errors import DataError
from m2m_rt.messages import FitFinished, FitRequest, decode, encode

CarryOut = Callable[[FitRequest], FitFinished]


def serve_fits(session: Path, prepare: Callable[[Path], CarryOut]) -> None:
    """Carry out what the parent asks for, until it ends, and this process with it.

    The parent writes a fit's number in a line, its `FitRequest` being in a file; the
    answer becomes a file in one step. A fit that fails is this process's end.

    Parameters
    ----------
    session
        The session's folder.
    prepare
        Called first, before there is anything to do, with that folder; returns what
        carries out a request.
    """
    requests = lines_of_parent()
    carry_out = prepare(session)
    ready_file(session).write_text(str(os.getpid()))
    for number in requests:
        path = fit_file(session, int(number), "request")
        request = decode(path.read_bytes())
        if not isinstance(request, FitRequest):
            raise DataError(f"{path}: not a fit request")
        answer = encode(carry_out(request))
        partial = fit_file(session, request.fit_id, "partial")
        partial.write_bytes(answer)
        os.replace(partial, fit_file(session, request.fit_id, "answer"))


def fit_file(session: Path, fit_id: int, what: str) -> Path:
    """Return where a fit's request, or its answer, lies."""
    return session / "fits" / f"{fit_id:03d}.{what}"


def ready_file(session: Path) -> Path:
    """Return where the process that fits leaves its number once it is ready."""
    return session / "fits" / "ready"
