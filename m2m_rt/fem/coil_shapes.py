"""Analytic round and double-cone coils for simulation; no models of products."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.fem.coils import MM_PER_M, CoilDipoles, wing_sheet
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class WingSettings:
    """One flat winding."""

    n_turns: int
    inner_radius_mm: float
    """Of the innermost turn's middle."""

    outer_radius_mm: float
    """Of the outermost turn's middle."""

    casing_mm: float = 4.5
    """From the casing's face to the windings' face."""

    wire_height_mm: float = 6.0
    """Height of the flat wire; split into two layers of dipoles."""

    n_rings: int = 15
    """Rings of dipoles in a layer."""


ROUND = WingSettings(n_turns=14, inner_radius_mm=33.0, outer_radius_mm=60.0)
"""A 90 mm class round coil (mean diameter 93 mm)."""

CONE_WING = WingSettings(n_turns=7, inner_radius_mm=47.0, outer_radius_mm=61.0)
"""A wing of a 110 mm class double cone."""

CONE_TILT_DEG = 42.5
"""Of each wing towards the head: the wings enclose 95°."""

CONE_OFFSET_MM = 62.0
"""From the fold to a wing's centre, along the wing."""


def round_coil(wing: WingSettings = ROUND) -> CoilDipoles:
    """Return a round coil, centred on the coil frame's origin.

    A rising current runs clockwise as the operator sees it, looking at the back of the
    coil: its moment points into the head, along +z.
    """
    return _coil("round", [(_placed(0.0, 0.0), 1.0)], wing)


def double_cone_coil(
    wing: WingSettings = CONE_WING,
    *,
    tilt_deg: float = CONE_TILT_DEG,
    offset_mm: float = CONE_OFFSET_MM,
) -> CoilDipoles:
    """Return a double cone: two wings bent towards the head about the y axis.

    As with the figure-of-eight a rising current induces a field along +y under the
    fold.
    """
    wings = [(_placed(side * offset_mm, side * tilt_deg), side) for side in (1.0, -1.0)]
    return _coil("double-cone", wings, wing)


def _placed(along_mm: float, tilt_deg: float) -> F64:
    """Return coil_from_wing (4, 4): turned about y, then shifted along its own x."""
    angle = np.radians(tilt_deg)
    coil_from_wing = np.eye(4)
    coil_from_wing[:3, 0] = np.cos(angle), 0.0, np.sin(angle)
    coil_from_wing[:3, 2] = -np.sin(angle), 0.0, np.cos(angle)
    coil_from_wing[:3, 3] = along_mm * coil_from_wing[:3, 0]
    return coil_from_wing


def _coil(name: str, wings: list[tuple[F64, float]], wing: WingSettings) -> CoilDipoles:
    """Return wings placed in the coil frame, each with the sign of its current."""
    turns_mm = np.linspace(wing.inner_radius_mm, wing.outer_radius_mm, wing.n_turns)
    disc_mm, area_turns_mm2 = wing_sheet(turns_mm, wing.n_rings)
    position, moment, winding = [], [], []
    for coil_from_wing, side in wings:
        rotation, centre = coil_from_wing[:3, :3], coil_from_wing[:3, 3]
        for layer in (0.25, 0.75):
            depth = np.full(len(disc_mm), -wing.casing_mm - layer * wing.wire_height_mm)
            position.append(np.column_stack((disc_mm, depth)) @ rotation.T + centre)
            per_layer = side * area_turns_mm2 / 2.0 / MM_PER_M**2
            moment.append(per_layer[:, None] * rotation[:, 2])
        winding.append(_face(wing) @ rotation.T + centre)
    return CoilDipoles(
        name=name,
        position_mm=np.concatenate(position),
        moment_am2=np.concatenate(moment),
        winding_mm=np.concatenate(winding),
    )


def _face(wing: WingSettings) -> F64:
    """Return points over a winding's face and its hole, wing frame.

    The dipoles fill the hole too, and they must stay outside the table's surface.
    """
    wires_mm = wing.outer_radius_mm - wing.inner_radius_mm
    rim_mm = wing.outer_radius_mm + 0.5 * wires_mm / max(wing.n_turns - 1, 1)
    rings = ((rim_mm, 48), (0.75 * rim_mm, 36), (0.5 * rim_mm, 24), (0.2 * rim_mm, 10))
    points = [
        (r * np.cos(a), r * np.sin(a), -wing.casing_mm)
        for r, n in rings
        for a in 2.0 * np.pi * np.arange(n) / n
    ]
    return np.array(points)
