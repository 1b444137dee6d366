"""Numbers of a `.msh` section one after the other, from text or from bytes."""

import mmap
import warnings
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from m2m_rt.errors import DataError
from m2m_rt.units import F64, I64

LARGEST_INT = 2.0**53
"""Up to here the text's numbers, read as float64, are exact."""


class Cursor(Protocol):
    """Takes numbers in order; raises DataError where the file has too few."""

    def ints(self, n: int) -> I64:
        """Return the next n numbers of C type int."""

    def sizes(self, n: int) -> I64:
        """Return the next n numbers of C type size_t."""

    def doubles(self, n: int) -> F64:
        """Return the next n numbers of C type double."""

    def numbered_points(self, n: int) -> tuple[I64, F64]:
        """Return numbers (n,) and places (n, 3), which lie point by point."""


class TextCursor:
    """Numbers of a section in text."""

    def __init__(self, text: bytes, where: str) -> None:
        """Read all numbers of a section's text."""
        self.where = where
        self.at = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self._numbers = np.fromstring(text.decode("ascii"), sep=" ")
        except (DeprecationWarning, ValueError) as err:
            raise DataError(f"{where}: found what is no number ({err})") from err

    @property
    def left(self) -> int:
        """How many numbers have not been taken."""
        return len(self._numbers) - self.at

    def ints(self, n: int) -> I64:
        """Return the next n numbers, which must be whole."""
        numbers = self.doubles(n)
        return _whole(numbers, self.where)

    def sizes(self, n: int) -> I64:
        """Return the next n numbers, which must be whole and not negative."""
        return _not_negative(self.ints(n), self.where)

    def doubles(self, n: int) -> F64:
        """Return the next n numbers."""
        _check_left(n, self.left, self.where)
        self.at += n
        return self._numbers[self.at - n : self.at]

    def numbered_points(self, n: int) -> tuple[I64, F64]:
        """Return numbers (n,) and places (n, 3)."""
        _check_left(4 * n, self.left, self.where)
        rows = self._numbers[self.at : self.at + 4 * n].reshape(n, 4)
        self.at += 4 * n
        return _whole(rows[:, 0], self.where), rows[:, 1:].copy()


class BinaryCursor:
    """Numbers of a section in little-endian bytes."""

    def __init__(self, raw: bytes | mmap.mmap, at: int, where: str) -> None:
        """Begin at a byte of the file."""
        self.where = where
        self.at = at
        self._raw = raw

    @property
    def left(self) -> int:
        """How many bytes follow, those of later sections included."""
        return len(self._raw) - self.at

    def ints(self, n: int) -> I64:
        """Return the next n numbers of 4 bytes."""
        return self._take("<i4", n).astype(np.int64)

    def sizes(self, n: int) -> I64:
        """Return the next n numbers of 8 bytes, which must not be negative."""
        return _not_negative(self._take("<i8", n).astype(np.int64), self.where)

    def doubles(self, n: int) -> F64:
        """Return the next n numbers of 8 bytes."""
        return self._take("<f8", n).astype(np.float64)

    def numbered_points(self, n: int) -> tuple[I64, F64]:
        """Return numbers (n,) and places (n, 3)."""
        rows = self._take([("number", "<i4"), ("place", "<f8", 3)], n)
        return rows["number"].astype(np.int64), rows["place"].astype(np.float64)

    def rest_as_ints(self) -> npt.NDArray[np.int32]:
        """Return all that follows as numbers of 4 bytes, without copying it."""
        return np.frombuffer(self._raw, "<i4", self.left // 4, self.at)

    def _take(self, dtype: npt.DTypeLike, n: int) -> npt.NDArray[Any]:
        kind = np.dtype(dtype)
        _check_left(n * kind.itemsize, self.left, self.where)
        taken = np.frombuffer(self._raw, kind, n, self.at)
        self.at += n * kind.itemsize
        return taken


def _check_left(needed: int, left: int, where: str) -> None:
    """Check a count against what the file holds before anything is made for it."""
    if not 0 <= needed <= left:
        raise DataError(f"{where}: the file ends before {needed} more are read")


def _whole(numbers: F64, where: str) -> I64:
    if not ((np.abs(numbers) <= LARGEST_INT) & (numbers == np.rint(numbers))).all():
        raise DataError(f"{where}: found a number that is not whole")
    return numbers.astype(np.int64)


def _not_negative(numbers: I64, where: str) -> I64:
    if (numbers < 0).any():
        raise DataError(f"{where}: found a negative count or number")
    return numbers
