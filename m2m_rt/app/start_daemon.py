"""The way into a daemon's process: limits of threads first, then all that it needs.

Nothing here loads numpy, so that the limits are set before it is.
"""

import sys
from collections.abc import Sequence

from m2m_rt.app.threads import limit_threads


def start_daemon(name: str, arguments: Sequence[str]) -> int:
    """Run a daemon until its session is over; return the exit status."""
    limit_threads()
    from m2m_rt.app.run_daemon import run_daemon

    return run_daemon(name, arguments)


if __name__ == "__main__":
    sys.exit(start_daemon(sys.argv[1], sys.argv[2:]))
