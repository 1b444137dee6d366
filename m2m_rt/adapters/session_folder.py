"""The folder of one session: settings, journals, messages, models and trials."""

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import tomli_w

from m2m_rt.adapters.host import sync_file, sync_folder
from m2m_rt.errors import ConfigError, ModelRefused

_SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,40}")
_HASH = re.compile(r"[0-9a-f]{64}")


def unused_session_path(sessions: Path, *, started: datetime, subject: str) -> Path:
    """Return a path such as `sessions/20260314T091500Z-s01` that does not exist yet.

    Raises
    ------
    ConfigError
        If the subject's pseudonym has other characters than letters, digits, _ and -.
    """
    if not _SUBJECT.fullmatch(subject):
        raise ConfigError("subject", repr(subject), "1-40 letters, digits, _ or -")
    name = f"{started:%Y%m%dT%H%M%SZ}-{subject}"
    path, n_taken = sessions / name, 1
    while path.exists():
        n_taken += 1
        path = sessions / f"{name}-{n_taken}"
    return path


@dataclass(frozen=True, slots=True)
class SessionFolder:
    """Where everything of one session lies; every daemon opens the same one."""

    root: Path

    @classmethod
    def create(cls, root: Path, settings: Mapping[str, Any]) -> "SessionFolder":
        """Make a new session's folder.

        Parameters
        ----------
        root
            May exist if it is empty.
        settings
            What `session.toml` is to say: the resolved configuration, versions,
            hashes of table and protocol, seed. TOML has no None.

        Raises
        ------
        ConfigError
            If something is there already: a session is never written over.
        """
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise ConfigError(str(root), "something that exists", "a new session")
        folder = cls(root)
        for needed in (root, folder.journals, folder.models):
            needed.mkdir(parents=True, exist_ok=True)
        _write_whole(folder.settings_path, tomli_w.dumps(settings).encode())
        return folder

    @classmethod
    def open(cls, root: Path) -> "SessionFolder":
        """Return an existing session's folder.

        Raises
        ------
        ConfigError
            If it is not one.
        """
        folder = cls(root)
        if not folder.settings_path.is_file():
            raise ConfigError(str(root), "no session.toml", "a session folder")
        return folder

    @property
    def settings_path(self) -> Path:
        """The session's settings."""
        return self.root / "session.toml"

    @property
    def messages_path(self) -> Path:
        """Every message of the bus."""
        return self.root / "messages.mcap"

    @property
    def trials_path(self) -> Path:
        """One row a trial, for people and statistics."""
        return self.root / "trials.csv"

    @property
    def journals(self) -> Path:
        """What the deciding daemons were handed and answered."""
        return self.root / "journal"

    @property
    def models(self) -> Path:
        """Every model used or made, by the hash of its file."""
        return self.root / "models"

    @property
    def lab(self) -> Path:
        """The simulated lab's truth; a demo has it, and only its report reads it."""
        return self.root / "lab"

    def settings(self) -> dict[str, Any]:
        """Return what `session.toml` says.

        Raises
        ------
        ConfigError
            If it is no TOML.
        """
        try:
            return tomllib.loads(self.settings_path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
            raise ConfigError(str(self.settings_path), str(err), "TOML") from err

    def new_journal_path(self, daemon: str) -> Path:
        """Return where a daemon's journal goes; each start of it has its own."""
        n_starts = len(self.journal_paths(daemon))
        name = daemon if n_starts == 0 else f"{daemon}.{n_starts + 1}"
        return self.journals / f"{name}.mcap"

    def journal_paths(self, daemon: str) -> list[Path]:
        """Return a daemon's journals, one for each start, in that order."""
        first = self.journals / f"{daemon}.mcap"
        found = [first] if first.is_file() else []
        path = self.journals / f"{daemon}.{len(found) + 1}.mcap"
        while path.is_file():
            found.append(path)
            path = self.journals / f"{daemon}.{len(found) + 1}.mcap"
        return found

    def store_model(self, content: bytes) -> str:
        """Keep a model's file; return its sha256, which is its name."""
        model_hash = hashlib.sha256(content).hexdigest()
        path = self.model_path(model_hash)
        if not path.is_file():
            _write_whole(path, content)
        return model_hash

    def model_path(self, model_hash: str) -> Path:
        """Return where a model lies.

        Raises
        ------
        ModelRefused
            If the name is no sha256.
        """
        if not _HASH.fullmatch(model_hash):
            msg = f"{model_hash!r} is no sha256"
            raise ModelRefused(msg)
        return self.models / f"{model_hash}.onnx"

    def model_bytes(self, model_hash: str) -> bytes:
        """Return a model's file after checking it against its name.

        Raises
        ------
        ModelRefused
            If it is missing or was changed.
        """
        path = self.model_path(model_hash)
        if not path.is_file():
            msg = f"{path}: no such model in this session"
            raise ModelRefused(msg)
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != model_hash:
            msg = f"{path}: its sha256 is {found}"
            raise ModelRefused(msg)
        return content


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        sync_file(file.fileno())
    part.replace(path)
    sync_folder(path.parent)
