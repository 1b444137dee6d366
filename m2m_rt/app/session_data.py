"""What a report needs of a recorded session, read once from its messages."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from m2m_rt.adapters.mcap_reader import Flaw, LogReader
from m2m_rt.messages import (
    EmgChunk,
    Health,
    Message,
    ModelPromoted,
    Prediction,
    PredictionEcho,
    PromotionRefused,
    StreamGap,
    Trial,
    decode,
)
from m2m_rt.runtime import SequenceCheck
from m2m_rt.units import F64, NS_PER_S, Bools, to_ms

_RUNTIMES_OWN = ("health", "trace")
"""Topics that no node speaks on."""


@dataclass(slots=True)
class SessionData:
    """Grows as the recording is read."""

    trials: dict[int, Trial] = field(default_factory=dict)
    """By index, each in its highest revision."""

    n_emg_rows: int = 0
    """Rows received, each counted once."""

    n_emg_repeated: int = 0
    """Rows received whose stamps are not after those of rows received before."""

    emg_first_s: float | None = None
    """Stamp of the first row received, rig clock."""

    emg_last_s: float = 0.0
    n_promoted: int = 0
    """Models taken into use after the shipped one."""

    n_lost: dict[str, int] = field(default_factory=dict)
    """Messages that each daemon missed, as its last heartbeat says."""

    n_unrecorded: int = 0
    """Messages whose number is missing between two that were recorded."""

    n_said: dict[str, int] = field(default_factory=dict)
    """What each daemon's node published, as its last word says; of those that had one.
    """

    n_kept: Counter[str] = field(default_factory=Counter)
    """What was recorded of it."""

    gaps: list[StreamGap] = field(default_factory=list)
    prediction_ms: dict[int, float] = field(default_factory=dict)
    """From the pose's stamp to the recorder, by `pose_seq`; valid predictions."""

    echo_ms: dict[int, float] = field(default_factory=dict)
    """The same of the echoes."""

    _numbers: SequenceCheck = field(default_factory=SequenceCheck)

    @property
    def messages_lost(self) -> int:
        """Missed by a daemon, missing in the record, or missing at its end."""
        tails = sum(
            max(0, n_said - self.n_kept[daemon])
            for daemon, n_said in self.n_said.items()
        )
        return sum(self.n_lost.values()) + max(self.n_unrecorded, tails)

    def take(self, topic: str, message: Message, received_ns: int) -> None:
        """Take one recorded message of `topic/daemon`."""
        name, _, daemon = topic.partition("/")
        self.n_unrecorded += max(0, self._numbers.n_missing(topic, message.seq))
        self.n_kept[daemon] += name not in _RUNTIMES_OWN
        match message:
            case EmgChunk():
                self._take_emg(message)
            case Trial():
                self.trials[message.trial_index] = message
            case Prediction(valid=True):
                age_ms = to_ms(received_ns - message.t_ns)
                self.prediction_ms[message.pose_seq] = age_ms
            case PredictionEcho():
                self.echo_ms[message.pose_seq] = to_ms(received_ns - message.t_ns)
            case ModelPromoted() | PromotionRefused():
                self.n_promoted += 1 if isinstance(message, ModelPromoted) else -1
            case Health():
                self._take_health(message)
            case StreamGap():
                self.gaps.append(message)

    def _take_health(self, health: Health) -> None:
        self.n_lost[health.daemon] = health.n_lost
        if health.state == "stopped":
            self.n_said[health.daemon] = health.n_outputs

    def _take_emg(self, chunk: EmgChunk) -> None:
        n_rows = chunk.samples.shape[0]
        last_s = chunk.t_ns / NS_PER_S
        if self.emg_first_s is None:
            self.emg_first_s = last_s - (n_rows - 1) / chunk.fs_hz
            n_new = n_rows
        else:
            n_later = round((last_s - self.emg_last_s) * chunk.fs_hz)
            n_new = min(max(n_later, 0), n_rows)
        self.emg_last_s = max(last_s, self.emg_last_s)
        self.n_emg_rows += n_new
        self.n_emg_repeated += n_rows - n_new


@dataclass(frozen=True, slots=True)
class Scored:
    """Predicted and measured log10 MEPs of a session's trials, (n_trials, n_muscles).

    Rows are in the order of the pulses, trials without a prediction left out.
    """

    pulse_ns: Sequence[int]
    measured: F64
    valid: Bools
    online: F64
    p05: F64
    p95: F64
    prior: F64


def read_session_data(
    messages_path: Path, progress: Callable[[int], None] | None = None
) -> SessionData:
    """Read a recording of the bus.

    Raises
    ------
    DataError
        If it is not one.
    """
    data = SessionData()
    for entry in LogReader(messages_path):
        if entry.flaw is not Flaw.CONTENT:
            data.take(entry.topic, decode(entry.frame), entry.log_time_ns)
        if progress is not None:
            progress(entry.offset)
    return data


def scored_trials(data: SessionData, *, floor_uv: float) -> Scored:
    """Return the trials that had a prediction before their pulse."""
    trials = [data.trials[index] for index in sorted(data.trials)]
    pairs = [(t, t.prediction) for t in trials if t.prediction is not None]
    sizes_uv = np.array(
        [[size or 0.0 for size in trial.mep.mep_p2p_uv] for trial, _ in pairs]
    )
    return Scored(
        pulse_ns=[trial.t_ns for trial, _ in pairs],
        measured=np.log10(np.maximum(sizes_uv, floor_uv)),
        valid=np.array([_usable(trial) for trial, _ in pairs], dtype=bool),
        online=np.array([prediction.mean_log10_uv for _, prediction in pairs]),
        p05=np.array([prediction.p05_log10_uv for _, prediction in pairs]),
        p95=np.array([prediction.p95_log10_uv for _, prediction in pairs]),
        prior=np.array([prediction.prior_log10_uv for _, prediction in pairs]),
    )


def _usable(trial: Trial) -> list[bool]:
    """Return which muscles' MEPs count; none of a pulse marked as bad."""
    return [trial.valid and valid for valid in trial.mep.valid]
