"""Virtual people for the targeting study, and the truth about their maps."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize

from m2m_rt.efield import CoilPlacement, EfieldLookup, PoseGrid, place_coil, pose_grid
from m2m_rt.errors import DataError
from m2m_rt.learning import MapSites, areas_mm2, gravity_places
from m2m_rt.model import FLOOR_UV
from m2m_rt.nodes import CandidateFields, look_up
from m2m_rt.sim import (
    Cortex,
    SeedStream,
    SubjectSettings,
    VirtualSubject,
    draw_subject,
    measure_rmt_pct_mso,
    subject_rng,
)
from m2m_rt.sim.subject import expected_over_drive
from m2m_rt.units import F32, F64

SITE_RADIUS_MM = 20.0
SITE_SPACING_MM = 2.0
YAWS_DEG = (-60.0, -45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0, 60.0)
MAP_LEVEL = 1.2
"""Of the map whose centre of gravity and area are asked for, over threshold."""

_N_PRESENCE = 4000


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
    DataError
        If the table refuses its own planned pose.
    """
    table = lookup.table
    planned = lookup.query(table.region.planned_head_from_coil).unit_efield_v_per_m
    if planned is None:
        raise DataError(f"table {table.name}: refuses its own planned pose")
    grid = pose_grid(
        lookup.guard,
        table.region.planned_head_from_coil,
        radius_mm=SITE_RADIUS_MM,
        spacing_mm=SITE_SPACING_MM,
        yaws_deg=YAWS_DEG,
    )
    fields = look_up(lookup, grid.head_from_coil)
    strength = np.linalg.norm(planned, axis=1, keepdims=True)
    return Scene(
        lookup=lookup,
        cortex=Cortex(table.roi.points_mm, planned),
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

    subject: VirtualSubject
    scene: Scene
    at_rmt: np.float32
    """A/µs at the threshold that the operator measured."""

    def answer_log10_uv(self, row: int, level: float, rng: np.random.Generator) -> F64:
        """Return one pulse's answers (n_muscles,) at a candidate pose."""
        efield = self._unit[row] * self.at_rmt * np.float32(level)
        answers: F64 = np.log10(np.maximum(self.subject.draw_uv(efield, rng), FLOOR_UV))
        return answers

    def expected_log10_uv(self, level: float) -> F64:
        """Return the true means (n, n_muscles) at every candidate pose."""
        drive = self._unit_drive * float(self.at_rmt) * level
        return self._over_drive(drive, self._expectation)

    def presence(self, level: float) -> F64:
        """Return the true P(MEP ≥ 50 µV), (n, n_muscles)."""
        drive = self._unit_drive * float(self.at_rmt) * level
        return self._over_drive(drive, self._presence)

    def hotspot_mm(self, muscle: int) -> F64:
        """Return the best candidate's centre (3,)."""
        centre: F64 = self.scene.grid.centre_mm[self._unit_drive[:, muscle].argmax()]
        return centre

    def fine_hotspot_mm(self, muscle: int) -> F64:
        """Return the best centre (3,) of any pose, from the best candidate on."""
        grid, row = self.scene.grid, int(self._unit_drive[:, muscle].argmax())
        start = np.array((*grid.offset_mm[row], grid.yaw_deg[row]))

        def less_drive(at: F64) -> float:
            found = self.scene.lookup.query(self._pose(at)).unit_efield_v_per_m
            if found is None:
                return 0.0
            return -float(self.subject.drive_v_per_m(found)[muscle])

        steps = np.array((SITE_SPACING_MM, SITE_SPACING_MM, 15.0))
        simplex = np.vstack((start, start + np.diag(steps)))
        best = minimize(
            less_drive,
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

    @property
    def _unit(self) -> F32:
        return self.scene.fields.unit_efield_v_per_m

    @cached_property
    def _unit_drive(self) -> F64:
        """(n, n_muscles): V/m per A/µs."""
        return self.subject.drive_v_per_m(self._unit)

    @cached_property
    def _expectation(self) -> tuple[F64, F64]:
        grid = np.linspace(0.0, 4.0, 401)
        return grid, expected_over_drive(self.subject.recruitment, grid)

    @cached_property
    def _presence(self) -> tuple[F64, F64]:
        return presence_over_drive(self.subject)

    def _map(self, muscle: int) -> F64:
        expected = self.expected_log10_uv(MAP_LEVEL)
        surface: F64 = expected[self.scene.sites.is_planned_yaw, muscle]
        return surface[np.newaxis]

    def _pose(self, at: F64) -> F64:
        x_mm, y_mm, yaw_deg = at.tolist()
        placement = CoilPlacement(x_mm=x_mm, y_mm=y_mm, yaw_deg=yaw_deg)
        return place_coil(self.scene.lookup.guard, self.scene.planned, placement)

    def _over_drive(self, drive: F64, curve: tuple[F64, F64]) -> F64:
        over = drive / self.subject.recruitment.threshold_v_per_m
        grid, values = curve
        columns = [
            np.interp(over[:, m], grid, column) for m, column in enumerate(values.T)
        ]
        return np.stack(columns, axis=-1)


def draw_person(
    scene: Scene, *, seed: int, stream: SeedStream, index: int
) -> tuple[Person, np.random.Generator]:
    """Return a person of a stream, threshold measured, and their generator."""
    rng, how = subject_rng(seed, stream, index), SubjectSettings()
    subject = draw_subject(rng, scene.cortex, how)
    per_pct = how.didt_at_100_pct_mso_a_per_us / 100.0
    at_1_pct = scene.cortex.planned_unit_efield * np.float32(per_pct)
    rmt_pct_mso = measure_rmt_pct_mso(subject, at_1_pct, rng)
    return Person(subject, scene, np.float32(rmt_pct_mso * per_pct)), rng


def presence_over_drive(subject: VirtualSubject) -> tuple[F64, F64]:
    """Return drives over threshold (k,) and the true P(MEP ≥ 50 µV) (k, n_muscles).

    The same draws at every drive, so the curves are smooth.
    """
    body = subject.recruitment
    rng = np.random.default_rng(0)
    n_muscles = len(subject.patches)
    before, after, floor = rng.standard_normal((3, _N_PRESENCE, n_muscles))
    floor_uv = body.floor_uv * 10.0 ** (body.floor_spread_log10 * floor)
    grid = np.linspace(0.0, 3.0, 151)
    rows = []
    for drive in grid:
        evoked = body.evoked_log10_uv(drive + body.input_noise * before)
        size_uv = 10.0 ** (evoked + body.output_noise_log10 * after)
        rows.append(np.mean(np.hypot(size_uv, floor_uv) >= 50.0, axis=0))
    return grid, np.array(rows)
