"""Exact replay: a journal's inputs through the live loop, outputs byte for byte."""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from m2m_rt.adapters.journal import INPUTS, OUTPUTS, NoRecord
from m2m_rt.adapters.mcap_reader import Flaw, LogEnd, LogEntry, LogReader
from m2m_rt.errors import DataError
from m2m_rt.messages import Message, decode, tag_of
from m2m_rt.ports import Arrival, Node
from m2m_rt.replay.compare import FieldDifference, first_difference
from m2m_rt.replay.damage import explain_damage
from m2m_rt.replay.report import Difference, Finding, ReplayReport
from m2m_rt.runtime import run_node
from m2m_rt.units import RigNs

Progress = Callable[[int], None]
"""Told how many bytes of a journal have been replayed."""


def replay_daemon(
    journal: Path,
    node: Node,
    *,
    daemon: str,
    rtol: float = 0.0,
    progress: Progress | None = None,
) -> ReplayReport:
    """Replay one journal; stop at the first difference.

    Parameters
    ----------
    journal
        What the daemon recorded; may be cut anywhere.
    node
        Freshly built as the daemon built it.
    daemon
        Its name, for the report.
    rtol
        0: outputs must be equal byte for byte. Else see `first_difference`.
    progress
        Told the number of bytes replayed.

    Raises
    ------
    DataError
        If the file is missing or no MCAP file.
    """
    replay = _Replay(LogReader(journal), rtol=rtol, progress=progress)
    difference, failure = None, ""
    try:
        run_node(node, replay, replay, NoRecord())
    except _Differs as stop:
        difference = stop.of(daemon, journal.name)
    except Exception as err:  # noqa: BLE001 - a node that fails is what replay looks for
        failure = f"{type(err).__name__}: {err}"
        if not replay.is_at_cut_end():
            difference = Difference(
                daemon,
                journal.name,
                Finding.NODE_FAILED,
                replay.last_input(),
                recomputed=failure,
            )
    return ReplayReport(
        daemon=daemon,
        journal=journal.name,
        n_inputs=replay.n_inputs,
        n_outputs=replay.n_outputs,
        n_unrecorded=replay.n_unrecorded,
        end=replay.end,
        difference=difference,
        failed_as_recorded="" if difference else failure,
    )


class _Differs(Exception):  # noqa: N818 - it ends a replay; it is no error
    """Replay found a difference: leave the loop."""

    def __init__(
        self, finding: Finding, message: str, change: FieldDifference | None = None
    ) -> None:
        super().__init__(message)
        self._finding = finding
        self._message = message
        self._change = change or FieldDifference("", "", "")

    def of(self, daemon: str, journal: str) -> Difference:
        return Difference(
            daemon,
            journal,
            self._finding,
            self._message,
            self._change.field,
            self._change.recorded,
            self._change.recomputed,
        )


class _Replay:
    """The loop's inbox and outbox in one: both walk through the same journal."""

    def __init__(
        self, reader: LogReader, *, rtol: float, progress: Progress | None
    ) -> None:
        self._reader = reader
        self._entries: Iterator[LogEntry] = iter(reader)
        self._rtol = rtol
        self._progress = progress
        self._ahead = next(self._entries, None)
        self._expected: deque[LogEntry] = deque()
        self._input: Message | None = None
        self.n_inputs = 0
        self.n_outputs = 0
        self.n_unrecorded = 0

    @property
    def end(self) -> LogEnd | None:
        return self._reader.end

    def is_at_cut_end(self) -> bool:
        """Return whether the process that recorded ended with the input at hand."""
        return self._ahead is None and self.end is LogEnd.CUT and not self._expected

    def last_input(self) -> str:
        """Name the input at hand."""
        if self._input is None:
            return "before the first input"
        return f"input {self.n_inputs - 1}: {_name(self._input)}"

    def receive(self) -> Arrival | None:
        """Take the next input, when the last one's outputs have all come."""
        self._no_output_is_missing()
        entry = self._ahead
        if self._progress is not None:
            self._progress(self._reader.position)
        if entry is None:
            if self.end is LogEnd.DAMAGED:
                raise _Differs(Finding.FILE_DAMAGED, f"behind {self.last_input()}")
            return None
        message = self._decode_input(entry)
        self._input = message
        self.n_inputs += 1
        self._read_ahead()
        return Arrival(RigNs(entry.log_time_ns), message, entry.frame)

    def send(self, arrival: Arrival, message: Message, frame: bytes) -> None:
        """Compare one output with the recorded one."""
        del arrival
        if not self._expected:
            self._take_unrecorded(message)
            return
        entry = self._expected.popleft()
        where = f"output {self.n_outputs}"
        if entry.flaw is not Flaw.NONE:
            raise _damaged(entry, Finding.OUTPUT_DAMAGED, where)
        if entry.frame != frame:
            self._compare(where, _decode(entry, where), message)
        self.n_outputs += 1

    def _read_ahead(self) -> None:
        """Queue the outputs that follow an input in the file."""
        self._ahead = next(self._entries, None)
        while self._ahead is not None and self._ahead.topic == OUTPUTS:
            self._expected.append(self._ahead)
            self._ahead = next(self._entries, None)

    def _decode_input(self, entry: LogEntry) -> Message:
        where = f"input {self.n_inputs}"
        if entry.flaw is not Flaw.NONE:
            raise _damaged(entry, Finding.INPUT_DAMAGED, where)
        if entry.topic != INPUTS:
            raise _Differs(Finding.FILE_DAMAGED, f"{where} is on {entry.topic!r}")
        return _decode(entry, where)

    def _no_output_is_missing(self) -> None:
        if not self._expected:
            return
        entry = self._expected[0]
        where = f"output {self.n_outputs}"
        if entry.flaw is not Flaw.NONE:
            raise _damaged(entry, Finding.OUTPUT_DAMAGED, where)
        name = _name(_decode(entry, where))
        raise _Differs(
            Finding.OUTPUT_MISSING, f"{where}: {name}, to {self.last_input()}"
        )

    def _take_unrecorded(self, message: Message) -> None:
        if not self.is_at_cut_end():
            name = f"output {self.n_outputs}: {_name(message)}, to {self.last_input()}"
            raise _Differs(Finding.OUTPUT_EXTRA, name)
        self.n_unrecorded += 1

    def _compare(self, where: str, recorded: Message, recomputed: Message) -> None:
        change = first_difference(recorded, recomputed, rtol=self._rtol)
        if change is None and self._rtol:
            return
        change = change or FieldDifference("encoding", "other bytes", "equal fields")
        name = f"{where}: {_name(recorded)}, to {self.last_input()}"
        raise _Differs(Finding.OUTPUT_DIFFERS, name, change)


def _decode(entry: LogEntry, where: str) -> Message:
    try:
        return decode(entry.frame)
    except DataError as err:
        change = FieldDifference("", f"{len(entry.frame)} bytes", str(err))
        raise _Differs(Finding.UNREADABLE, where, change) from err


def _damaged(entry: LogEntry, finding: Finding, where: str) -> _Differs:
    damage = explain_damage(entry)
    name = _name(damage.message) if damage.message else f"at byte {entry.offset}"
    return _Differs(finding, f"{where}: {name}", damage.change)


def _name(message: Message) -> str:
    return f"{tag_of(message)}, seq {message.seq}, t_ns {message.t_ns}"
