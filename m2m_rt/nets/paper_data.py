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
    demo_design,
    draw_subject,
    measure_rmt_pct_mso,
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
class PaperData:
    """One subject's pulses."""

    relative_efield: F32
    """(n, n_roi, 3)"""

    amplitude_uv: F32
    """(n, n_muscles)"""

    expected_log10_uv: F64
    """(n, n_muscles): the subject's truth."""

    training: I64
    """Rows to learn from; every scaler and synergy comes from these alone."""

    test: I64
    """The other rows."""


def draw_paper_data(head: HeadField, design: PaperDesign, *, seed: int) -> PaperData:
    """Return the recording of one subject that no demo uses."""
    rng = subject_rng(seed, SeedStream.TRAINING)
    subject = draw_subject(rng, head.cortex)
    at_1_pct = head.cortex.planned_unit_efield * np.float32(1.5)
    rmt_pct_mso = measure_rmt_pct_mso(subject, at_1_pct, rng)
    level = np.repeat(design.intensities_pct_rmt, design.n_pulses) / 100.0
    pulses = demo_design(
        rng,
        head.lookup.guard,
        planned_head_from_coil=head.lookup.table.region.planned_head_from_coil,
        n_pulses=len(level),
        settings=DesignSettings(),
    )
    poses = np.array([pulse.head_from_coil for pulse in pulses])
    unit = head.lookup.query_batch(poses).unit_efield_v_per_m
    didt = (level * rmt_pct_mso * 1.5).astype(np.float32)
    efield = unit * didt[:, np.newaxis, np.newaxis]
    relative = (level / head.planned_peak_v_per_m).astype(np.float32)
    training, test = _split(design, rng)
    return PaperData(
        relative_efield=unit * relative[:, np.newaxis, np.newaxis],
        amplitude_uv=np.maximum(subject.draw_uv(efield, rng), FLOOR_UV).astype("f4"),
        expected_log10_uv=subject.expected_log10_uv(efield),
        training=training,
        test=test,
    )


def _split(design: PaperDesign, rng: np.random.Generator) -> tuple[I64, I64]:
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
