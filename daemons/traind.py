"""traind: see the table in `m2m_rt/app/daemons.py`."""

import sys

from m2m_rt.app.start_daemon import start_daemon

if __name__ == "__main__":
    sys.exit(start_daemon("traind", sys.argv[1:]))
