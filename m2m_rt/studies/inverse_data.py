"""Recordings and candidates for the inverse study: fields and the MEPs they evoke."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.model import FLOOR_UV
from m2m_rt.nodes import CandidateFields, look_up
from m2m_rt.ports import Predictor
from m2m_rt.sim import (
    Cortex,
    SeedStream,
    VirtualSubject,
    demo_design,
    draw_subject,
    measure_didt_at_rmt,
    subject_rng,
)
from m2m_rt.units import F32, F64, I64

LEVELS = np.array((1.1, 1.2, 1.3, 1.4))
"""Intensities of the reference's recording, over threshold."""

PULSES_A_LEVEL = (300, 149, 150, 100)

_POOL_KEY = 20


@dataclass(frozen=True, slots=True)
class Head:
    """A table and the cortex that subjects are drawn on."""

    lookup: EfieldLookup
    cortex: Cortex


@dataclass(frozen=True, slots=True)
class PoseFields:
    """Poses of a laboratory's design and their fields."""

    fields: CandidateFields
    strength: F32
    """(n, n_roi): |E| relative to the planned pose's peak at threshold."""


@dataclass(frozen=True, slots=True)
class Pulses:
    """One subject's recording."""

    rows: I64
    """(n,): poses."""

    levels: I64
    """(n,): rows of `LEVELS`."""

    log10_uv: F64
    """(n, n_muscles)"""


def draw_poses(head: Head, n_poses: int, seed: int, what: SeedStream) -> PoseFields:
    """Return poses of a design's own seed stream."""
    rng = np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(_POOL_KEY, int(what)))
    )
    planned = head.lookup.table.region.planned_head_from_coil
    pulses = demo_design(
        rng, head.lookup.guard, planned_head_from_coil=planned, n_pulses=n_poses
    )
    poses = np.array([pulse.head_from_coil for pulse in pulses])
    fields = look_up(head.lookup, poses)
    strength = np.linalg.norm(fields.unit_efield_v_per_m, axis=2)
    peak = np.float32(fields.planned_peak_v_per_m)
    return PoseFields(fields, (strength / peak).astype(np.float32))


def level_rows(n_pulses: int) -> I64:
    """Return each pulse's level, in the shares of the reference's recording."""
    shares = np.cumsum(PULSES_A_LEVEL) / sum(PULSES_A_LEVEL)
    rows: I64 = np.searchsorted(shares, (np.arange(n_pulses) + 0.5) / n_pulses)
    return rows


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who is stimulated."""

    subject: VirtualSubject
    didt_at_rmt_a_per_us: float
    """At the threshold that the operator measured."""


def draw_person(head: Head, rng: np.random.Generator) -> Person:
    """Return a new person, threshold measured."""
    subject = draw_subject(rng, head.cortex)
    return Person(subject, measure_didt_at_rmt(subject, head.cortex, rng))


def record(
    person: Person, poses: PoseFields, which: tuple[I64, I64], rng: np.random.Generator
) -> Pulses:
    """Return a person's answers to pulses: rows of poses, rows of `LEVELS`."""
    rows, levels = which
    didt = (LEVELS[levels] * person.didt_at_rmt_a_per_us).astype(np.float32)
    efield = poses.fields.unit_efield_v_per_m[rows] * didt[:, np.newaxis, np.newaxis]
    drawn_uv = person.subject.draw_uv(efield, rng)
    return Pulses(rows, levels, np.log10(np.maximum(drawn_uv, FLOOR_UV)))


@dataclass(frozen=True, slots=True)
class Recorded:
    """Someone new with a recording, and the generator that goes on with them."""

    person: Person
    pulses: Pulses
    rng: np.random.Generator


def record_new(head: Head, poses: PoseFields, *, seed: int, index: int) -> Recorded:
    """Return a recording of someone no network was trained on, every pose once."""
    rng = subject_rng(seed, SeedStream.EVALUATION, index)
    rows = rng.permutation(len(poses.strength))
    person = draw_person(head, rng)
    pulses = record(person, poses, (rows, level_rows(len(rows))), rng)
    return Recorded(person, pulses, rng)


def strengths(poses: PoseFields, pulses: Pulses) -> F32:
    """Return the fields' relative strengths (n, n_roi): what is to be found."""
    factor = LEVELS[pulses.levels].astype(np.float32)[:, np.newaxis]
    found: F32 = poses.strength[pulses.rows] * factor
    return found


def all_features(poses: PoseFields, predictor: Predictor) -> F32:
    """Return the network's features (n_levels, n_poses, n_features)."""
    return np.array(
        [poses.fields.features(predictor, 100.0 * level) for level in LEVELS.tolist()]
    )
