"""Every message survives the wire; nothing else gets in."""

from math import isnan, nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.errors import DataError
from m2m_rt.messages import (
    MESSAGE_TYPES,
    Array,
    MepMeasured,
    Message,
    Prediction,
    StimulatorReceived,
    decode,
    encode,
    tag_of,
    unpack_f32,
    unpack_f64,
)
from m2m_rt.units import RigNs
from tests.support.messages import arrays, messages, messages_of


@pytest.mark.parametrize("message_type", MESSAGE_TYPES, ids=lambda one: one.__name__)
@given(data=st.data())
def test_a_message_of_each_type_comes_back_equal(
    message_type: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages_of(message_type))
    frame = encode(message)
    assert decode(frame) == message
    assert encode(decode(frame)) == frame


@given(frame=st.binary(max_size=200))
def test_random_bytes_are_refused(frame: bytes) -> None:
    with pytest.raises(DataError):
        decode(frame)


@given(message=messages(), data=st.data())
def test_a_cut_message_is_refused(message: Message, data: st.DataObject) -> None:
    frame = encode(message)
    n_bytes = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(DataError):
        decode(frame[:n_bytes])


@given(message=messages(), data=st.data())
def test_a_message_with_a_flipped_bit_is_refused_or_a_message(
    message: Message, data: st.DataObject
) -> None:
    frame = bytearray(encode(message))
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[bit // 8] ^= 1 << bit % 8
    try:
        changed = decode(bytes(frame))
    except DataError:
        return
    assert encode(changed) != encode(message)


@given(message=messages(), more=st.binary(min_size=1, max_size=20))
def test_bytes_behind_a_message_are_refused(message: Message, more: bytes) -> None:
    with pytest.raises(DataError):
        decode(encode(message) + more)


@given(message=messages())
def test_an_unknown_version_is_refused(message: Message) -> None:
    tag = tag_of(message).encode()
    newer = tag[:-1] + b"9"
    with pytest.raises(DataError):
        decode(encode(message).replace(tag, newer))


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a", b"\xdd\xff\xff\xff\xff"])
def test_deep_and_boundless_frames_are_refused(opening: bytes) -> None:
    with pytest.raises(DataError):
        decode(opening * 100_000)


@given(array=arrays())
def test_an_array_is_unpacked_whatever_its_bits(array: Array) -> None:
    assert unpack_f32(array).shape == unpack_f64(array).shape == array.shape


@pytest.mark.parametrize("message_type", [MepMeasured, Prediction])
@given(data=st.data())
def test_lists_of_different_numbers_of_muscles_are_refused(
    message_type: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages_of(message_type))
    lists = [
        name
        for name in message.__struct_fields__
        if isinstance(getattr(message, name), tuple) and name != "doubt"
    ]
    name = data.draw(st.sampled_from(lists))
    longer = (*getattr(message, name), *getattr(message, name), 1.0)
    with pytest.raises(ValueError, match="one entry a muscle"):
        msgspec.structs.replace(message, **{name: longer})


def test_a_raw_value_that_is_not_a_number_travels() -> None:
    unknown = StimulatorReceived(t_ns=RigNs(1), intensity_pct_mso=nan, device_s=1.0)
    arrived = decode(encode(unknown))
    assert isinstance(arrived, StimulatorReceived)
    assert isnan(arrived.intensity_pct_mso)
