"""How the processes of one session find each other: a file each, in its folder."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from m2m_rt.errors import ConfigError

_LOOK_EVERY_S = 0.02


class Meeting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where one process can be reached."""

    endpoint: str
    pid: int
    secret: str = ""
    """For commands: only who can read the session's folder may give them."""


class Rendezvous:
    """The meeting place of one session."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, made if it is not there."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def announce(self, name: str, endpoint: str, *, secret: str = "") -> None:
        """Say where this process is."""
        meeting = Meeting(endpoint=endpoint, pid=os.getpid(), secret=secret)
        part = self._folder / f".{name}.part"
        part.touch(mode=0o600)
        part.write_bytes(msgspec.json.encode(meeting))
        part.replace(self._path(name))

    def find(
        self,
        names: Iterable[str],
        timeout_s: float,
        each_round: Callable[[], None] = lambda: None,
    ) -> dict[str, Meeting]:
        """Wait until all of these have announced themselves.

        Raises
        ------
        ConfigError
            If one has not after `timeout_s`.
        """
        wanted = list(names)
        until_s = time.monotonic() + timeout_s
        while missing := [name for name in wanted if not self._path(name).is_file()]:
            if time.monotonic() > until_s:
                found = f"no sign of {', '.join(missing)} after {timeout_s:g} s"
                raise ConfigError(str(self._folder), found, "all daemons to start")
            each_round()
            time.sleep(_LOOK_EVERY_S)
        return {name: self._read(name) for name in wanted}

    def leave(self, name: str) -> None:
        """Take the announcement back."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, name: str) -> Meeting:
        path = self._path(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Meeting)
        except (msgspec.MsgspecError, UnicodeDecodeError) as err:
            raise ConfigError(str(path), str(err), "a process's address") from err
