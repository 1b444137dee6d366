"""The refits of a session in a process of their own: `python -m … SESSION`.

It gets ready at once and waits for requests; killing it loses nothing but a candidate.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from m2m_rt.adapters.fit_worker import serve_fits
from m2m_rt.adapters.host import ignore_interrupt, lower_priority
from m2m_rt.messages import FitFinished, FitRequest


def main(arguments: list[str]) -> int:
    """Serve until the parent ends."""
    (session,) = map(Path, arguments)
    ignore_interrupt()  # Ctrl-C is the supervisor's; this ends with its parent
    lower_priority()
    serve_fits(session, _prepare)
    return 0


def _prepare(session: Path) -> Callable[[FitRequest], FitFinished]:
    # Here, so that hundreds of megabytes are loaded at a low priority already, and by a
    # process that would notice its parent's end.
    from m2m_rt.app.refit_work import prepare_refits

    return prepare_refits(session)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
