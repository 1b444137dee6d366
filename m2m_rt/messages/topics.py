"""The table of topics: what is on the bus, who may say it, and how stale it may be."""

from dataclasses import dataclass
from enum import Enum

from m2m_rt.errors import DataError
from m2m_rt.messages.base import Message
from m2m_rt.messages.device import ClockOffset
from m2m_rt.messages.networks import FitJudged, ModelPromoted, PromotionRefused
from m2m_rt.messages.schema import (
    CoilPose,
    EmgChunk,
    Health,
    MepMeasured,
    Prediction,
    PredictionEcho,
    PulseFired,
    ResponseMapMade,
    SessionEvent,
    StimulatorState,
    StreamGap,
    Trace,
    Trial,
)
from m2m_rt.messages.state import ChangeSeen, ExcitabilityTracked


class Delivery(Enum):
    """What a subscriber needs of a topic."""

    STREAM = "all of them, in order; a loss is an event"
    LATEST = "the newest only"


@dataclass(frozen=True, slots=True)
class Topic:
    """One row of the table."""

    name: str
    message: type[Message]
    meaning: str
    each_daemon: bool = False
    """Whether every daemon has one of its own, or exactly one daemon produces it."""


TOPICS: tuple[Topic, ...] = (
    Topic("emg", EmgChunk, "unfiltered EMG and trigger, 20 ms a message"),
    Topic("pulse_fired", PulseFired, "a trigger edge"),
    Topic("mep", MepMeasured, "amplitude, latency and quality of every muscle"),
    Topic("stimulator_state", StimulatorState, "intensity in % MSO"),
    Topic("clock_offset", ClockOffset, "a sender's clock against the rig's", True),
    Topic("stream_gap", StreamGap, "loss, lateness, disorder", True),
    Topic("coil_pose", CoilPose, "head_from_coil, SimNIBS convention"),
    Topic("echo", PredictionEcho, "the transport floor"),
    Topic("prediction", Prediction, "mean and spread of log10 MEP, before the pulse"),
    Topic("response_map", ResponseMapMade, "expected answers at candidate poses"),
    Topic("excitability", ExcitabilityTracked, "the muscles' shared slow state"),
    Topic("change", ChangeSeen, "a gain or the registration changed at once"),
    Topic("trial", Trial, "pulse, prediction and answer"),
    Topic("model_promoted", ModelPromoted, "the model in use"),
    Topic("promotion_refused", PromotionRefused, "a promotion that was not taken"),
    Topic("fit", FitJudged, "what became of a refit, and why"),
    Topic("session", SessionEvent, "the operator's and the supervisor's words"),
    Topic("health", Health, "heartbeats", True),
    Topic("trace", Trace, "what a message cost", True),
)

_BY_MESSAGE = {topic.message: topic for topic in TOPICS}
_BY_NAME = {topic.name: topic for topic in TOPICS}


def topic_of(message: Message) -> Topic | None:
    """Return the topic a message is published on; None for effects and inputs."""
    return _BY_MESSAGE.get(type(message))


def topic_named(name: str) -> Topic:
    """Return a row of the table.

    Raises
    ------
    DataError
        If there is no such topic.
    """
    if name not in _BY_NAME:
        msg = f"topic {name!r} is not one of {', '.join(_BY_NAME)}"
        raise DataError(msg)
    return _BY_NAME[name]
