"""Virtual people for a study of adaptation: what each pulse truly does to them.

A person is reduced to the drive of every pulse and the noise around it, so that a
session of hundreds of pulses, changes included, is drawn in milliseconds. Slow
excitability multiplies what is evoked, alike in all muscles; a slipped electrode
multiplies one muscle's.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from m2m_rt.model import FLOOR_UV
from m2m_rt.sim import (
    SeedStream,
    SubjectSettings,
    VirtualSubject,
    draw_subject,
    measure_didt_at_rmt,
    subject_rng,
)
from m2m_rt.sim.subject import Recruitment
from m2m_rt.studies.adapt_rig import (
    LEVELS_PCT_RMT,
    N_AZIMUTHS,
    Rig,
    shift_of,
)
from m2m_rt.units import F32, F64, I64


class World(StrEnum):
    """How a person differs from what the model was trained on."""

    SAME = "in_distribution"
    REGISTRATION = "registration_6_mm"
    RMT = "rmt_12_pct_wrong"
    TUNING = "orientation_tuning"
    NOISE = "noise_1.4"


@dataclass(frozen=True, slots=True)
class Person:
    """One person of one world."""

    recruitment: Recruitment
    patch_maps: tuple[F32, ...]
    """Of each muscle (n_directions, n_points, rank): coefficients → field along its
    direction, and, where tuned, the field's other components."""

    tuning: float
    """Exponent of the cosine between field and preferred direction; 1 is the model's
    own world."""

    didt_at_rmt_a_per_us: float
    rmt_factor: int
    """Number of the operator's error of the threshold, in `RMT_FACTORS`."""

    shift: int
    """Number of the constant shift of this person's registration; 0 is none."""

    @property
    def n_muscles(self) -> int:
        """Number of muscles."""
        return len(self.patch_maps)


@dataclass(frozen=True, slots=True)
class Pulses:
    """Which stimuli a session gives, by number in the pool."""

    pose: I64
    """(n,)"""

    level: I64
    """(n,)"""

    def __len__(self) -> int:
        """Return the number of pulses."""
        return len(self.pose)


def draw_person(
    rig: Rig, world: World, *, stream: SeedStream, seed: int, index: int
) -> tuple[Person, np.random.Generator]:
    """Return a new person, and the generator that goes on with them."""
    rng = subject_rng(seed, stream, index)
    settings = SubjectSettings()
    if world is World.NOISE:
        settings = SubjectSettings(
            input_noise=_times(settings.input_noise, 1.4),
            output_noise_log10=_times(settings.output_noise_log10, 1.4),
        )
    tuning = 2.0 if world is World.TUNING else 1.0
    subject = draw_subject(rng, rig.head.cortex, settings)
    if tuning != 1.0:
        subject = _retuned(rig, subject, tuning)
    didt_at_rmt = measure_didt_at_rmt(subject, rig.head.cortex, rng)
    person = Person(
        recruitment=subject.recruitment,
        patch_maps=_patch_maps(rig, subject),
        tuning=tuning,
        didt_at_rmt_a_per_us=didt_at_rmt,
        rmt_factor=int(rng.integers(1, 3)) if world is World.RMT else 0,
        shift=0,
    )
    if world is World.REGISTRATION:
        azimuth = int(rng.integers(N_AZIMUTHS))
        person = replace(person, shift=shift_of(size_mm=6.0, azimuth=azimuth))
    return person, rng


def draw_pulses(rig: Rig, n_pulses: int, rng: np.random.Generator) -> Pulses:
    """Return a mapping session: poses all over the pool, intensities equally often."""
    n_poses = len(rig.pool.head_from_coil)
    return Pulses(
        pose=rng.choice(n_poses, n_pulses, replace=n_pulses > n_poses),
        level=rng.integers(0, len(LEVELS_PCT_RMT), n_pulses),
    )


def drive_over_threshold(
    rig: Rig, person: Person, pulses: Pulses, *, shift: int | None = None
) -> F64:
    """Return (n, n_muscles) drives of pulses, the true pose shifted."""
    where = person.shift if shift is None else shift
    unit = rig.pool.true_coefficients[where, pulses.pose]  # (n, rank)
    return drives_of(person, unit, np.array(LEVELS_PCT_RMT)[pulses.level] / 100.0)


def drives_of(person: Person, unit: F32, level: F64) -> F64:
    """Return (n, n_muscles) drives over threshold.

    Parameters
    ----------
    person
        Who is stimulated.
    unit
        (n, rank): unit fields of the true poses, V/m per A/µs.
    level
        (n,): intensity over the person's true resting threshold.
    """
    didt = person.didt_at_rmt_a_per_us * level
    drives = [_drive(unit, maps, person.tuning) for maps in person.patch_maps]
    drive: F64 = np.stack(drives, axis=1) * didt[:, np.newaxis]
    return np.asarray(drive / person.recruitment.threshold_v_per_m)


def answers_log10_uv(
    person: Person, drive: F64, rng: np.random.Generator, log10_gain: F64 | float = 0.0
) -> F64:
    """Return drawn MEPs (n, n_muscles), log10 µV, of drives over threshold.

    `log10_gain` (n, n_muscles) multiplies what is evoked, not the amplifier's floor.
    """
    body = person.recruitment
    n_pulses, n_muscles = drive.shape
    common = np.sqrt(body.shared) * rng.standard_normal((2, n_pulses, 1))
    own = np.sqrt(1.0 - body.shared) * rng.standard_normal((2, n_pulses, n_muscles))
    before, after = common + own
    evoked = body.evoked_log10_uv(drive + body.input_noise * before)
    evoked = evoked + body.output_noise_log10 * after + log10_gain
    floor = body.floor_spread_log10 * rng.standard_normal(drive.shape)
    total_uv = np.hypot(10.0**evoked, body.floor_uv * 10.0**floor)
    log10_uv: F64 = np.log10(np.maximum(total_uv, FLOOR_UV))
    return log10_uv


def _times(mean_spread: tuple[float, float], factor: float) -> tuple[float, float]:
    return factor * mean_spread[0], factor * mean_spread[1]


def _patch_maps(rig: Rig, subject: VirtualSubject) -> tuple[F32, ...]:
    """Return for each muscle (1 + 3, n_points, rank): along its direction, and xyz."""
    basis = rig.head.basis.reshape(-1, 3, rig.head.basis.shape[1])
    maps = []
    for patch, direction in zip(subject.patches, subject.directions, strict=True):
        local = basis[patch]  # (n_points, 3, rank)
        along = np.einsum("pcr,c->pr", local, direction.astype(np.float32))
        maps.append(np.concatenate((along[np.newaxis], np.swapaxes(local, 0, 1))))
    return tuple(maps)


def _drive(unit: F32, maps: F32, tuning: float) -> F64:
    """Return (n,) drives of unit coefficients (n, rank) over one muscle's patch."""
    along = unit @ maps[0].T  # (n, n_points)
    if tuning == 1.0:
        return np.asarray(along.max(axis=1), np.float64)
    size = np.linalg.norm([unit @ component.T for component in maps[1:]], axis=0)
    cosine = np.maximum(along, 0.0) / np.maximum(size, 1e-9)
    drive: F64 = (size * cosine**tuning).max(axis=1).astype(np.float64)
    return drive


def _retuned(rig: Rig, subject: VirtualSubject, tuning: float) -> "_TunedSubject":
    """Return the same person with a sharper tuning, thresholds kept in % MSO."""
    planned = rig.head.cortex.planned_unit_efield
    sharp = _TunedSubject(
        patches=subject.patches,
        directions=subject.directions,
        recruitment=subject.recruitment,
    )
    sharp_drive = np.maximum(sharp.tuned_drive(planned, tuning), 1e-3)
    ratio = sharp_drive / np.maximum(subject.drive_v_per_m(planned), 1e-3)
    threshold = subject.recruitment.threshold_v_per_m * ratio
    return replace(
        sharp, recruitment=replace(subject.recruitment, threshold_v_per_m=threshold)
    )


class _TunedSubject(VirtualSubject):
    """A person whose drive falls with the cosine's square."""

    def drive_v_per_m(self, efield_v_per_m: F32) -> F64:
        return self.tuned_drive(efield_v_per_m, 2.0)

    def tuned_drive(self, efield_v_per_m: F32, tuning: float) -> F64:
        """Return drives (…, n_muscles) of fields (…, n_roi, 3)."""
        drives = []
        for patch, direction in zip(self.patches, self.directions, strict=True):
            local = efield_v_per_m[..., patch, :]
            size = np.linalg.norm(local, axis=-1)
            cosine = np.maximum(local @ direction, 0.0) / np.maximum(size, 1e-9)
            drives.append((size * cosine**tuning).max(axis=-1))
        return np.stack(drives, axis=-1).astype(np.float64)
