"""Two messages are equal, or the first field in which they differ is named."""

import re
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.errors import DataError
from m2m_rt.messages import (
    EmgChunk,
    FitRequest,
    Message,
    Prediction,
    SessionEvent,
    SessionEventKind,
    decode,
    encode,
    pack_f32,
    pack_f64,
)
from m2m_rt.replay import first_difference
from m2m_rt.replay.damage import field_at
from m2m_rt.units import RigNs
from tests.support.messages import messages


@given(message=messages())
def test_a_message_equals_itself(message: Message) -> None:
    assert first_difference(message, decode(encode(message))) is None


@given(message=messages(), data=st.data())
def test_the_field_of_a_changed_bit_is_the_one_that_differs(
    message: Message, data: st.DataObject
) -> None:
    frame = bytearray(encode(message))
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    named = field_at(message, bit // 8)
    assert named
    frame[bit // 8] ^= 1 << bit % 8
    try:
        changed = decode(bytes(frame))
    except DataError:
        return
    difference = first_difference(message, changed)
    assert difference is not None
    assert root(named) == root(difference.field).replace("type", "tag")


def root(path: str) -> str:
    return re.split(r"[.\[ ]", path)[0]


def chunk(samples: list[list[float]]) -> EmgChunk:
    packed = pack_f32(np.array(samples, np.float32))
    return EmgChunk(t_ns=RigNs(1), first_row=0, fs_hz=5000.0, samples=packed)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"t_ns": 2}, "t_ns"),
        ({"fs_hz": 5000.000001}, "fs_hz"),
        ({"samples": pack_f32(np.zeros((2, 3), np.float32))}, "samples"),
        ({"samples": chunk([[0.0, 0.0], [-0.0, 0.0]]).samples}, "samples[1, 0]"),
    ],
)
def test_a_difference_is_named(change: dict[str, Any], field: str) -> None:
    recorded = chunk([[0.0, 0.0], [0.0, 0.0]])
    changed = msgspec.structs.replace(recorded, **change)
    difference = first_difference(recorded, changed)
    assert difference is not None
    assert difference.field == field


def predicted(mean_log10_uv: tuple[float, ...]) -> Prediction:
    zeros = (0.0,) * len(mean_log10_uv)
    return Prediction(
        t_ns=RigNs(1),
        pose_seq=0,
        head_from_coil=pack_f64(np.eye(4)),
        intensity_pct_mso=None,
        mean_log10_uv=mean_log10_uv,
        sd_log10_uv=zeros,
        p05_log10_uv=zeros,
        p95_log10_uv=zeros,
        prior_log10_uv=zeros,
        model_hash="",
        table_hash="",
        posterior_seq=0,
        valid=True,
    )


def test_lists_of_different_lengths_differ() -> None:
    difference = first_difference(predicted((1.0,)), predicted((1.0, 2.0)))
    assert difference is not None
    assert difference.field == "mean_log10_uv"
    assert difference.recorded == "1 entries"


@pytest.mark.parametrize("rtol", [1e-5, 1e-3])
def test_a_tolerance_is_that_and_no_more(rtol: float) -> None:
    recorded = predicted((1.0,))
    assert first_difference(recorded, predicted((1.0 + 0.9 * rtol,)), rtol=rtol) is None
    difference = first_difference(recorded, predicted((1.0 + 3 * rtol,)), rtol=rtol)
    assert difference is not None
    assert difference.field == "mean_log10_uv[0]"


def test_a_tolerance_does_not_loosen_counts() -> None:
    recorded = chunk([[0.0]])
    changed = msgspec.structs.replace(recorded, first_row=1)
    assert first_difference(recorded, changed, rtol=1.0) is not None


def test_messages_inside_a_message_are_compared_by_their_fields() -> None:
    def request(mean_log10_uv: float) -> FitRequest:
        return FitRequest(
            t_ns=RigNs(1),
            fit_id=0,
            parent_hash="",
            n_trials=1,
            n_held_out=0,
            rng_seed=1,
            trials=(encode(predicted((mean_log10_uv,))),),
        )

    difference = first_difference(request(1.0), request(1.5))
    assert difference is not None
    assert difference.field == "trials[0].mean_log10_uv[0]"
    assert first_difference(request(1.0), request(1.0 + 1e-9), rtol=1e-5) is None


def test_messages_of_two_kinds_differ_in_type() -> None:
    word = SessionEvent(t_ns=RigNs(1), kind=SessionEventKind.NOTE)
    difference = first_difference(word, chunk([[0.0]]))
    assert difference is not None
    assert (difference.field, difference.recorded) == ("type", "SessionEvent")
