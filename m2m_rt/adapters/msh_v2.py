"""Sections of `.msh` files of version 2."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_rt.adapters.msh_cursor import BinaryCursor, TextCursor
from m2m_rt.adapters.msh_parts import Elements, nodes_of_kind
from m2m_rt.errors import DataError
from m2m_rt.units import F64, I64

MOST_TAGS = 16

Ints = npt.NDArray[Any]


def nodes_2(cursor: TextCursor | BinaryCursor, n_nodes: int) -> tuple[I64, F64]:
    """Return node numbers (n,) and places (n, 3)."""
    return cursor.numbered_points(n_nodes)


def elements_2(
    cursor: TextCursor | BinaryCursor, n_elements: int
) -> Iterator[Elements]:
    """Yield elements in runs of one kind; leave the cursor behind the last.

    Raises
    ------
    DataError
        If the file ends before, or an element is of an unknown kind.
    """
    if isinstance(cursor, TextCursor):
        yield from _text_runs(cursor, n_elements)
    else:
        yield from _binary_runs(cursor, n_elements)


def _text_runs(cursor: TextCursor, n_elements: int) -> Iterator[Elements]:
    """Rows are: number, kind, how many tags, tags, nodes."""
    numbers = cursor.ints(cursor.left)
    at = 0
    while n_elements > 0:
        if at + 3 > len(numbers):
            raise DataError(f"{cursor.where}: {n_elements} elements are missing")
        kind, n_tags = int(numbers[at + 1]), int(numbers[at + 2])
        n_nodes = _checked_kind(kind, n_tags, cursor.where)
        width = 3 + n_tags + n_nodes
        rows = _alike(numbers[at:], width, n_elements, slice(1, 3), cursor.where)
        yield _elements(kind, n_tags, np.delete(rows, (1, 2), axis=1))
        at += rows.size
        n_elements -= len(rows)
    if at != len(numbers):
        raise DataError(f"{cursor.where}: more numbers than elements need")


def _binary_runs(cursor: BinaryCursor, n_elements: int) -> Iterator[Elements]:
    """Blocks are: kind, how many, how many tags; then rows of number, tags, nodes.

    Gmsh writes a block for each element: equal blocks are read at once.
    """
    numbers = cursor.rest_as_ints()
    at = 0
    while n_elements > 0:
        if at + 3 > len(numbers):
            raise DataError(f"{cursor.where}: {n_elements} elements are missing")
        kind, n_follow, n_tags = (int(k) for k in numbers[at : at + 3])
        n_nodes = _checked_kind(kind, n_tags, cursor.where)
        if not 0 < n_follow <= n_elements:
            raise DataError(f"{cursor.where}: a block of {n_follow} elements")
        width = 3 + n_follow * (1 + n_tags + n_nodes)
        most = n_elements // n_follow
        blocks = _alike(numbers[at:], width, most, slice(0, 3), cursor.where)
        rows = blocks[:, 3:].reshape(-1, 1 + n_tags + n_nodes)
        yield _elements(kind, n_tags, rows.astype(np.int64))
        at += blocks.size
        n_elements -= len(rows)
    cursor.at += 4 * at


def _checked_kind(kind: int, n_tags: int, where: str) -> int:
    if not 0 <= n_tags <= MOST_TAGS:
        raise DataError(f"{where}: an element with {n_tags} tags")
    return nodes_of_kind(kind, where)


def _elements(kind: int, n_tags: int, rows: Ints) -> Elements:
    """Return elements of rows of number, tags, nodes."""
    tags = rows[:, 1] if n_tags else np.zeros(len(rows), np.int64)
    return Elements(kind, rows[:, 0], tags, rows[:, 1 + n_tags :])


def _alike(numbers: Ints, width: int, most: int, head: slice, where: str) -> Ints:
    """Return the leading rows (n, width) whose heads equal the first row's.

    Looks at ever more rows at a time, so that short runs do not cost the whole file.
    """
    n_rows = min(most, len(numbers) // width)
    if n_rows < 1:
        raise DataError(f"{where}: the file ends within an element")
    rows = numbers[: n_rows * width].reshape(n_rows, width)
    done, step = 1, 64
    while done < n_rows:
        same = (rows[done : done + step, head] == rows[0, head]).all(axis=1)
        if not same.all():
            return rows[: done + int(same.argmin())]
        done, step = done + len(same), 2 * step
    return rows
