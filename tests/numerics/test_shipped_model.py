"""The shipped model predicts subjects that it has never seen, and says how well."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.onnx_predictor import (
    OnnxPredictor,
    read_manifest,
    read_shipped_model,
)
from m2m_rt.adapters.table_file import read_table
from m2m_rt.efield import EfieldLookup, draw_pose
from m2m_rt.learning import (
    Predicted,
    first_posterior,
    learn,
    predict,
    progressive_score,
    r2_log10,
    stack,
)
from m2m_rt.model import FLOOR_UV, MUSCLES, relative_efield
from m2m_rt.nets import Trials, refit
from m2m_rt.sim import (
    Cortex,
    SeedStream,
    SubjectSettings,
    VirtualSubject,
    demo_design,
    draw_subject,
    measure_rmt_pct_mso,
    subject_rng,
)
from m2m_rt.units import F32, F64

MODELS = Path(__file__).parents[2] / "models"
MODEL = MODELS / "m2mnet-rt" / "1"
N_PULSES = 60
SEEDS = (1, 2, 3, 4, 5, 6)
PER_PCT = 1.5
"""A/µs of one percent of the demo stimulator's output."""


@dataclass(frozen=True)
class Recording:
    """A demo session without the EMG between: fields in, MEPs out."""

    relative: F32
    log10_uv: F64
    expected: F64


@functools.cache
def lookup() -> EfieldLookup:
    return EfieldLookup(read_table(MODELS / "tables" / "demo" / "table.h5"))


@functools.cache
def predictor() -> OnnxPredictor:
    model_hash = read_manifest(MODEL).onnx_sha256
    return OnnxPredictor(read_shipped_model(MODEL), expected_hash=model_hash)


def record(
    seed: int, *, how: SubjectSettings | None = None, n_pulses: int = N_PULSES
) -> Recording:
    table = lookup().table
    planned_pose = table.region.planned_head_from_coil
    planned = lookup().query(planned_pose).unit_efield_v_per_m
    assert planned is not None
    cortex = Cortex(table.roi.points_mm, planned)
    subject = draw_subject(subject_rng(seed, SeedStream.DEMO), cortex, how)
    rng = np.random.default_rng(seed)
    rmt = measure_rmt_pct_mso(subject, planned * np.float32(PER_PCT), rng)
    pulses = demo_design(
        rng, lookup().guard, planned_head_from_coil=planned_pose, n_pulses=n_pulses
    )
    poses = np.array([pulse.head_from_coil for pulse in pulses])
    unit = lookup().query_batch(poses).unit_efield_v_per_m
    pct_mso = np.round([pulse.intensity_pct_rmt * rmt / 100.0 for pulse in pulses])
    return _answers(subject, unit, pct_mso, rmt, rng)


def _answers(
    subject: VirtualSubject,
    unit: F32,
    pct_mso: F64,
    rmt: int,
    rng: np.random.Generator,
) -> Recording:
    peak = lookup().table.planned_peak_v_per_m
    relative = [
        relative_efield(
            field, planned_peak_v_per_m=peak, intensity_pct_rmt=100.0 * pct / rmt
        )
        for field, pct in zip(unit, pct_mso, strict=True)
    ]
    efield = unit * (pct_mso * PER_PCT).astype(np.float32)[:, None, None]
    drawn = subject.draw_uv(efield, rng)
    return Recording(
        relative=np.concatenate(relative),
        log10_uv=np.log10(np.maximum(drawn, FLOOR_UV)),
        expected=subject.expected_log10_uv(efield),
    )


@functools.cache
def last_half(seed: int) -> tuple[Predicted, F64, F64, F64]:
    """Return online predictions, the prior's, truth and measured, of the last half."""
    recording = record(seed)
    features = predictor().features(recording.relative)
    posterior = first_posterior(predictor().prior)
    prior = predict(posterior, features).mean
    online = []
    for row, phi in enumerate(features):
        online.append(predict(posterior, phi[np.newaxis]))
        posterior = learn(
            posterior,
            phi,
            log10_uv=recording.log10_uv[row],
            valid=np.ones(len(MUSCLES), np.bool_),
        )
    half = N_PULSES // 2
    return (
        stack(online[half:]),
        prior[half:],
        recording.expected[half:],
        recording.log10_uv[half:],
    )


def test_the_model_was_trained_on_the_shipped_table() -> None:
    contract = read_manifest(MODEL).contract
    assert contract.table_hash == lookup().table.table_hash
    assert contract.n_roi == len(lookup().table.roi.points_mm)
    assert contract.muscles == MUSCLES


@pytest.mark.parametrize("seed", SEEDS)
def test_learning_online_beats_the_prior_and_nears_the_ceiling(seed: int) -> None:
    online, prior, expected, measured = last_half(seed)
    valid = np.ones(measured.shape, np.bool_)
    r2 = progressive_score(online, log10_uv=measured, valid=valid).r2_log10
    ceiling = r2_log10(expected, measured=measured, valid=valid)
    assert 0.6 < ceiling < 0.93
    assert r2 > r2_log10(prior, measured=measured, valid=valid)
    assert r2 > 0.8 * ceiling


def test_intervals_cover_what_they_say_over_subjects() -> None:
    inside = []
    for seed in SEEDS:
        online, _, _, measured = last_half(seed)
        low, high = online.quantile(0.05), online.quantile(0.95)
        inside.append((measured >= low) & (measured <= high))
    assert 0.85 < np.mean(inside) < 0.95


def test_every_pose_of_the_region_gets_a_sane_prediction() -> None:
    rng, table = np.random.default_rng(0), lookup().table
    poses = np.array([draw_pose(table.region, lookup().guard, rng) for _ in range(60)])
    fields = relative_efield(
        lookup().query_batch(poses).unit_efield_v_per_m,
        planned_peak_v_per_m=table.planned_peak_v_per_m,
        intensity_pct_rmt=120.0,
    )
    predicted = predict(
        first_posterior(predictor().prior), predictor().features(fields)
    )
    assert np.all((predicted.mean > 0.0) & (predicted.mean < 5.0))
    assert np.all((predicted.sd > 0.0) & (predicted.sd < 3.0))


def test_a_refit_helps_with_a_subject_unlike_the_population() -> None:
    unlike = SubjectSettings(
        direction_spread_deg=45.0,
        subject_shift_mm=7.0,
        muscle_shift_mm=5.0,
        steepness=(3.5, 0.2),
    )
    recording = record(1, how=unlike, n_pulses=90)
    trials = Trials(
        relative_efield=recording.relative,
        log10_uv=recording.log10_uv,
        valid=np.ones(recording.log10_uv.shape, np.bool_),
    )
    result = refit(read_shipped_model(MODEL), trials, n_held_out=30, seed=1)
    assert result.candidate_score > result.incumbent_score + 0.02
