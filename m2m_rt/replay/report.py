"""What an exact replay found."""

from dataclasses import dataclass
from enum import Enum

from m2m_rt.adapters.mcap_reader import LogEnd


class Finding(Enum):
    """How a replay can differ from its recording."""

    INPUT_DAMAGED = "input was changed after it was recorded"
    OUTPUT_DAMAGED = "recorded output was changed afterwards"
    FILE_DAMAGED = "the journal's records cannot be told apart"
    UNREADABLE = "this version cannot read the message"
    OUTPUT_DIFFERS = "output differs"
    OUTPUT_MISSING = "output is recorded, but replay does not give it"
    OUTPUT_EXTRA = "replay gives an output that is not recorded"
    NODE_FAILED = "the node fails in replay, and did not when recorded"
    NO_JOURNAL = "no journal"
    NOT_REBUILT = "the daemon cannot be built from the session folder"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing in one journal that is not as recorded."""

    daemon: str
    journal: str
    """The file's name; a daemon that was started again has several."""

    finding: Finding
    message: str = ""
    """Which one: `input 12: emg.v1, seq 11, t_ns 123456789`."""

    field: str = ""
    recorded: str = ""
    recomputed: str = ""

    def __str__(self) -> str:
        """Return one line that names daemon, message and field."""
        parts = [f"{self.daemon} ({self.journal}): {self.finding.value}"]
        if self.message:
            parts.append(self.message)
        if self.field:
            parts.append(f"field {self.field}")
        if self.recorded or self.recomputed:
            parts.append(f"recorded {self.recorded}, now {self.recomputed}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """One journal, replayed up to its end or to the first difference."""

    daemon: str
    journal: str
    n_inputs: int
    n_outputs: int
    """Recorded outputs that were recomputed and equal."""

    n_unrecorded: int
    """Outputs to the last input of a killed process that it had no time to record."""

    end: LogEnd | None
    """How the file ends; None if replay stopped before it was seen."""

    difference: Difference | None
    failed_as_recorded: str = ""
    """The error with which the node ended, when recorded and again in replay."""
