"""Where Lab Streaming Layer looks for streams: written to a file that liblsl reads.

liblsl reads its configuration once a process, when it is loaded: call `use_config`
before the first `import pylsl`. Child processes inherit the choice.
"""

import os
from pathlib import Path

_LOOPBACK = """\
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
ListenAddress = 127.0.0.1
Interfaces = {{127.0.0.1}}
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = {session_id}
[log]
level = -3
"""


def write_loopback_config(path: Path, session_id: str) -> None:
    """Write a configuration with which streams are found on this machine only.

    Parameters
    ----------
    path
        The file to write.
    session_id
        Streams of another session are not seen: two demos or test runs on one machine
        do not mix. Letters, digits, `-` and `_`.

    Raises
    ------
    ValueError
        If the session's name could be read as something else by liblsl.
    """
    if not session_id.replace("-", "").replace("_", "").isalnum():
        raise ValueError(
            f"LSL session id {session_id!r} has other than letters, digits"
        )
    path.write_text(_LOOPBACK.format(session_id=session_id), encoding="utf-8")


def use_config(path: Path) -> None:
    """Make liblsl read this file in this process and the ones that it starts."""
    os.environ["LSLAPICFG"] = str(path)
