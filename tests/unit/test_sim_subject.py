"""Virtual subjects answer as real ones do, within the ranges that are asked of them."""

import functools
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.table_file import read_table
from m2m_rt.efield import EfieldLookup
from m2m_rt.model import MUSCLES
from m2m_rt.sim import (
    Cortex,
    DesignSettings,
    SeedStream,
    VirtualSubject,
    demo_design,
    draw_subject,
    measure_rmt_pct_mso,
    subject_rng,
)
from m2m_rt.units import F32

TABLE = Path(__file__).parents[2] / "models" / "tables" / "demo" / "table.h5"
PER_PCT = np.float32(1.5)
"""A/µs of one percent of the demo stimulator's output."""


@functools.cache
def demo_head() -> tuple[EfieldLookup, Cortex]:
    lookup = EfieldLookup(read_table(TABLE))
    planned = lookup.query(lookup.table.region.planned_head_from_coil)
    assert planned.unit_efield_v_per_m is not None
    points = lookup.table.roi.points_mm
    return lookup, Cortex(points, planned.unit_efield_v_per_m)


@functools.cache
def session_fields() -> tuple[F32, F32]:
    """Unit fields (100, n_roi, 3) of a demo's poses, and intensities over RMT."""
    lookup, _ = demo_head()
    pulses = demo_design(
        np.random.default_rng(1),
        lookup.guard,
        planned_head_from_coil=lookup.table.region.planned_head_from_coil,
        n_pulses=100,
    )
    answer = lookup.query_batch(np.array([p.head_from_coil for p in pulses]))
    assert answer.valid.all()
    levels = np.array([p.intensity_pct_rmt for p in pulses], np.float32) / 100.0
    return answer.unit_efield_v_per_m, levels


def demo_subject(seed: int) -> VirtualSubject:
    return draw_subject(subject_rng(seed, SeedStream.DEMO), demo_head()[1])


def efields(rmt_pct_mso: float) -> F32:
    unit, levels = session_fields()
    didt = np.float32(rmt_pct_mso) * PER_PCT * levels
    return unit * didt[:, np.newaxis, np.newaxis]


def test_the_expectation_is_the_mean_of_many_draws() -> None:
    subject, fields = demo_subject(3), efields(52.0)[:6]
    rng = np.random.default_rng(0)
    repeated = np.repeat(fields[np.newaxis], 2000, axis=0)
    drawn_uv = np.maximum(subject.draw_uv(repeated, rng), 5.0)
    drawn = np.log10(drawn_uv)
    # three standard errors of 2000 draws with spread 0.33, and 0.005 of quadrature
    np.testing.assert_allclose(
        drawn.mean(axis=0), subject.expected_log10_uv(fields), atol=0.027
    )
    # four standard errors, the amplitudes' relative spread being about 1
    np.testing.assert_allclose(
        drawn_uv.mean(axis=0), subject.expected_uv(fields), rtol=0.09
    )


def test_thresholds_lie_between_40_and_60_pct_mso_at_the_best_pose() -> None:
    unit, _ = session_fields()
    planned = demo_head()[1].planned_unit_efield
    for seed in range(1, 13):
        subject, rng = demo_subject(seed), np.random.default_rng(seed)
        drives = subject.drive_v_per_m(unit)[:, 0]
        best = unit[np.argmax(drives)]
        for field in (planned, best):
            assert 40 <= measure_rmt_pct_mso(subject, field * PER_PCT, rng) <= 60


@pytest.mark.parametrize("seed", range(1, 7))
def test_noise_and_ceiling_are_those_of_real_recordings(seed: int) -> None:
    subject, rng = demo_subject(seed), np.random.default_rng(seed)
    planned = demo_head()[1].planned_unit_efield
    fields = efields(measure_rmt_pct_mso(subject, planned * PER_PCT, rng))
    expected = subject.expected_log10_uv(fields)
    drawn = np.log10(np.maximum(subject.draw_uv(fields, rng), 5.0))
    answered = expected > np.log10(20.0)
    spread = np.sqrt(np.mean((drawn - expected)[answered] ** 2))
    assert 0.19 < spread < 0.33
    explained = 1.0 - np.sum((drawn - expected) ** 2, axis=0) / np.sum(
        (drawn - drawn.mean(axis=0)) ** 2, axis=0
    )
    assert 0.6 < explained.mean() < 0.92


def test_trial_noise_is_partly_shared_by_all_muscles() -> None:
    subject, rng = demo_subject(2), np.random.default_rng(0)
    strong = np.repeat(efields(56.0)[:1] * np.float32(1.5), 3000, axis=0)
    drawn = np.log10(subject.draw_uv(strong, rng))
    # A muscle at the noise floor shows the amplifier's noise, which nobody shares.
    answering = drawn[:, np.median(drawn, axis=0) > 2.0]
    n_answering = answering.shape[1]
    assert n_answering > len(MUSCLES) // 2
    correlation = np.corrcoef(answering.T)[np.triu_indices(n_answering, 1)]
    assert 0.3 < correlation.mean() < 0.5  # 0.4 of the variance is shared


def test_no_field_gives_the_noise_floor() -> None:
    subject, rng = demo_subject(1), np.random.default_rng(0)
    nothing = np.zeros((500, *demo_head()[1].planned_unit_efield.shape), np.float32)
    drawn = subject.draw_uv(nothing, rng)
    assert np.all((np.median(drawn, axis=0) > 5.0) & (np.median(drawn, axis=0) < 10.0))
    assert np.all(subject.draw_evoked_uv(nothing, rng) < 2.0)


def test_streams_of_one_seed_share_no_subject() -> None:
    drawn = {
        subject_rng(seed, stream, index).random()
        for seed in range(5)
        for stream in SeedStream
        for index in range(20)
    }
    assert len(drawn) == 5 * len(SeedStream) * 20


def test_a_seed_gives_the_same_subject_again() -> None:
    fields = efields(50.0)[:5]
    again = [demo_subject(9).draw_uv(fields, np.random.default_rng(4)) for _ in "ab"]
    assert np.array_equal(again[0], again[1])


def test_a_designs_poses_keep_to_its_settings() -> None:
    lookup, _ = demo_head()
    how = DesignSettings(site_radius_mm=8.0, winding_mm=(5.0, 7.0))
    planned = lookup.table.region.planned_head_from_coil
    pulses = demo_design(
        np.random.default_rng(0),
        lookup.guard,
        planned_head_from_coil=planned,
        n_pulses=40,
        settings=how,
    )
    for pulse in pulses:
        away = (pulse.head_from_coil[:3, 3] - planned[:3, 3]) @ planned[:3, :2]
        assert np.linalg.norm(away) < 8.0 + 4.0  # the scalp bends away meanwhile
        nearest_mm = lookup.guard.nearest_winding_mm(pulse.head_from_coil)
        assert 4.9 < nearest_mm < 7.1
        assert pulse.intensity_pct_rmt in how.intensities_pct_rmt
