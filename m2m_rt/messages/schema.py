"""The vocabulary on the bus: one frozen, closed struct for each thing that happens."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from m2m_rt.messages.base import (
    Array,
    Message,
    require_finite,
    require_one_length,
    unpack_f64,
)

PctMso = Annotated[float, Meta(ge=0.0, le=100.0)]


class EmgChunk(Message, frozen=True, tag="emg.v1"):
    """20 ms of EMG at full rate, unfiltered; `t_ns` is the last row's."""

    first_row: int
    """Row number of the first sample since the stream was opened."""

    fs_hz: float
    samples: Array
    """(n_rows, n_muscles + 1) float32: µV, then the trigger channel."""


class PulseFired(Message, frozen=True, tag="pulse_fired.v1"):
    """A pulse was seen: the trigger channel's rising edge at half height."""

    pulse_id: int
    """0, 1, 2, … in the session."""

    row: int
    """Row number of the edge."""


class MepMeasured(Message, frozen=True, tag="mep.v1"):
    """What every muscle answered to one pulse; `t_ns` is the pulse's.

    Lists are in the rig's order of muscles.
    """

    pulse_id: int
    mep_p2p_uv: tuple[float | None, ...]
    """Peak to peak in the muscle's window; None where it cannot be computed."""

    mep_latency_ms: tuple[float | None, ...]
    """Pulse to onset; None where there is no MEP."""

    preactivation_rms_uv: tuple[float | None, ...]
    present: tuple[bool, ...]
    """Whether a response stands out of the background."""

    valid: tuple[bool, ...]
    """Whether the amplitude may be learnt from."""

    reason: tuple[str, ...]
    """Why not, by muscle; empty where valid."""

    marker_pulse: int | None = None
    """The lab's own number of the pulse; None when no marker was paired with it."""

    marker_intensity_pct_mso: PctMso | None = None
    marker_delay_ms: float | None = None
    """Marker's stamp after the edge."""

    def __post_init__(self) -> None:
        """Refuse lists of different lengths and numbers that are not finite."""
        require_finite(
            mep_p2p_uv=self.mep_p2p_uv,
            mep_latency_ms=self.mep_latency_ms,
            preactivation_rms_uv=self.preactivation_rms_uv,
            marker_delay_ms=self.marker_delay_ms,
        )
        require_one_length(
            mep_p2p_uv=self.mep_p2p_uv,
            mep_latency_ms=self.mep_latency_ms,
            preactivation_rms_uv=self.preactivation_rms_uv,
            present=self.present,
            valid=self.valid,
            reason=self.reason,
        )


class StimulatorState(Message, frozen=True, tag="stimulator_state.v1"):
    """The intensity that the next pulse will have."""

    intensity_pct_mso: PctMso | None
    valid: bool
    reason: str = ""


class StreamGap(Message, frozen=True, tag="stream_gap.v1"):
    """Something was lost, late or out of order; `t_ns` is where the stream resumed."""

    stream: str
    """An input stream (`emg`), or a topic as `topic/daemon`."""

    n_lost: int
    """Rows or messages; −1 when the number cannot be known."""

    reason: str


class CoilPose(Message, frozen=True, tag="coil_pose.v1"):
    """Where the coil is: SimNIBS matsimnibs, mm; `t_ns` is when it was there."""

    head_from_coil: Array
    """(4, 4) float64; zeros when not valid."""

    valid: bool
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no matrix of numbers."""
        if self.head_from_coil.shape != (4, 4):
            raise ValueError(f"head_from_coil has shape {self.head_from_coil.shape}")
        require_finite(head_from_coil=unpack_f64(self.head_from_coil).ravel().tolist())


class PredictionEcho(Message, frozen=True, tag="echo.v1"):
    """Sent the moment a pose arrives, as large as a prediction: the transport floor."""

    pose_seq: int
    filling: bytes


class Prediction(Message, frozen=True, tag="prediction.v1"):
    """What each muscle will answer if the pulse comes now; `t_ns` is the pose's.

    Lists are in the rig's order of muscles, and empty when not valid.
    """

    pose_seq: int
    head_from_coil: Array
    intensity_pct_mso: PctMso | None
    mean_log10_uv: tuple[float, ...]
    sd_log10_uv: tuple[float, ...]
    p05_log10_uv: tuple[float, ...]
    p95_log10_uv: tuple[float, ...]
    prior_log10_uv: tuple[float, ...]
    """Mean of the promoted network before it learnt from this subject."""

    model_hash: str
    table_hash: str
    posterior_seq: int
    """Number of updates in the posterior that made it."""

    valid: bool
    reason: str = ""
    doubt: tuple[str, ...] = ()
    """Why it is to be trusted less than its interval says; empty if nothing speaks
    against it."""

    def __post_init__(self) -> None:
        """Refuse lists of different lengths and numbers that are not finite."""
        lists = {
            "mean_log10_uv": self.mean_log10_uv,
            "sd_log10_uv": self.sd_log10_uv,
            "p05_log10_uv": self.p05_log10_uv,
            "p95_log10_uv": self.p95_log10_uv,
            "prior_log10_uv": self.prior_log10_uv,
        }
        require_finite(**lists)
        require_one_length(**lists)


class ResponseMapMade(Message, frozen=True, tag="response_map.v1"):
    """What muscles would answer at candidate poses; `t_ns` is when it was whole.

    Made anew after every change of belief, between predictions. All are numbers: a map
    with others is withheld, and a `StreamGap` of the stream `response_map` says so.
    """

    head_from_coil: Array
    """(n, 4, 4) float32, SimNIBS convention, mm."""

    intensity_pct_mso: PctMso
    """The same for all."""

    mean_log10_uv: Array
    """(n, n_muscles) float32, in the rig's order of muscles."""

    sd_log10_uv: Array
    """(n, n_muscles) float32: of one pulse's answer."""

    presence: Array
    """(n, n_muscles) float32: P(MEP ≥ 50 µV)."""

    model_hash: str
    posterior_seq: int
    """Number of updates in the posterior that made it."""


class Trial(Message, frozen=True, tag="trial.v1"):
    """One pulse, what was predicted before it and what came; `t_ns` is the pulse's.

    A correction (a pulse marked as bad) is published as the same `trial_index` with a
    higher `revision`; the highest one counts.
    """

    trial_index: int
    revision: int
    prediction: Prediction | None
    """The newest valid one published before the edge; None when there was none."""

    prediction_seq: int | None
    lead_ms: float | None
    """From the prediction's publish stamp to the edge."""

    mep: MepMeasured
    learnt: tuple[bool, ...]
    """By muscle: whether the posterior was updated with it."""

    valid: bool
    reason: str = ""
    head_from_coil: Array | None = None
    """(4, 4) float64: the newest valid pose at or just before the edge, whether or not
    a prediction counts; None where the coil was not tracked."""

    intensity_pct_mso: PctMso | None = None
    """What the stimulator was set to at the edge; None where that was not known."""


class SessionEventKind(StrEnum):
    """What an operator or the supervisor said."""

    STARTED = "started"
    NOTE = "note"
    MARK_LAST_BAD = "mark_last_bad"
    ROLL_BACK = "roll_back"
    DAEMON_LOST = "daemon_lost"
    STOPPING = "stopping"


class SessionEvent(Message, frozen=True, tag="session.v1"):
    """A word from the supervisor to every daemon and to the record."""

    kind: SessionEventKind
    text: str = ""
    daemon: str = ""
    """Which one, where one is lost."""


DaemonState = Literal["ready", "running", "degraded", "fault", "stopped"]


class Health(Message, frozen=True, tag="health.v1"):
    """A daemon's heartbeat. `stopped` is the last message that a daemon sends."""

    daemon: str
    state: DaemonState
    reason: str = ""
    n_inputs: int = 0
    n_outputs: int = 0
    n_refused: int = 0
    """Messages that could not be decoded."""

    n_lost: int = 0
    """Messages missing by sequence number."""


class Trace(Message, frozen=True, tag="trace.v1"):
    """What one published message cost; replay never compares it."""

    topic: str
    about_seq: int
    received_ns: int
    publish_ns: int
    """Taken after the message was handed to the bus: an upper bound."""
