"""Field-by-field comparison of two messages: the first field in which they differ."""

import math
import struct
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from m2m_rt.errors import DataError
from m2m_rt.messages import Array, Message, decode


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field with two values, as text."""

    field: str
    """Path to it: `mep.mep_p2p_uv[3]`, `samples[12, 0]`."""

    recorded: str
    recomputed: str


def first_difference(
    recorded: Message, recomputed: Message, *, rtol: float = 0.0
) -> FieldDifference | None:
    """Return the first field that differs, or None.

    Parameters
    ----------
    recorded, recomputed
        Messages of any two types.
    rtol
        0 compares bit for bit. Else floats may differ by `rtol * (1 + |recorded|)`:
        their units (µV, mm, ms, log10 µV) make 1 a small value of each.
    """
    if type(recorded) is not type(recomputed):
        names = type(recorded).__name__, type(recomputed).__name__
        return FieldDifference("type", *names)
    return _compare("", recorded, recomputed, rtol)


def _compare(
    path: str, recorded: object, recomputed: object, rtol: float
) -> FieldDifference | None:
    if isinstance(recorded, Array) and isinstance(recomputed, Array):
        return _compare_arrays(path, recorded, recomputed, rtol)
    if type(recorded) is not type(recomputed):
        return FieldDifference(path, _text(recorded), _text(recomputed))
    if isinstance(recorded, msgspec.Struct):
        return _compare_structs(path, recorded, recomputed, rtol)
    if isinstance(recorded, tuple) and isinstance(recomputed, tuple):
        return _compare_tuples(path, recorded, recomputed, rtol)
    if isinstance(recorded, bytes) and isinstance(recomputed, bytes):
        return _compare_bytes(path, recorded, recomputed, rtol)
    if isinstance(recorded, float) and isinstance(recomputed, float):
        is_same = _same_float(recorded, recomputed, rtol)
    else:
        is_same = recorded == recomputed
    return (
        None if is_same else FieldDifference(path, _text(recorded), _text(recomputed))
    )


def _compare_structs(
    path: str, recorded: msgspec.Struct, recomputed: object, rtol: float
) -> FieldDifference | None:
    for name in recorded.__struct_fields__:
        inner = f"{path}.{name}" if path else name
        found = _compare(
            inner, getattr(recorded, name), getattr(recomputed, name), rtol
        )
        if found is not None:
            return found
    return None


def _compare_tuples(
    path: str,
    recorded: tuple[object, ...],
    recomputed: tuple[object, ...],
    rtol: float,
) -> FieldDifference | None:
    for index, (one, other) in enumerate(zip(recorded, recomputed, strict=False)):
        found = _compare(f"{path}[{index}]", one, other, rtol)
        if found is not None:
            return found
    if len(recorded) != len(recomputed):
        lengths = f"{len(recorded)} entries", f"{len(recomputed)} entries"
        return FieldDifference(path, *lengths)
    return None


def _compare_bytes(
    path: str, recorded: bytes, recomputed: bytes, rtol: float
) -> FieldDifference | None:
    """Compare bytes; those that hold messages (a fit's trials) by their fields."""
    if recorded == recomputed:
        return None
    try:
        inner = decode(recorded), decode(recomputed)
    except DataError:
        return FieldDifference(path, _text(recorded), _text(recomputed))
    found = first_difference(*inner, rtol=rtol)
    if found is None:
        return None
    return FieldDifference(f"{path}.{found.field}", found.recorded, found.recomputed)


def _compare_arrays(
    path: str, recorded: Array, recomputed: Array, rtol: float
) -> FieldDifference | None:
    if (recorded.dtype, recorded.shape) != (recomputed.dtype, recomputed.shape):
        kinds = (f"{a.dtype} of shape {a.shape}" for a in (recorded, recomputed))
        return FieldDifference(path, *kinds)
    if recorded.data == recomputed.data:
        return None
    one, other = _values(recorded), _values(recomputed)
    if rtol:
        is_same = np.isclose(other, one, rtol=rtol, atol=rtol, equal_nan=True)
    else:
        bits = f"<u{one.dtype.itemsize}"
        is_same = one.view(bits) == other.view(bits)
    if is_same.all():
        return None
    first = int(np.argmin(is_same))
    where = ", ".join(str(i) for i in np.unravel_index(first, recorded.shape))
    return FieldDifference(f"{path}[{where}]", str(one[first]), str(other[first]))


def _values(array: Array) -> npt.NDArray[np.floating]:
    return np.frombuffer(array.data, dtype=array.dtype)


def _same_float(recorded: float, recomputed: float, rtol: float) -> bool:
    if struct.pack("<d", recorded) == struct.pack("<d", recomputed):
        return True
    if not rtol:
        return False
    if math.isnan(recorded) or math.isnan(recomputed):
        return math.isnan(recorded) and math.isnan(recomputed)
    return math.isclose(recorded, recomputed, rel_tol=rtol, abs_tol=rtol)


def _text(value: object) -> str:
    if isinstance(value, bytes) and len(value) > 32:
        return f"{len(value)} bytes starting {value[:16].hex()}"
    return repr(value)
