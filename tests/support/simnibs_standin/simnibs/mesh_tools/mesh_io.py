"""Reading a head mesh, and values on its elements."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from m2m_rt.adapters.msh_file import read_msh as _read
from m2m_rt.units import F64, I64


@dataclass
class Elements:
    node_number_list: I64
    tag1: I64
    elm_type: I64


@dataclass
class Nodes:
    node_coord: F64


@dataclass
class Msh:
    nodes: Nodes
    elm: Elements

    def crop_mesh(self, *, elm_type: int) -> Msh:
        kept = self.elm.elm_type == elm_type
        elm = Elements(
            self.elm.node_number_list[kept],
            self.elm.tag1[kept],
            self.elm.elm_type[kept],
        )
        return replace(self, elm=elm)


@dataclass
class ElementData:
    value: F64
    mesh: Msh | None = field(default=None)


def read_msh(fn: str) -> Msh:
    found = _read(Path(fn))
    triangles = np.column_stack(
        (found.triangles + 1, np.full(len(found.triangles), -1))
    )
    elements = Elements(
        np.vstack((triangles, found.tetrahedra + 1)),
        np.concatenate((found.triangle_tags, found.tetrahedron_tags)),
        np.repeat((2, 4), (len(triangles), len(found.tetrahedra))),
    )
    return Msh(Nodes(found.nodes_mm), elements)
