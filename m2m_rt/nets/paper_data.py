"""The paper's recording, simulated: one subject, 699 pulses at four intensities."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.model import FLOOR_UV
from m2m_rt.nets.sessions import HeadField
from m2m_rt.sim import (
    DesignSettings,
    SeedStream,
    Subject,
    demo_design,
    draw_subject,
    measure_didt_at_rmt,
    subject_rng,
)
from m2m_rt.units import F32, F64, I64


class PaperDesign(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Pulses at each intensity, and the part of them that tests."""

    intensities_pct_rmt: tuple[float, ...] = (110.0, 120.0, 130.0, 140.0)
    n_pulses: tuple[int, ...] = (300, 149, 150, 100)
    test_share: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    """Of every intensity, drawn at random as in the paper: neighbouring coil positions
    fall on both sides, so the test is of interpolation."""


@dataclass(frozen=True, slots=True)
class PaperPulses:
    """What a recording stimulates with; as many subjects as wanted can share it."""

    head_from_coil: F64
    """(n, 4, 4)"""

    intensity_pct_rmt: F64
    """(n,)"""

    relative_efield: F32
    """(n, n_roi, 3): 1 is the largest field at 100 % RMT in the planned pose."""


@dataclass(frozen=True, slots=True)
class PaperData:
    """One subject's pulses."""

    pulses: PaperPulses

    amplitude_uv: F32
    """(n, n_muscles)"""

    expected_uv: F64
    """(n, n_muscles): the subject's true mean amplitude."""

    expected_log10_uv: F64
    """(n, n_muscles): the subject's true mean log10 amplitude."""

    training: I64
    """Rows to learn from; every scaler and synergy comes from these alone."""

    test: I64
    """The other rows."""

    @property
    def relative_efield(self) -> F32:
        """Relative fields (n, n_roi, 3)."""
        return self.pulses.relative_efield


def poses_rng(seed: int) -> np.random.Generator:
    """Return what draws the poses that all subjects of a study share.

    Its key is that of the first tuning subject of the same seed, whom no study of this
    design has; no subject is drawn from it.
    """
    return subject_rng(seed, SeedStream.TUNING)


def draw_paper_pulses(
    head: HeadField, design: PaperDesign, rng: np.random.Generator
) -> PaperPulses:
    """Return the pulses of a recording, those of one intensity after another."""
    intensity_pct_rmt = np.repeat(design.intensities_pct_rmt, design.n_pulses)
    planned = demo_design(
        rng,
        head.lookup.guard,
        planned_head_from_coil=head.lookup.table.region.planned_head_from_coil,
        n_pulses=len(intensity_pct_rmt),
        settings=DesignSettings(),
    )
    poses = np.array([pulse.head_from_coil for pulse in planned])
    unit = head.lookup.query_batch(poses).unit_efield_v_per_m
    scale = intensity_pct_rmt / 100.0 / head.planned_peak_v_per_m
    return PaperPulses(
        head_from_coil=poses,
        intensity_pct_rmt=intensity_pct_rmt,
        relative_efield=unit * scale.astype(np.float32)[:, np.newaxis, np.newaxis],
    )


def record(
    head: HeadField,
    pulses: PaperPulses,
    subject: Subject,
    rng: np.random.Generator,
) -> tuple[F32, F64, F64]:
    """Return a subject's amplitudes in µV, their true means, and the means of log10."""
    didt_at_rmt = measure_didt_at_rmt(subject, head.cortex, rng)
    at_rmt = didt_at_rmt * head.planned_peak_v_per_m
    efield = pulses.relative_efield * np.float32(at_rmt)
    amplitude_uv = np.maximum(subject.draw_uv(efield, rng), FLOOR_UV)
    expected_uv = subject.expected_uv(efield)
    return (
        amplitude_uv.astype(np.float32),
        expected_uv,
        subject.expected_log10_uv(efield),
    )


def draw_paper_data(head: HeadField, design: PaperDesign, *, seed: int) -> PaperData:
    """Return the recording of one subject that no demo uses."""
    rng = subject_rng(seed, SeedStream.TRAINING)
    subject = draw_subject(rng, head.cortex)
    pulses = draw_paper_pulses(head, design, rng)
    amplitude_uv, expected_uv, expected_log10_uv = record(head, pulses, subject, rng)
    training, test = split_inside_intensities(design, rng)
    return PaperData(
        pulses=pulses,
        amplitude_uv=amplitude_uv,
        expected_uv=expected_uv,
        expected_log10_uv=expected_log10_uv,
        training=training,
        test=test,
    )


def split_inside_intensities(
    design: PaperDesign, rng: np.random.Generator
) -> tuple[I64, I64]:
    """Return training and test rows, each intensity split alike."""
    stops = np.cumsum(design.n_pulses)
    tested = [
        stop
        - count
        + rng.permutation(count)[: max(1, round(design.test_share * count))]
        for stop, count in zip(stops, design.n_pulses, strict=True)
    ]
    test = np.sort(np.concatenate(tested))
    return np.setdiff1d(np.arange(stops[-1]), test), test
