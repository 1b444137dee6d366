"""Exact replay of every deciding daemon of a session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.errors import M2mError
from m2m_rt.ports import Node
from m2m_rt.replay.exact import replay_daemon
from m2m_rt.replay.report import Difference, Finding, ReplayReport

BuildNode = Callable[[str], Node]
"""Builds a daemon's node as its process did, from what lies in the session folder."""


@dataclass(frozen=True, slots=True)
class SessionCheck:
    """What the replay of a session found."""

    reports: tuple[ReplayReport, ...]
    differences: tuple[Difference, ...]
    """The first one of each journal; empty when everything is equal."""


def check_session(
    folder: SessionFolder,
    daemons: Sequence[str],
    build_node: BuildNode,
    *,
    rtol: float = 0.0,
    progress: Callable[[str, int], None] | None = None,
) -> SessionCheck:
    """Replay the journals of the named daemons.

    `progress` is told a journal's file name and how many bytes of it are done.
    """
    reports: list[ReplayReport] = []
    differences: list[Difference] = []
    for daemon in daemons:
        journals = folder.journal_paths(daemon)
        if not journals:
            name = f"{daemon}.mcap"
            differences.append(Difference(daemon, name, Finding.NO_JOURNAL))
        for journal in journals:
            try:
                report = replay_daemon(
                    journal,
                    build_node(daemon),
                    daemon=daemon,
                    rtol=rtol,
                    progress=_named(progress, journal),
                )
            except M2mError as err:
                differences.append(_not_rebuilt(daemon, journal, err))
                continue
            reports.append(report)
            differences += [report.difference] if report.difference else []
    return SessionCheck(tuple(reports), tuple(differences))


def n_bytes_to_replay(folder: SessionFolder, daemons: Sequence[str]) -> int:
    """Return the size of all journals, for a progress bar."""
    journals = (path for daemon in daemons for path in folder.journal_paths(daemon))
    return sum(path.stat().st_size for path in journals)


def _named(
    progress: Callable[[str, int], None] | None, journal: Path
) -> Callable[[int], None] | None:
    if progress is None:
        return None
    return lambda n_bytes: progress(journal.name, n_bytes)


def _not_rebuilt(daemon: str, journal: Path, err: M2mError) -> Difference:
    return Difference(
        daemon, journal.name, Finding.NOT_REBUILT, recorded="", recomputed=str(err)
    )
