"""Hypothesis strategies for every message type, made from the types themselves."""

from typing import Any

import msgspec.inspect as mi
import numpy as np
from hypothesis import strategies as st

from m2m_rt.messages import (
    MESSAGE_TYPES,
    Array,
    CoilPose,
    MepMeasured,
    Message,
    Prediction,
    pack_f64,
)
from m2m_rt.units import RigNs

_INSTANTS = st.integers(0, 2**62)
_COUNTS = st.integers(-(2**31), 2**53)
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_SIMPLE: dict[type[mi.Type], st.SearchStrategy[Any]] = {
    mi.FloatType: _FINITE,
    mi.IntType: _COUNTS,
    mi.BoolType: st.booleans(),
    mi.BytesType: st.binary(max_size=40),
    mi.NoneType: st.none(),
    mi.StrType: st.text(max_size=20),
}
_MUSCLE_LISTS: dict[type[Message], tuple[str, ...]] = {
    MepMeasured: (
        "mep_p2p_uv",
        "mep_latency_ms",
        "preactivation_rms_uv",
        "present",
        "valid",
        "reason",
    ),
    Prediction: (
        "mean_log10_uv",
        "sd_log10_uv",
        "p05_log10_uv",
        "p95_log10_uv",
        "prior_log10_uv",
    ),
}
"""Fields with an entry a muscle."""

_MATRICES = st.lists(_FINITE, min_size=16, max_size=16).map(
    lambda values: pack_f64(np.array(values).reshape(4, 4))
)


def messages() -> st.SearchStrategy[Message]:
    """Return any message of the vocabulary."""
    return st.one_of(*(messages_of(one) for one in MESSAGE_TYPES))


def messages_of(message_type: type[Message]) -> st.SearchStrategy[Any]:
    """Return any message of one type."""
    if message_type in _MUSCLE_LISTS:
        return _of_muscles(message_type, _MUSCLE_LISTS[message_type])
    fields = _fields(message_type)
    if message_type is CoilPose:
        fields["head_from_coil"] = _MATRICES
    return st.builds(message_type, **fields)


def arrays() -> st.SearchStrategy[Array]:
    """Return an array of any values, NaN among them."""

    def fill(shape: tuple[int, ...], dtype: str) -> st.SearchStrategy[Array]:
        n_bytes = int(np.prod(shape)) * int(dtype[2])
        return st.binary(min_size=n_bytes, max_size=n_bytes).map(
            lambda data: Array(dtype=dtype, shape=shape, data=data)
        )

    shapes = st.lists(st.integers(0, 4), max_size=2).map(tuple)
    pairs = st.tuples(shapes, st.sampled_from(["<f4", "<f8"]))
    return pairs.flatmap(lambda pair: fill(*pair))


def _fields(message_type: type[Message]) -> dict[str, st.SearchStrategy[Any]]:
    info = mi.type_info(message_type)
    return {field.name: _field(field) for field in info.fields}


def _field(field: mi.Field) -> st.SearchStrategy[Any]:
    return _INSTANTS.map(RigNs) if field.name == "t_ns" else _values(field.type)


def _values(kind: mi.Type) -> st.SearchStrategy[Any]:
    match kind:
        case mi.StructType(cls=cls):
            return arrays() if cls is Array else messages_of(cls)
        case mi.VarTupleType(item_type=item):
            return st.lists(_values(item), max_size=4).map(tuple)
        case mi.UnionType(types=types):
            return st.one_of(*map(_values, types))
        case mi.FloatType(ge=float() as least, le=float() as most):
            return st.floats(least, most)
    return _simple_values(kind)


def _simple_values(kind: mi.Type) -> st.SearchStrategy[Any]:
    match kind:
        case mi.EnumType(cls=choices) | mi.LiteralType(values=choices):
            return st.sampled_from(choices)
    return _SIMPLE[type(kind)]


def _of_muscles(
    message_type: type[Message], names: tuple[str, ...]
) -> st.SearchStrategy[Any]:
    """Return messages whose lists have as many entries as there are muscles."""
    fields = _fields(message_type)
    kinds = {
        f.name: f.type.item_type
        for f in mi.type_info(message_type).fields
        if f.name in names
    }

    def of(n_muscles: int) -> st.SearchStrategy[Any]:
        lists = {
            name: st.lists(_values(kind), min_size=n_muscles, max_size=n_muscles).map(
                tuple
            )
            for name, kind in kinds.items()
        }
        return st.builds(message_type, **{**fields, **lists})

    return st.integers(0, 3).flatmap(of)
