"""Starts one daemon by its name in the table."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from m2m_rt.adapters.host import ignore_interrupt, lock_memory
from m2m_rt.adapters.journal import Journal
from m2m_rt.adapters.parent_watch import ParentWatch
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.cli import report_error
from m2m_rt.app.compose import build_node
from m2m_rt.app.config import read_session
from m2m_rt.app.daemon_process import UNTIL_STDIN_ENDS, DaemonProcess
from m2m_rt.app.daemons import daemon_named
from m2m_rt.app.devices import open_devices
from m2m_rt.errors import M2mError
from m2m_rt.ports import Arrival, Source
from m2m_rt.runtime import run_node

GET_READY_S = 30.0
"""For libraries to be loaded; the others wait twice as long for whom they hear."""


def run_daemon(name: str, arguments: Sequence[str]) -> int:
    """Run a daemon until its session is over; return the exit status.

    2 is a wrong set-up, said in one line on stderr; a bug keeps its traceback.
    """
    parser = argparse.ArgumentParser(prog=name, description=daemon_named(name).purpose)
    parser.add_argument("session", type=Path, help="the session's folder")
    parser.add_argument(
        UNTIL_STDIN_ENDS, action="store_true", help="stop when the parent is gone"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(format=f"%(asctime)s {name} %(levelname)s %(message)s")
    ignore_interrupt()  # Ctrl-C is the supervisor's; it stops everyone in order
    parent = ParentWatch() if options.until_stdin_ends else None
    try:
        _run(name, SessionFolder.open(options.session), parent)
    except M2mError as err:
        return report_error(name, err)
    return 0


def _run(name: str, folder: SessionFolder, parent: ParentWatch | None) -> None:
    role = _ROLES.get(name, _run_node)
    rig = read_session(folder).rig
    # The bus is left before the streams are let go of: those downstream wait for the
    # last word, and a stream takes a second.
    with (
        open_devices(name, rig) as devices,
        DaemonProcess(name, folder, parent) as process,
    ):
        role(process, devices)


def _run_node(process: DaemonProcess, devices: Sequence[Source]) -> None:
    """Run a daemon that decides."""
    node = build_node(process.name, process.folder)
    with Journal(process.folder.new_journal_path(process.name)) as journal:
        process.watch(lambda: journal.fault)
        process.join()
        lock_memory()
        inbox = process.open_inbox(devices)
        if process.name == "predictd":
            process.outbox.trace("prediction", inbox.inject)
        run_node(node, inbox, process.outbox, journal)


def _run_trainer(process: DaemonProcess, _: Sequence[Source]) -> None:
    """Run the one daemon that fits: each fit is a process that can be killed."""
    from m2m_rt.adapters.fit_process import FitProcess

    with FitProcess("m2m_rt.app.refit_process", process.folder.root) as fits:
        process.outbox.start_fit = fits.start
        node = build_node(process.name, process.folder)
        with Journal(process.folder.new_journal_path(process.name)) as journal:
            process.watch(lambda: journal.fault)
            fits.wait_until_ready(GET_READY_S)  # so that it does not while pulses come
            process.join()
            run_node(node, process.open_inbox((fits,)), process.outbox, journal)


def _run_recorder(process: DaemonProcess, _: Sequence[Source]) -> None:
    from m2m_rt.adapters.recorder import Recorder

    muscles = [m.name for m in read_session(process.folder).rig.emg.muscles]
    with Recorder(process.folder, muscles) as recorder:
        process.watch(lambda: recorder.fault)
        process.join()

        def take(arrival: Arrival) -> None:
            if arrival.frame is not None:
                recorder.take(arrival.origin, arrival.frame, arrival.now_ns)

        process.run_sink(take)


def _run_server(process: DaemonProcess, _: Sequence[Source]) -> None:
    from m2m_rt.adapters.lsl_prediction_outlet import PredictionOutlet
    from m2m_rt.messages import Prediction

    rig = read_session(process.folder).rig
    muscles = tuple(muscle.name for muscle in rig.emg.muscles)
    outlet = PredictionOutlet(muscles, rig=rig.name)
    process.join()

    def take(arrival: Arrival) -> None:
        if isinstance(arrival.message, Prediction):
            outlet.publish(arrival.message)

    process.run_sink(take)


_ROLES = {"traind": _run_trainer, "recordd": _run_recorder, "served": _run_server}
