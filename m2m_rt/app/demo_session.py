"""One session with a virtual lab: plan, run, report."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pylsl
from rich.console import Console

from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.config import read_rig
from m2m_rt.app.config_path import config_path
from m2m_rt.app.demo import DemoSettings
from m2m_rt.app.live_session import lines_of_loss, shown
from m2m_rt.app.live_view import LiveView
from m2m_rt.app.new_session import check_rig, create_session
from m2m_rt.app.protocol_config import ProtocolConfig
from m2m_rt.app.report import Report, make_report, true_expectation
from m2m_rt.app.report_picture import draw_report
from m2m_rt.app.session_data import read_session_data, scored_trials
from m2m_rt.app.supervisor import Supervisor
from m2m_rt.app.table_path import table_path
from m2m_rt.errors import LinkLost
from m2m_rt.model import FLOOR_UV
from m2m_rt.sim import LabProcesses, LabSettings, plan_lab, read_lab_log

SILENCE_TIMEOUT_S = 30.0
"""No trial for so long while pulses are due: the session is stuck."""

START_DELAY_S = 0.5
LAST_TRIAL_WAIT_S = 1.0
"""After the lab has finished, for the last pulse's trial."""

PICTURE_NAME = "report.png"


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What came of a demo."""

    report: Report
    lost: tuple[str, ...]
    """A line for each daemon that ended before its time, if it could be missed."""

    @property
    def is_success(self) -> bool:
        """Whether every pulse was predicted before it, and all ran to the end."""
        return self.report.is_complete and not self.lost


def run_demo_session(
    settings: DemoSettings, temporary: Path, console: Console
) -> DemoResult:
    """Run a session and report on it; the picture lies in its folder.

    Raises
    ------
    ConfigError
        If something is in the way: a folder in use, no table, no model.
    LinkLost
        If the lab or a daemon ends before its time.
    """
    folder, lab = _prepare(settings, temporary, console)
    ended = _give_pulses(folder, lab, settings, console)
    with console.status("reading the recording"):
        report = _report(folder, lab, n_lost_here=ended.n_lost)
    return DemoResult(report, lines_of_loss(ended))


def _prepare(
    settings: DemoSettings, temporary: Path, console: Console
) -> tuple[SessionFolder, LabSettings]:
    rig = read_rig(config_path("rig.demo.toml"))
    with console.status("the operator measures the virtual subject's threshold"):
        plan = plan_lab(
            table_path(rig.table),
            seed=settings.seed,
            n_pulses=settings.n_pulses,
            log_folder=temporary,
            didt_at_100_pct_mso_a_per_us=rig.stimulator.didt_at_100_pct_mso_a_per_us,
        )
    protocol = ProtocolConfig(
        subject=f"demo{settings.seed}", rmt_pct_mso=plan.rmt_pct_mso
    )
    with console.status("reading table and model"):
        new = check_rig(rig, protocol, rng_seed=settings.seed)
    folder = create_session(new, settings.session)
    return folder, msgspec.structs.replace(plan.settings, log_folder=str(folder.lab))


def _give_pulses(
    folder: SessionFolder, lab: LabSettings, settings: DemoSettings, console: Console
) -> Supervisor:
    """Run the session; return its supervisor, everything stopped."""
    view = LiveView(lab.muscles, n_planned=settings.n_pulses)
    with LabProcesses(lab) as processes, Supervisor(folder) as supervisor:
        with console.status("starting the virtual lab"):
            processes.wait_ready(timeout_s=60.0)
        with console.status("starting the daemons"):
            supervisor.start(processes.check)
        processes.start(pylsl.local_clock() + START_DELAY_S)
        with shown(supervisor, view, console, quiet=settings.quiet) as redraw:
            _wait_for_pulses(processes, view, redraw)
        with console.status("stopping the daemons"):
            supervisor.stop()
    return supervisor


def _wait_for_pulses(
    lab: LabProcesses, view: LiveView, redraw: Callable[[], None]
) -> None:
    """Redraw until the last pulse's trial is there."""
    n_seen, since_s = 0, time.monotonic()
    while not lab.is_finished:
        redraw()
        lab.check()
        if view.n_trials > n_seen:
            n_seen, since_s = view.n_trials, time.monotonic()
        if time.monotonic() - since_s > SILENCE_TIMEOUT_S:
            msg = f"no trial for {SILENCE_TIMEOUT_S:g} s: see the logs in the session"
            raise LinkLost(msg)
    until_s = time.monotonic() + LAST_TRIAL_WAIT_S
    while time.monotonic() < until_s:
        redraw()


def _report(folder: SessionFolder, lab: LabSettings, *, n_lost_here: int) -> Report:
    data = read_session_data(folder.messages_path)
    truth = read_lab_log(folder.lab)
    scored = scored_trials(data, floor_uv=FLOOR_UV)
    if scored.pulse_ns:
        draw_report(
            scored,
            folder.root / PICTURE_NAME,
            muscles=lab.muscles,
            truth=true_expectation(scored, truth),
        )
    return make_report(data, truth, folder.root, n_lost_here=n_lost_here)
