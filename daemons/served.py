"""served: see the table in `m2m_rt/app/daemons.py`."""

import sys

from m2m_rt.app.threads import limit_threads

limit_threads()

from m2m_rt.app.run_daemon import run_daemon  # noqa: E402 - before numpy loads

if __name__ == "__main__":
    sys.exit(run_daemon("served", sys.argv[1:]))
