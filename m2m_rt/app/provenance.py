"""What a session was recorded with, against what would replay it now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.versions import code_hash, versions

_SHOWN = 12
"""Digits of a hash that a person compares."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Why a replay may differ although nothing is wrong; no fault by itself."""

    recorded_code: str
    """Hash of the code that recorded; empty: the session does not say."""

    present_code: str
    other_versions: Mapping[str, tuple[str, str]]
    """What differs: recorded and present version, empty where there is none."""

    @property
    def is_same_code(self) -> bool:
        """Whether the code is the one that recorded."""
        return self.recorded_code == self.present_code

    def notes(self) -> list[str]:
        """Return a line for each thing that differs."""
        lines = [
            f"recorded with {name} {was or 'none'}, now {now or 'none'}"
            for name, (was, now) in self.other_versions.items()
        ]
        if self.is_same_code:
            return lines
        was = self.recorded_code[:_SHOWN] or "not said which"
        return [
            f"recorded with other code ({was}, now {self.present_code[:_SHOWN]})",
            *lines,
        ]

    def as_json(self) -> dict[str, Any]:
        """Return what is stored beside the result of a check."""
        return {
            "same_code": self.is_same_code,
            "other_versions": {k: list(v) for k, v in self.other_versions.items()},
        }


def provenance_of(folder: SessionFolder) -> Provenance:
    """Compare a session's settings with this code and machine.

    Raises
    ------
    ConfigError
        If `session.toml` is no TOML.
    """
    settings = folder.settings()
    was, now = _strings(settings.get("versions")), versions()
    return Provenance(
        recorded_code=str(settings.get("code_hash", "")),
        present_code=code_hash(),
        other_versions={
            name: (was.get(name, ""), now.get(name, ""))
            for name in sorted(was.keys() | now.keys())
            if was.get(name) != now.get(name)
        },
    )


def _strings(table: object) -> dict[str, str]:
    if not isinstance(table, dict):
        return {}
    return {str(name): str(value) for name, value in table.items()}
