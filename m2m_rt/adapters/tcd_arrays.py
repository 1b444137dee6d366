"""Arrays in a `.tcd` file: lists of numbers, or base64 of float64, perhaps deflated."""

import binascii
import zlib

import numpy as np

from m2m_rt.adapters.coil_parts import MAX_ELEMENTS
from m2m_rt.errors import DataError
from m2m_rt.units import F64

Point = tuple[float, float, float]

MAX_ARRAY_BYTES = 24 * MAX_ELEMENTS
"""Of one array of points, unpacked."""

LARGEST_NUMBER = 1e9


def points_of(stored: list[Point] | str, where: str) -> F64:
    """Return points (n, 3) from either form.

    Raises
    ------
    DataError
        If the text is no base64 of float64 triples, or there are too many.
    """
    if isinstance(stored, str):
        flat = np.frombuffer(_unpacked(stored, where), dtype="<f8")
        if flat.size == 0 or flat.size % 3:
            raise DataError(
                f"{where}: found {flat.size} numbers, expected three a point"
            )
        points = flat.reshape(-1, 3).astype(np.float64)
    else:
        points = np.array(stored, dtype=np.float64).reshape(-1, 3)
    if not 0 < len(points) <= MAX_ELEMENTS:
        raise DataError(
            f"{where}: found {len(points)} points, expected 1 … {MAX_ELEMENTS}"
        )
    if not (np.abs(points) <= LARGEST_NUMBER).all():
        raise DataError(f"{where}: found NaN or a number beyond {LARGEST_NUMBER:g}")
    return points


def _unpacked(text: str, where: str) -> bytes:
    """Return what base64 holds, inflated if it is a whole zlib stream.

    Early files hold plain numbers. A zlib stream ends in a checksum, so plain numbers
    are not taken for one.
    """
    if len(text) > 2 * MAX_ARRAY_BYTES:
        raise DataError(f"{where}: text of {len(text)} characters is too long")
    try:
        packed = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as err:
        raise DataError(f"{where}: no base64 ({err})") from err
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(packed, MAX_ARRAY_BYTES)
    except zlib.error:
        raw = packed
    else:
        if inflater.unconsumed_tail:
            raise DataError(
                f"{where}: unpacks to more than {MAX_ARRAY_BYTES} bytes; refused"
            )
        raw = raw if inflater.eof else packed
    if len(raw) % 8:
        raise DataError(f"{where}: found {len(raw)} bytes, expected float64 numbers")
    return raw
