"""What happened in a recorded session, in a few numbers."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from m2m_rt.adapters.mcap_reader import Flaw, LogEnd, LogEntry, LogReader
from m2m_rt.messages import (
    ChangeSeen,
    Message,
    ModelPromoted,
    PromotionRefused,
    SessionEvent,
    SessionEventKind,
    StreamGap,
    Trial,
    decode,
)
from m2m_rt.runtime import SequenceCheck
from m2m_rt.units import NS_PER_S

SAID = (
    SessionEventKind.NOTE,
    SessionEventKind.MARK_LAST_BAD,
    SessionEventKind.ROLL_BACK,
)
"""Words of the operator, as against the supervisor's."""


@dataclass(slots=True)
class SessionSummary:
    """Counted from `messages.mcap`; grows as it is read."""

    end: LogEnd | None = None
    n_damaged: int = 0
    """Messages whose bytes were changed; they are not counted elsewhere."""

    messages_by_topic: Counter[str] = field(default_factory=Counter)
    missing_by_topic: Counter[str] = field(default_factory=Counter)
    """Messages whose number the record lacks, damaged ones apart."""

    first_ns: int | None = None
    last_ns: int = 0
    trials: dict[int, Trial] = field(default_factory=dict)
    """By index, each in its highest revision."""

    models: list[ModelPromoted] = field(default_factory=list)
    refused: list[PromotionRefused] = field(default_factory=list)
    """Of the models, those that were not taken into use."""

    changes: list[ChangeSeen] = field(default_factory=list)
    """Gains and shifts that predictd found or took back."""

    words: list[SessionEvent] = field(default_factory=list)
    gaps: list[StreamGap] = field(default_factory=list)
    _numbers: SequenceCheck = field(default_factory=SequenceCheck)
    _damaged_since: Counter[str] = field(default_factory=Counter)
    """By topic, since its last readable message: they have a number, too."""

    @property
    def duration_s(self) -> float:
        """From the first message received to the last."""
        return (
            0.0 if self.first_ns is None else (self.last_ns - self.first_ns) / NS_PER_S
        )

    @property
    def n_predicted(self) -> int:
        """Return the trials that had a prediction before the pulse."""
        return sum(trial.prediction is not None for trial in self.trials.values())

    @property
    def n_valid(self) -> int:
        """Return the trials that count."""
        return sum(trial.valid for trial in self.trials.values())

    @property
    def median_lead_ms(self) -> float | None:
        """From the prediction's publication to the pulse; None without trials."""
        leads_ms = [
            trial.lead_ms for trial in self.trials.values() if trial.lead_ms is not None
        ]
        return median(leads_ms) if leads_ms else None

    def take(self, entry: LogEntry) -> None:
        """Count one recorded message."""
        if entry.flaw is not Flaw.NONE:
            self.n_damaged += 1
            self._damaged_since[entry.topic] += 1
            return
        self.messages_by_topic[entry.topic] += 1
        if self.first_ns is None:
            self.first_ns = entry.log_time_ns
        self.last_ns = entry.log_time_ns
        message = decode(entry.frame)
        self._look_for_hole(entry.topic, message.seq)
        _keep(self, message)

    def _look_for_hole(self, topic: str, seq: int) -> None:
        n_missing = self._numbers.n_missing(topic, seq)
        n_missing -= self._damaged_since.pop(topic, 0)
        if n_missing > 0:
            self.missing_by_topic[topic] += n_missing


def summarise(
    messages_path: Path, progress: Callable[[int], None] | None = None
) -> SessionSummary:
    """Read a recording of the bus once and count what is in it.

    Raises
    ------
    DataError
        If there is no such recording, or this version cannot read it.
    """
    summary = SessionSummary()
    reader = LogReader(messages_path)
    for entry in reader:
        summary.take(entry)
        if progress is not None:
            progress(reader.position)
    summary.end = reader.end
    return summary


def _keep(summary: SessionSummary, message: Message) -> None:
    match message:
        case Trial(trial_index=index, revision=revision):
            known = summary.trials.get(index)
            if known is None or revision >= known.revision:
                summary.trials[index] = message
        case ModelPromoted():
            summary.models.append(message)
        case PromotionRefused():
            summary.refused.append(message)
        case ChangeSeen():
            summary.changes.append(message)
        case SessionEvent(kind=kind) if kind in SAID:
            summary.words.append(message)
        case StreamGap():
            summary.gaps.append(message)
