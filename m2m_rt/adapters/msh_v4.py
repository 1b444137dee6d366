"""Sections of `.msh` files of versions 4.0 (as SimNIBS writes) and 4.1."""

from collections.abc import Iterator

import numpy as np

from m2m_rt.adapters.msh_cursor import Cursor
from m2m_rt.adapters.msh_parts import Elements, nodes_of_kind
from m2m_rt.errors import DataError
from m2m_rt.units import F64, I64

Tags = dict[tuple[int, int], int]
"""Physical tag by dimension and tag of an entity."""


def entities_4(cursor: Cursor, *, minor: int) -> Tags:
    """Return the first physical tag of each entity that has one."""
    found: Tags = {}
    for dimension, n in enumerate(cursor.sizes(4).tolist()):
        n_box = 3 if dimension == 0 and minor else 6
        for _ in range(n):
            (tag,) = cursor.ints(1).tolist()
            cursor.doubles(n_box)
            physical = cursor.ints(int(cursor.sizes(1)[0]))
            if len(physical):
                found[dimension, tag] = int(physical[0])
            if dimension:
                cursor.ints(int(cursor.sizes(1)[0]))
    return found


def nodes_4(cursor: Cursor, *, minor: int, where: str) -> tuple[I64, F64]:
    """Return node numbers (n,) and places (n, 3)."""
    n_blocks, n_stated = cursor.sizes(4 if minor else 2)[:2].tolist()
    numbers, places = [np.zeros(0, np.int64)], [np.zeros((0, 3))]
    for _ in range(n_blocks):
        parametric = int(cursor.ints(3)[2])
        n = int(cursor.sizes(1)[0])
        if parametric:
            raise DataError(f"{where}: parametric nodes are not supported")
        if minor:
            numbers.append(cursor.sizes(n))
            places.append(cursor.doubles(3 * n).reshape(n, 3))
        else:
            number, place = cursor.numbered_points(n)
            numbers.append(number)
            places.append(place)
    found = sum(len(each) for each in numbers)
    if found != n_stated:
        raise DataError(f"{where}: found {found} nodes, expected {n_stated}")
    return np.concatenate(numbers), np.concatenate(places)


def elements_4(
    cursor: Cursor, tags: Tags, *, minor: int, where: str
) -> Iterator[Elements]:
    """Yield elements block by block; a block's tag is its physical or entity tag."""
    n_blocks, n_stated = cursor.sizes(4 if minor else 2)[:2].tolist()
    found = 0
    for _ in range(n_blocks):
        first, second, kind = cursor.ints(3).tolist()
        dimension, entity = (first, second) if minor else (second, first)
        n, width = int(cursor.sizes(1)[0]), 1 + nodes_of_kind(kind, where)
        take = cursor.sizes if minor else cursor.ints
        rows = take(n * width).reshape(n, width)
        tag = np.full(n, tags.get((dimension, entity), entity))
        yield Elements(kind, rows[:, 0], tag, rows[:, 1:])
        found += n
    if found != n_stated:
        raise DataError(f"{where}: found {found} elements, expected {n_stated}")
