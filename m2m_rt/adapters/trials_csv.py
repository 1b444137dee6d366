"""`trials.csv`: one row a trial and revision, with its prediction and every MEP."""

import contextlib
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from m2m_rt.adapters.file_lock import locked
from m2m_rt.adapters.mcap_reader import Flaw, LogReader
from m2m_rt.adapters.trial_cells import TrialRow, cells_of, columns_of
from m2m_rt.errors import DataError, DiskFault
from m2m_rt.messages import (
    TOPICS,
    ChangeSeen,
    ExcitabilityTracked,
    Message,
    Trial,
    decode,
)

_TOPICS = {
    topic.name
    for topic in TOPICS
    if topic.message in {Trial, ExcitabilityTracked, ChangeSeen}
}
"""What the rows are made of."""


class TrialsCsv:
    """A table that grows by one row a trial; empty cells mean "there is none".

    What a trial taught of the state follows it from the same daemon, before that says
    anything else: a row is written when it does.
    """

    def __init__(self, path: Path, muscles: Sequence[str]) -> None:
        """Create the file with its header.

        Raises
        ------
        DiskFault
            If it exists already or cannot be created.
        """
        self._path = path
        self._muscles = tuple(muscles)
        self._open: TrialRow | None = None
        self._daemon = ""  # whose trial it is
        self.n_rows = 0
        """Rows written, the open one not counted."""

        self.fault: DiskFault | None = None
        """Why rows are no longer written, or None while they are."""

        try:
            self._file = path.open("xb", buffering=0)
        except OSError as err:
            msg = f"{path}: {err.strerror}"
            raise DiskFault(msg) from err
        self._append(columns_of(muscles))

    def take(self, daemon: str, message: Message) -> None:
        """Take what a daemon said; a row that is written survives a kill.

        Raises
        ------
        DataError
            If it is a trial of another number of muscles than the table's.
        """
        row = self._open
        match message:
            case Trial():
                self._begin(daemon, message)
            case ExcitabilityTracked() if row and row.trial.t_ns == message.t_ns:
                self._open = replace(row, state=message)
            case ChangeSeen() if row and row.trial.t_ns == message.t_ns:
                self._open = replace(row, change=message)
            case _:
                self.went_on(daemon)

    def went_on(self, daemon: str) -> None:
        """Take the news that a daemon said something else."""
        if daemon == self._daemon:
            self._write_open()

    def close(self) -> None:
        """Write what is open, and close the file."""
        self._write_open()
        self._file.close()

    def _begin(self, daemon: str, trial: Trial) -> None:
        n_muscles = len(trial.mep.valid)
        if n_muscles != len(self._muscles):
            msg = f"trial of {n_muscles} muscles in a table of {len(self._muscles)}"
            raise DataError(msg)
        self._write_open()
        self._open, self._daemon = TrialRow(trial), daemon
        if not trial.valid:
            self._write_open()  # nothing is learnt of it, so nothing follows

    def _write_open(self) -> None:
        if self._open is not None:
            self._append(cells_of(self._open, self._muscles))
            self._open = None
            self.n_rows += 1

    def _append(self, cells: Sequence[str]) -> None:
        if self.fault is not None:
            return
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        rest = memoryview(line.getvalue().encode())
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as err:
            self.fault = DiskFault(f"{self._path}: {err.strerror}")


def rebuild_trials(messages_path: Path, path: Path, muscles: Sequence[str]) -> int:
    """Make `trials.csv` anew from a recording, as after a kill; return its rows.

    Raises
    ------
    ConfigError
        If a session's recorder is writing it: rows still to come would be lost.
    DataError
        If the bytes of a trial, or of what it taught, were changed.
    DiskFault
        If it cannot be written; the old file is then as it was.
    """
    with only_writer(path):
        part = path.with_name(f".{path.name}.part")
        part.unlink(missing_ok=True)
        table = TrialsCsv(part, muscles)
        try:
            _fill(table, messages_path)
        finally:
            table.close()
        if table.fault is not None:
            raise table.fault
        part.replace(path)
    return table.n_rows


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Write a table while no other process does; who is killed lets the next in.

    The lock is a file beside the table: on Windows a lock of the table itself would
    keep out those who only read it.

    Raises
    ------
    ConfigError
        If another process writes it.
    DiskFault
        If there can be no lock's file.
    """
    lock = path.with_name(f".{path.name}.lock")
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(lock, f"{path.name} to be left to it"))
        except OSError as err:
            msg = f"{lock}: {err.strerror}"
            raise DiskFault(msg) from err
        try:
            yield
        finally:
            held.close()  # first: Windows deletes no open file
            with contextlib.suppress(OSError):
                lock.unlink()


def _fill(table: TrialsCsv, messages_path: Path) -> None:
    for entry in LogReader(messages_path):
        topic, _, daemon = entry.topic.partition("/")
        if topic not in _TOPICS:
            table.went_on(daemon)
            continue
        if entry.flaw is Flaw.CONTENT:
            where = f"{messages_path}: {topic} at byte {entry.offset}"
            raise DataError(f"{where}: its bytes were changed")
        table.take(daemon, decode(entry.frame))
