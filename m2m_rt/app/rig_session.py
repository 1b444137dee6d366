"""A session on a lab's own streams, and the operator's words to it."""

import time
from pathlib import Path

from rich.console import Console

from m2m_rt.adapters.operator_line import tell_supervisor
from m2m_rt.adapters.rendezvous import Rendezvous
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.config import read_protocol, read_rig
from m2m_rt.app.daemon_process import meeting_folder
from m2m_rt.app.live_session import lines_of_loss, shown
from m2m_rt.app.live_view import LiveView
from m2m_rt.app.new_session import SESSIONS, check_rig, create_session
from m2m_rt.app.stream_preflight import check_streams
from m2m_rt.app.supervisor import CONTROL, Supervisor
from m2m_rt.errors import ConfigError, LinkLost
from m2m_rt.messages import SessionEventKind


def run_rig_session(
    rig_path: Path,
    protocol_path: Path,
    *,
    root: Path | None,
    duration_s: float | None,
    console: Console,
) -> Path:
    """Run a session until its time is over or Ctrl-C; return its folder.

    Raises
    ------
    ConfigError
        If a file, a stream, the table or the model is not what it should be.
    LinkLost
        If a daemon ended before its time: at once if the session cannot do without
        it, else when the session is over.
    """
    rig, protocol = read_rig(rig_path), read_protocol(protocol_path)
    with console.status("reading table and model"):
        new = check_rig(rig, protocol)
    with console.status("looking for the rig's streams"):
        check_streams(rig)
    folder = create_session(new, root)
    view = LiveView([muscle.name for muscle in rig.emg.muscles])
    with Supervisor(folder) as supervisor:
        with console.status("starting the daemons"):
            supervisor.start()
        _show_until_over(supervisor, view, console, duration_s)
        with console.status("stopping the daemons"):
            supervisor.stop()
        if lost := lines_of_loss(supervisor):
            raise LinkLost(f"{'; '.join(lost)}; the record is in {folder.root}")
    return folder.root


def tell_session(kind: SessionEventKind, text: str, session: Path | None) -> Path:
    """Give a running session a word; return its folder.

    Raises
    ------
    ConfigError
        If no session is running.
    LinkLost
        If it does not answer.
    """
    root = session or _running_session()
    folder = SessionFolder.open(root)
    try:
        found = Rendezvous(meeting_folder(folder)).find([CONTROL], timeout_s=0.0)
    except ConfigError as err:
        found_out = "a session that is over"
        raise ConfigError(str(root), found_out, "one that is running") from err
    tell_supervisor(found[CONTROL], kind, text)
    return root


def _show_until_over(
    supervisor: Supervisor,
    view: LiveView,
    console: Console,
    duration_s: float | None,
) -> None:
    until_s = None if duration_s is None else time.monotonic() + duration_s
    with shown(supervisor, view, console, quiet=console.quiet) as redraw:
        try:
            while until_s is None or time.monotonic() < until_s:
                redraw()
        except KeyboardInterrupt:
            console.print("stopping")


def _running_session() -> Path:
    running = sorted(SESSIONS.glob(f"*/bus/{CONTROL}.json"))
    if not running:
        raise ConfigError(str(SESSIONS), "no running session", "--session FOLDER")
    return running[-1].parents[1]
