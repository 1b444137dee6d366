"""Virtual people for the targeting study, and the truth about their maps."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize

from m2m_rt.efield import CoilPlacement, EfieldLookup, PoseGrid, place_coil, pose_grid
from m2m_rt.learning import MapSites, areas_mm2, gravity_places
from m2m_rt.model import FLOOR_UV, MEP_PRESENT_UV
from m2m_rt.nodes import CandidateFields, look_up
from m2m_rt.sim import (
    Cortex,
    SeedStream,
    Subject,
    cortex_of,
    draw_subject,
    measure_didt_at_rmt,
    subject_rng,
)
from m2m_rt.studies.simulators import DrawSubject
from m2m_rt.units import F32, F64

SITE_RADIUS_MM = 20.0
SITE_SPACING_MM = 2.0
YAWS_DEG = (-60.0, -45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0, 60.0)
MAP_LEVEL = 1.2
"""Of the map whose centre of gravity and area are asked for, over threshold."""

_A_BLOCK = 32
"""Poses whose fields fit the cache while every muscle reads them."""

_N_PRESENCE = 25
_N_PRESENCE_DRAWS = 100


@dataclass(frozen=True)
class Scene:
    """One head with its table, and the poses that are looked at."""

    lookup: EfieldLookup
    cortex: Cortex
    grid: PoseGrid
    fields: CandidateFields
    sites: MapSites
    towards: F64
    """(n_roi, 3): unit vectors of the planned field."""

    @property
    def planned(self) -> F64:
        """The planned pose, (4, 4)."""
        return self.lookup.table.region.planned_head_from_coil

    @cached_property
    def by_pose(self) -> F32:
        """(n_roi, n, 3): as `sites.at_points`, each pose's vector together."""
        return np.ascontiguousarray(self.sites.at_points.transpose(0, 2, 1))


def open_scene(lookup: EfieldLookup) -> Scene:
    """Look up every candidate's field.

    Raises
    ------
    ConfigError
        If the table refuses its own planned pose.
    """
    cortex = cortex_of(lookup)
    grid = pose_grid(
        lookup.guard,
        lookup.table.region.planned_head_from_coil,
        radius_mm=SITE_RADIUS_MM,
        spacing_mm=SITE_SPACING_MM,
        yaws_deg=YAWS_DEG,
    )
    fields = look_up(lookup, grid.head_from_coil)
    planned = cortex.planned_unit_efield
    strength = np.linalg.norm(planned, axis=1, keepdims=True)
    return Scene(
        lookup=lookup,
        cortex=cortex,
        grid=grid,
        fields=fields,
        sites=MapSites(
            centre_mm=grid.centre_mm,
            at_points=fields.at_points(),
            is_planned_yaw=grid.yaw_deg == 0.0,
            cell_mm2=SITE_SPACING_MM**2,
        ),
        towards=(planned / strength).astype(np.float64),
    )


@dataclass(frozen=True)
class Person:
    """Someone to be mapped."""

    subject: Subject
    scene: Scene
    at_rmt: np.float32
    """A/µs at the threshold that the operator measured."""

    def answer_log10_uv(self, row: int, level: float, rng: np.random.Generator) -> F64:
        """Return one pulse's answers (n_muscles,) at a candidate pose."""
        drawn_uv = self.subject.draw_uv(self._efield(row, level), rng)
        answers: F64 = np.log10(np.maximum(drawn_uv, FLOOR_UV))
        return answers

    def expected_log10_uv(self, level: float) -> F64:
        """Return the true means (n, n_muscles) at every candidate pose."""
        if level not in self._expected:
            unit, times = self.scene.fields.unit_efield_v_per_m, np.float32(level)
            parts = [
                self.subject.expected_log10_uv(
                    unit[first : first + _A_BLOCK] * (self.at_rmt * times)
                )
                for first in range(0, len(unit), _A_BLOCK)
            ]
            self._expected[level] = np.concatenate(parts)
        return self._expected[level]

    def presence(self, level: float, muscle: int) -> F64:
        """Return the true P(MEP ≥ 50 µV) of one muscle, (n,).

        By draws at some candidates; between them it follows the expectation, with
        which it rises.
        """
        if muscle not in self._presence:
            self._presence[muscle] = self._presence_curve(muscle)
        expected, share = self._presence[muscle]
        found: F64 = np.interp(
            self.expected_log10_uv(level)[:, muscle], expected, share
        )
        return found

    def hotspot_mm(self, muscle: int) -> F64:
        """Return the best candidate's centre (3,)."""
        centre: F64 = self.scene.grid.centre_mm[self._best_row(muscle)]
        return centre

    def fine_hotspot_mm(self, muscle: int) -> F64:
        """Return the best centre (3,) of any pose, from the best candidate on."""
        if muscle not in self._fine_hotspot_mm:
            self._fine_hotspot_mm[muscle] = self._search_hotspot(muscle)
        return self._fine_hotspot_mm[muscle]

    def _search_hotspot(self, muscle: int) -> F64:
        grid, row = self.scene.grid, self._best_row(muscle)
        start = np.array((*grid.offset_mm[row], grid.yaw_deg[row]))

        def less_answer(at: F64) -> float:
            found = self.scene.lookup.query(self._pose(at)).unit_efield_v_per_m
            if found is None:
                return 0.0
            expected = self.subject.expected_log10_uv(found * self.at_rmt)
            return -float(expected[muscle])

        steps = np.array((SITE_SPACING_MM, SITE_SPACING_MM, 15.0))
        simplex = np.vstack((start, start + np.diag(steps)))
        best = minimize(
            less_answer,
            start,
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "maxfev": 120, "xatol": 0.05},
        )
        centre: F64 = self._pose(best.x)[:3, 3]
        return centre

    def gravity_mm(self, muscle: int) -> F64:
        """Return the true map's centre of gravity (3,), NaN if it answers nowhere."""
        at = self.scene.sites.centre_mm[self.scene.sites.is_planned_yaw]
        (centre,) = gravity_places(self._map(muscle), at)
        return np.asarray(centre, np.float64)

    def area_mm2(self, muscle: int) -> float:
        """Return the true map's area."""
        cell_mm2 = self.scene.sites.cell_mm2
        return float(areas_mm2(self._map(muscle), cell_mm2=cell_mm2)[0])

    @cached_property
    def _expected(self) -> dict[float, F64]:
        return {}

    @cached_property
    def _fine_hotspot_mm(self) -> dict[int, F64]:
        return {}

    @cached_property
    def _presence(self) -> dict[int, tuple[F64, F64]]:
        return {}

    def _presence_curve(self, muscle: int) -> tuple[F64, F64]:
        """Return expectations, rising, and the share of draws that answer at each."""
        expected = self.expected_log10_uv(MAP_LEVEL)[:, muscle]
        order = np.argsort(expected)
        some = order[np.linspace(0, len(order) - 1, _N_PRESENCE).astype(np.int64)]
        rng, shares = np.random.default_rng(muscle), []
        for row in some.tolist():
            efield = self._efield(row, MAP_LEVEL)
            drawn = np.broadcast_to(efield, (_N_PRESENCE_DRAWS, *efield.shape))
            answers = self.subject.draw_uv(drawn, rng)[:, muscle]
            shares.append(np.mean(answers >= MEP_PRESENT_UV))
        return expected[some], np.maximum.accumulate(np.array(shares))

    def _best_row(self, muscle: int) -> int:
        """Return the best candidate at threshold, where no answer is saturated."""
        return int(self.expected_log10_uv(1.0)[:, muscle].argmax())

    def _efield(self, row: int, level: float) -> F32:
        unit = self.scene.fields.unit_efield_v_per_m[row]
        efield: F32 = unit * (self.at_rmt * np.float32(level))
        return efield

    def _map(self, muscle: int) -> F64:
        expected = self.expected_log10_uv(MAP_LEVEL)
        surface: F64 = expected[self.scene.sites.is_planned_yaw, muscle]
        return surface[np.newaxis]

    def _pose(self, at: F64) -> F64:
        x_mm, y_mm, yaw_deg = at.tolist()
        placement = CoilPlacement(x_mm=x_mm, y_mm=y_mm, yaw_deg=yaw_deg)
        return place_coil(self.scene.lookup.guard, self.scene.planned, placement)


def draw_person(
    scene: Scene,
    *,
    seed: int,
    stream: SeedStream,
    index: int,
    draw: DrawSubject = draw_subject,
) -> tuple[Person, np.random.Generator]:
    """Return a person of a stream, threshold measured, and their generator."""
    rng = subject_rng(seed, stream, index)
    subject = draw(rng, scene.cortex)
    didt_at_rmt = measure_didt_at_rmt(subject, scene.cortex, rng)
    return Person(subject, scene, np.float32(didt_at_rmt)), rng
