"""What was true in a virtual session: written by the lab, read by reports only.

One JSON object a line, each written at once, so that a lab that is killed leaves all
but its last words.
"""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from m2m_rt.errors import DataError

LOG_NAME = "lab.jsonl"


class LabStarted(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="started", kw_only=True
):
    """The EMG stream runs."""

    first_stamp_s: float
    """Of row 0, rig clock; row n has this + n / `fs_hz`."""

    fs_hz: float
    muscles: tuple[str, ...]
    seed: int


class PulseGiven(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="pulse", kw_only=True
):
    """One pulse and what the virtual subject really answered."""

    pulse: int
    """1, 2, …: the lab's own number, as in its markers."""

    row: int
    """Of the trigger's rising edge."""

    t_s: float
    """Stamp of that row, rig clock."""

    intensity_pct_mso: float
    head_from_coil: tuple[tuple[float, float, float, float], ...]
    """(4, 4): where the coil truly was, mm."""

    evoked_uv: tuple[float, ...]
    """The MEPs' sizes before the EMG's noise, one a muscle."""

    expected_log10_uv: tuple[float, ...]
    """The subject's true mean of log10(max(A, 5 µV)) for this pulse: the ceiling."""

    preactivated: tuple[str, ...]
    """Muscles that were not at rest."""


class LabStopped(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="stopped", kw_only=True
):
    """The EMG stream ended."""

    n_rows: int
    """Pushed in all."""


Entry = LabStarted | PulseGiven | LabStopped

_DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


@dataclass(frozen=True, slots=True)
class LabLog:
    """A lab's log, read."""

    started: LabStarted
    pulses: tuple[PulseGiven, ...]

    stopped: LabStopped | None
    """None if the lab did not get to say it."""

    def emg_rows_between(self, *, first_s: float, last_s: float) -> int:
        """Return how many rows were pushed with stamps from first to last, inclusive.

        Stamps within half a sample of a row's own count as that row's.
        """
        start = self.started
        first_row = max(0, round((first_s - start.first_stamp_s) * start.fs_hz))
        last_row = round((last_s - start.first_stamp_s) * start.fs_hz)
        if self.stopped is not None:
            last_row = min(last_row, self.stopped.n_rows - 1)
        return max(0, last_row - first_row + 1)


class LabLogWriter:
    """Writes a lab's log as things happen."""

    def __init__(self, folder: Path) -> None:
        """Make the folder and an empty log in it."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / LOG_NAME).open("wb", buffering=0)

    def write(self, entry: Entry) -> None:
        """Add one entry."""
        self._file.write(msgspec.json.encode(entry) + b"\n")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()


def read_lab_log(folder: Path) -> LabLog:
    """Read the log in a lab's folder; a last line that was cut off is left out.

    Raises
    ------
    DataError
        If there is no log, or a line is not what is expected.
    """
    path = folder / LOG_NAME
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    entries = [_decode(line, path) for line in whole.splitlines()]
    started = [entry for entry in entries if isinstance(entry, LabStarted)]
    stopped = [entry for entry in entries if isinstance(entry, LabStopped)]
    if len(started) != 1:
        raise DataError(f"{path}: found {len(started)} starts, expected 1")
    return LabLog(
        started=started[0],
        pulses=tuple(entry for entry in entries if isinstance(entry, PulseGiven)),
        stopped=stopped[-1] if stopped else None,
    )


def _decode(line: bytes, path: Path) -> Entry:
    try:
        return _DECODER.decode(line)
    except (msgspec.ValidationError, msgspec.DecodeError) as err:
        raise DataError(f"{path}: {err}") from err
