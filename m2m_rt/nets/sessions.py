"""Simulated recordings of a population: what networks are trained and scored on.

Fields are kept as coefficients of an orthonormal basis of the table's own span, so a
session of 80 fields at 2000 points is 80 short rows and nothing is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from m2m_rt.efield import EfieldLookup, draw_pose
from m2m_rt.model import FLOOR_UV
from m2m_rt.sim import (
    Cortex,
    DesignSettings,
    SeedStream,
    SubjectSettings,
    cortex_of,
    demo_design,
    draw_subject,
    measure_didt_at_rmt,
    subject_rng,
)
from m2m_rt.units import F32, F64, I64

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_BATCH = 256


@dataclass(frozen=True, slots=True)
class HeadField:
    """One table, and an orthonormal basis of all fields that it can give."""

    lookup: EfieldLookup
    cortex: Cortex
    basis: F32
    """(3 · n_roi, rank), columns orthonormal."""

    @property
    def planned_peak_v_per_m(self) -> float:
        """Largest |E| at the planned pose, V/m per A/µs."""
        return self.lookup.table.planned_peak_v_per_m

    def fields(self, coefficients: F32) -> F32:
        """Return fields (n, n_roi, 3) of coefficients (n, rank)."""
        return (coefficients @ self.basis.T).reshape(len(coefficients), -1, 3)


@dataclass(frozen=True, slots=True)
class PosePool:
    """Poses and their fields, to draw recordings from."""

    head_from_coil: F64
    """(n, 4, 4)"""

    unit_coefficients: F32
    """(n, rank), V/m per A/µs."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Recordings of as many pulses each, one subject a recording."""

    head_from_coil: F64
    """(n_sessions, n_pulses, 4, 4)"""

    relative: F32
    """(n_sessions, n_pulses, rank): coefficients of the relative field."""

    log10_uv: F32
    """(n_sessions, n_pulses, n_muscles): drawn MEPs."""

    expected_log10_uv: F32
    """The subjects' true expectations, as long; the ceiling."""


def head_field(lookup: EfieldLookup) -> HeadField:
    """Prepare a table for drawing sessions.

    Raises
    ------
    ConfigError
        If the table refuses its own planned pose.
    """
    basis, _ = np.linalg.qr(lookup.table.basis.astype(np.float64))
    return HeadField(
        lookup=lookup, cortex=cortex_of(lookup), basis=basis.astype(np.float32)
    )


def draw_pool(
    head: HeadField,
    rng: np.random.Generator,
    *,
    n_poses: int,
    wide_share: float,
    design: DesignSettings | None = None,
) -> PosePool:
    """Return poses of a lab's design; the last `wide_share` of them go anywhere."""
    region, guard = head.lookup.table.region, head.lookup.guard
    n_wide = round(wide_share * n_poses)
    near = demo_design(
        rng,
        guard,
        planned_head_from_coil=region.planned_head_from_coil,
        n_pulses=n_poses - n_wide,
        settings=design,
    )
    wide = [draw_pose(region, guard, rng) for _ in range(n_wide)]
    poses = np.array([pulse.head_from_coil for pulse in near] + wide)
    rows = [
        head.lookup.query_batch(poses[at : at + _BATCH]).unit_efield_v_per_m
        for at in range(0, n_poses, _BATCH)
    ]
    coefficients = [row.reshape(len(row), -1) @ head.basis for row in rows]
    return PosePool(
        head_from_coil=poses, unit_coefficients=np.concatenate(coefficients)
    )


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """Which recordings to draw."""

    stream: SeedStream
    seed: int
    n_sessions: int
    n_pulses: int
    wide_share: float = 0.0
    """Part of the sessions that visit the pool's last, wide part only."""

    subjects: SubjectSettings = field(default_factory=SubjectSettings)
    design: DesignSettings = field(default_factory=DesignSettings)


def draw_sessions(
    head: HeadField, pool: PosePool, plan: SessionPlan, progress: Progress
) -> Sessions:
    """Return one recording of each of `n_sessions` new subjects."""
    n_wide = round(plan.wide_share * plan.n_sessions)
    n_near = round((1.0 - plan.wide_share) * len(pool.head_from_coil))
    drawn = []
    for index in range(plan.n_sessions):
        rng = subject_rng(plan.seed, plan.stream, index)
        places = np.arange(n_near)
        if index >= plan.n_sessions - n_wide:
            places = np.arange(n_near, len(pool.head_from_coil))
        chosen = rng.choice(places, plan.n_pulses, replace=False)
        drawn.append(_draw_session(head, pool, plan, (rng, chosen)))
        stage = f"simulating subjects ({plan.stream.name.lower()})"
        progress(stage, index + 1, plan.n_sessions)
    relative, log10_uv, expected, poses = zip(*drawn, strict=True)
    return Sessions(
        head_from_coil=np.array(poses),
        relative=np.array(relative, np.float32),
        log10_uv=np.array(log10_uv, np.float32),
        expected_log10_uv=np.array(expected, np.float32),
    )


def _draw_session(
    head: HeadField,
    pool: PosePool,
    plan: SessionPlan,
    draw: tuple[np.random.Generator, I64],
) -> tuple[F32, F64, F64, F64]:
    """Return relative coefficients, log10 MEPs, expectations, and poses."""
    rng, chosen = draw
    subject = draw_subject(rng, head.cortex, plan.subjects)
    didt_at_rmt = measure_didt_at_rmt(subject, head.cortex, rng)
    level = rng.choice(plan.design.intensities_pct_rmt, len(chosen)) / 100.0
    unit = pool.unit_coefficients[chosen]
    didt = (level * didt_at_rmt).astype(np.float32)
    efield = head.fields(unit * didt[:, np.newaxis])
    expected = np.zeros((len(chosen), len(subject.patches)))
    if plan.stream is not SeedStream.TRAINING:
        expected = subject.expected_log10_uv(efield)
    log10_uv = np.log10(np.maximum(subject.draw_uv(efield, rng), FLOOR_UV))
    relative = unit * (level / head.planned_peak_v_per_m)[:, np.newaxis]
    poses = pool.head_from_coil[chosen]
    return relative.astype(np.float32), log10_uv, expected, poses
