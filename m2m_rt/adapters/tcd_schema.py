"""The fields of a `.tcd` file that are known; every other field is refused."""

from typing import Annotated

import msgspec
from msgspec import Meta

from m2m_rt.adapters.tcd_arrays import Point

Index = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Row4 = tuple[float, float, float, float]
Range = tuple[float, float]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the file; a field that nobody knows is an error."""


class Waveform(_Part, frozen=True):
    """A pulse shape: read so that the file is understood whole, and not used."""

    time: list[float] | str
    signal: list[float] | str
    fit: list[float] | str | None = None
    name: str = ""


class Stimulator(_Part, frozen=True):
    """What drives the elements."""

    name: str | None = ""
    brand: str | None = ""
    maxdIdt: Positive | None = None  # noqa: N815 - the file's name
    """A/s"""

    waveformList: list[Waveform] = []  # noqa: N815 - the file's name


class Element(_Part, frozen=True):
    """Dipoles (type 1), pieces of conductor (2) or a sampled potential (3)."""

    type: Annotated[int, Meta(ge=1, le=3)]
    stimulator: Index | None = None
    name: str | None = ""
    elementCasing: Index | None = None  # noqa: N815 - the file's name
    deformations: list[Index] = []
    points: list[Point] | str | None = None
    values: list[Point] | str | None = None
    data: list[list[list[Point]]] | str | None = None
    affine: tuple[Row4, Row4, Row4, Row4] | None = None


class DeformRange(_Part, frozen=True):
    """How far a part of the coil may move: mm or degrees."""

    initial: float
    range: Range


class Deform(_Part, frozen=True):
    """A movement; its range is its own or one of the list of ranges."""

    type: Annotated[str, Meta(pattern="^(x|y|z|rot2p)$")]
    deformRange: Index | None = None  # noqa: N815 - the file's name
    initial: float | None = None
    range: Range | None = None
    point1: Point | None = None
    point2: Point | None = None


class Model(_Part, frozen=True):
    """A surface: the casing of the coil or of an element."""

    points: list[Point] | str
    faces: list[tuple[Index, Index, Index]] | str
    minDistancePoints: list[Point] | str | None = None  # noqa: N815 - the file's name
    intersectPoints: list[Point] | str | None = None  # noqa: N815 - the file's name


class Tcd(_Part, frozen=True):
    """The whole file."""

    coilElementList: Annotated[  # noqa: N815 - the file's name
        list[Element], Meta(min_length=1)
    ]
    stimulatorList: list[Stimulator] = []  # noqa: N815 - the file's name
    name: str | None = ""
    brand: str | None = ""
    version: str | None = ""
    limits: tuple[Range, Range, Range] | None = None
    resolution: tuple[Positive, Positive, Positive] | None = None
    coilCasing: Index | None = None  # noqa: N815 - the file's name
    deformList: list[Deform] = []  # noqa: N815 - the file's name
    deformRangeList: list[DeformRange] = []  # noqa: N815 - the file's name
    coilModels: list[Model] = []  # noqa: N815 - the file's name
    selfIntersectionTest: list[list[int]] = []  # noqa: N815 - the file's name
