import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from m2m_rt.adapters.lsl_config import write_loopback_config

OUTLET = """\
import sys
from pathlib import Path
from m2m_rt.adapters.lsl_config import use_config
use_config(Path(sys.argv[1]))
import pylsl
info = pylsl.StreamInfo("planted", "Test", 1, 0.0, "float32", "planted")
outlet = pylsl.StreamOutlet(info)
print("up", flush=True)
sys.stdin.read()
"""

SEARCH = """\
import sys
from pathlib import Path
from m2m_rt.adapters.lsl_config import use_config
use_config(Path(sys.argv[1]))
import pylsl
found = pylsl.resolve_byprop("name", "planted", minimum=1, timeout=float(sys.argv[2]))
print(len(found))
"""


def streams_found(config: Path, timeout_s: float) -> int:
    command = [sys.executable, "-c", SEARCH, str(config), str(timeout_s)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_streams_are_found_in_their_own_session_only(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.cfg", tmp_path / "theirs.cfg"
    write_loopback_config(ours, f"ours-{uuid.uuid4().hex}")
    write_loopback_config(theirs, f"theirs-{uuid.uuid4().hex}")
    outlet = subprocess.Popen(
        [sys.executable, "-c", OUTLET, str(ours)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with outlet:
        assert outlet.stdout is not None
        assert outlet.stdout.readline() == "up\n"
        assert streams_found(ours, 20.0) == 1
        assert streams_found(theirs, 1.0) == 0


@pytest.mark.parametrize("session_id", ["", "a b", "a\n[ports]", "{x}"])
def test_a_session_id_cannot_write_settings(session_id: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="session id"):
        write_loopback_config(tmp_path / "lsl.cfg", session_id)
