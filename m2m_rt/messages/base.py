"""What every message has, and how an array travels inside one."""

import math
from collections.abc import Iterable, Sized
from typing import Literal

import msgspec
import numpy as np

from m2m_rt.units import F32, F64, RigNs


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The two fields that every message starts with."""

    t_ns: RigNs
    """When it happened, rig clock; not when it was sent."""

    seq: int = 0
    """Place in its producer's messages of this kind, 0, 1, 2, …: the runtime numbers
    them on the way out, so that a subscriber can see a loss."""


class Array(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """A little-endian C-ordered array; rows are time where there is time."""

    dtype: Literal["<f4", "<f8"]
    shape: tuple[int, ...]
    data: bytes

    def __post_init__(self) -> None:
        """Refuse bytes that do not fill the shape."""
        n_bytes = math.prod(self.shape) * int(self.dtype[2])
        if min(self.shape, default=0) < 0 or len(self.data) != n_bytes:
            msg = f"{len(self.data)} bytes, shape {self.shape} needs {n_bytes}"
            raise ValueError(msg)


def pack_f32(values: F32) -> Array:
    """Return an array for the wire, as float32."""
    return Array(dtype="<f4", shape=values.shape, data=values.astype("<f4").tobytes())


def pack_f64(values: F64) -> Array:
    """Return an array for the wire, as float64: time stamps, poses."""
    return Array(dtype="<f8", shape=values.shape, data=values.astype("<f8").tobytes())


def unpack_f32(array: Array) -> F32:
    """Return the values as a read-only float32 view of the message's bytes."""
    flat = np.frombuffer(array.data, dtype=array.dtype)
    # A float64 beyond float32 becomes infinite; a NaN stays one, of whichever kind.
    with np.errstate(over="ignore", invalid="ignore"):
        return flat.astype(np.float32, copy=False).reshape(array.shape)


def unpack_f64(array: Array) -> F64:
    """Return the values as float64, read-only if they travelled as such."""
    flat = np.frombuffer(array.data, dtype=array.dtype)
    with np.errstate(invalid="ignore"):  # a NaN stays one, of whichever kind
        return flat.astype(np.float64, copy=False).reshape(array.shape)


def require_finite(**named: float | Iterable[float | None] | None) -> None:
    """Raise ValueError naming the first field that holds NaN or infinity.

    msgspec accepts both in a float, so each message asks in `__post_init__`.
    """
    for name, value in named.items():
        values = (value,) if value is None or isinstance(value, int | float) else value
        if not all(v is None or math.isfinite(v) for v in values):
            msg = f"{name} is not finite"
            raise ValueError(msg)


def require_one_length(**named: Sized) -> None:
    """Raise ValueError naming the lengths of fields that should have one."""
    lengths = {name: len(values) for name, values in named.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        msg = f"one entry a muscle, found {found}"
        raise ValueError(msg)
