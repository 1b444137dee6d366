"""Reads Gmsh's `.msh` meshes as SimNIBS uses them: versions 2 and 4, text and binary.

Every count is held against what is left of the file before memory is taken for it, so
a damaged file cannot take more than a few times its own size.
"""

import mmap
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from m2m_rt.adapters.msh_cursor import BinaryCursor, TextCursor
from m2m_rt.adapters.msh_parts import Elements, MshMesh, assembled
from m2m_rt.adapters.msh_v2 import elements_2, nodes_2
from m2m_rt.adapters.msh_v4 import Tags, elements_4, entities_4, nodes_4
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.units import F64, I64

__all__ = ["MshMesh", "read_msh"]

MAX_BYTES = 8 * 1024**3
LONGEST_LINE = 200
VERSIONS = {b"2": 2, b"2.1": 2, b"2.2": 2, b"4": 40, b"4.0": 40, b"4.1": 41}


@dataclass(slots=True)
class _Found:
    """What the sections gave so far."""

    numbers: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    nodes_mm: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    elements: list[Elements] = field(default_factory=list)
    tags: Tags = field(default_factory=dict)


def read_msh(path: Path) -> MshMesh:
    """Return the triangles and tetrahedra of a `.msh` file.

    Raises
    ------
    ConfigError
        If there is no such file.
    DataError
        If it is damaged or has what a head mesh has not; naming the section.
    """
    if not path.is_file():
        raise ConfigError(str(path), "no file", "a .msh mesh")
    if not 0 < path.stat().st_size <= MAX_BYTES:
        raise DataError(f"{path}: found an empty file or one of more than 8 GiB")
    with path.open("rb") as file:
        raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return _Reader(raw, str(path)).read()


class _Reader:
    """Goes through a file's sections in order."""

    def __init__(self, raw: mmap.mmap, where: str) -> None:
        self._raw = raw
        self._where = where
        self._at = 0
        self._binary = False
        self._version = 0

    def read(self) -> MshMesh:
        self._header()
        found = _Found()
        while (name := self._next_section()) is not None:
            match name:
                case b"Entities" if self._version != 2:
                    found.tags = self._entities()
                case b"Nodes":
                    found.numbers, found.nodes_mm = self._nodes()
                case b"Elements":
                    found.elements += self._elements(found.tags)
                case _:
                    self._skip(name)
        if not found.elements:
            raise DataError(f"{self._where}: found no $Elements")
        return assembled(found.numbers, found.nodes_mm, found.elements, self._where)

    def _header(self) -> None:
        if self._line() != b"$MeshFormat":
            raise DataError(f"{self._where}: line 1: expected $MeshFormat")
        parts = self._line().split()
        if len(parts) != 3 or parts[0] not in VERSIONS or parts[2] != b"8":
            raise DataError(
                f"{self._where}: line 2: found {b' '.join(parts)[:40]!r}, expected "
                "version 2.2, 4 or 4.1, 0 or 1, and 8"
            )
        if parts[1] not in {b"0", b"1"}:
            raise DataError(f"{self._where}: line 2: found file type {parts[1][:9]!r}")
        self._version = VERSIONS[parts[0]]
        self._binary = parts[1] == b"1"
        if self._binary:
            one = self._raw[self._at : self._at + 4]
            if one != b"\x01\x00\x00\x00":
                raise DataError(f"{self._where}: bytes are not little-endian")
            self._at += 4
        self._end(b"MeshFormat")

    def _entities(self) -> Tags:
        cursor = self._cursor(b"Entities")
        tags = entities_4(cursor, minor=self._version - 40)
        self._finish(cursor, b"Entities")
        return tags

    def _nodes(self) -> tuple[I64, F64]:
        where = f"{self._where}: $Nodes"
        if self._version == 2:
            n_nodes = self._count(where)
            cursor = self._cursor(b"Nodes")
            nodes = nodes_2(cursor, n_nodes)
        else:
            cursor = self._cursor(b"Nodes")
            nodes = nodes_4(cursor, minor=self._version - 40, where=where)
        self._finish(cursor, b"Nodes")
        return nodes

    def _elements(self, tags: Tags) -> list[Elements]:
        where = f"{self._where}: $Elements"
        if self._version == 2:
            n_elements = self._count(where)
            cursor = self._cursor(b"Elements")
            found = list(elements_2(cursor, n_elements))
        else:
            cursor = self._cursor(b"Elements")
            minor = self._version - 40
            found = list(elements_4(cursor, tags, minor=minor, where=where))
        self._finish(cursor, b"Elements")
        return found

    def _count(self, where: str) -> int:
        """Read the line that says how many there are."""
        text = self._line()
        if not (text.isdigit() and len(text) < 12):
            raise DataError(f"{where}: found {text[:40]!r}, expected a count")
        return int(text)

    def _cursor(self, name: bytes) -> TextCursor | BinaryCursor:
        where = f"{self._where}: ${name.decode()}"
        if self._binary:
            return BinaryCursor(self._raw, self._at, where)
        end = self._raw.find(b"$End" + name, self._at)
        if end < 0:
            raise DataError(f"{where}: found no $End{name.decode()}")
        text = self._raw[self._at : end]
        self._at = end
        return TextCursor(text, where)

    def _finish(self, cursor: TextCursor | BinaryCursor, name: bytes) -> None:
        """Go on behind a section, which must end where its numbers do."""
        if isinstance(cursor, BinaryCursor):
            self._at = cursor.at
        elif cursor.left:
            raise DataError(f"{cursor.where}: {cursor.left} numbers too many")
        self._end(name)

    def _end(self, name: bytes) -> None:
        line = self._line()
        if not line:  # binary data may or may not be followed by a line feed
            line = self._line()
        if line != b"$End" + name:
            raise DataError(
                f"{self._where}: found {line[:40]!r}, expected $End{name.decode()}"
            )

    def _next_section(self) -> bytes | None:
        """Return the next section's name; None at the end of the file."""
        self._at = self._raw.find(b"$", self._at)
        if self._at < 0:
            return None
        return self._line()[1:]

    def _skip(self, name: bytes) -> None:
        end = self._raw.find(b"$End" + name, self._at)
        if end < 0 or not name:
            raise DataError(f"{self._where}: section {name[:40]!r} has no end")
        self._at = end
        self._end(name)

    def _line(self) -> bytes:
        """Return the next line, without spaces around it."""
        end = self._raw.find(b"\n", self._at, self._at + LONGEST_LINE)
        if end < 0:
            end = min(len(self._raw), self._at + LONGEST_LINE)
        line = self._raw[self._at : end].strip()
        self._at = end + 1
        return line
