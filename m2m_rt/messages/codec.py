"""Messages to bytes and back: one msgpack frame a message, refused if not known."""

from typing import get_args

import msgspec

from m2m_rt.errors import DataError
from m2m_rt.messages.base import Message
from m2m_rt.messages.device import (
    ClockOffset,
    EmgReceived,
    LinkChanged,
    MarkerReceived,
    PoseReceived,
    StimulatorReceived,
)
from m2m_rt.messages.effects import FitFinished, FitRequest, SetTimer, Tick
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

AnyMessage = (
    EmgReceived
    | MarkerReceived
    | StimulatorReceived
    | PoseReceived
    | LinkChanged
    | ClockOffset
    | SetTimer
    | Tick
    | FitRequest
    | FitFinished
    | EmgChunk
    | PulseFired
    | MepMeasured
    | StimulatorState
    | StreamGap
    | CoilPose
    | PredictionEcho
    | Prediction
    | ResponseMapMade
    | ExcitabilityTracked
    | ChangeSeen
    | Trial
    | ModelPromoted
    | PromotionRefused
    | FitJudged
    | SessionEvent
    | Health
    | Trace
)

MESSAGE_TYPES: tuple[type[Message], ...] = get_args(AnyMessage)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyMessage)


def encode(message: Message) -> bytes:
    """Return a message's one frame."""
    return _encoder.encode(message)


def decode(frame: bytes) -> Message:
    """Return the message in a frame.

    Raises
    ------
    DataError
        If the frame is cut, of an unknown tag, has unknown fields, or holds a value
        outside its range.
    """
    try:
        message: Message = _decoder.decode(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as err:
        msg = f"message of {len(frame)} bytes refused: {err}"
        raise DataError(msg) from err
    return message


def tag_of(message: Message) -> str:
    """Return a message's tag, such as `emg.v1`."""
    return str(type(message).__struct_config__.tag)
