"""The demo's report against the lab's own log: nothing offsets anything else."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from m2m_rt.app.report import Report, make_report
from m2m_rt.app.session_data import SessionData
from m2m_rt.messages import (
    EmgChunk,
    MepMeasured,
    Prediction,
    Trial,
    pack_f32,
    pack_f64,
)
from m2m_rt.sim import LabLog, PulseGiven
from m2m_rt.sim.lab_log import LabStarted, LabStopped
from m2m_rt.units import NS_PER_S, RigNs

FS_HZ = 5000.0
START_S = 1000.0
BLOCK_ROWS = 100
PULSES_S = (1003.0, 1006.0, 1009.0)


def prediction(t_ns: RigNs) -> Prediction:
    one = (2.0,)
    return Prediction(
        t_ns=t_ns,
        pose_seq=0,
        head_from_coil=pack_f64(np.eye(4)),
        intensity_pct_mso=50.0,
        mean_log10_uv=one,
        sd_log10_uv=one,
        p05_log10_uv=one,
        p95_log10_uv=one,
        prior_log10_uv=one,
        model_hash="",
        table_hash="",
        posterior_seq=0,
        valid=True,
    )


def trial(index: int, t_s: float, *, is_predicted: bool = True) -> Trial:
    t_ns = RigNs(round(t_s * NS_PER_S))
    mep = MepMeasured(
        t_ns=t_ns,
        pulse_id=index,
        mep_p2p_uv=(100.0,),
        mep_latency_ms=(20.0,),
        preactivation_rms_uv=(1.0,),
        present=(True,),
        valid=(True,),
        reason=("",),
    )
    return Trial(
        t_ns=t_ns,
        trial_index=index,
        revision=0,
        prediction=prediction(t_ns) if is_predicted else None,
        prediction_seq=None,
        lead_ms=10.0 if is_predicted else None,
        mep=mep,
        learnt=(True,),
        valid=True,
    )


def lab_log() -> LabLog:
    pulses = [
        PulseGiven(
            pulse=number,
            row=round((t_s - START_S) * FS_HZ),
            t_s=t_s,
            intensity_pct_mso=50.0,
            head_from_coil=((1.0, 0.0, 0.0, 0.0),) * 4,
            evoked_uv=(100.0,),
            expected_log10_uv=(2.0,),
            preactivated=(),
        )
        for number, t_s in enumerate(PULSES_S, start=1)
    ]
    started = LabStarted(first_stamp_s=START_S, fs_hz=FS_HZ, muscles=("FDI",), seed=1)
    return LabLog(started, tuple(pulses), LabStopped(n_rows=60_000))


def report_of(*edges: tuple[float, bool]) -> Report:
    """Return the report of trials at these instants, predicted or not."""
    data = SessionData()
    for index, (t_s, is_predicted) in enumerate(edges):
        data.trials[index] = trial(index, t_s, is_predicted=is_predicted)
    return make_report(data, lab_log(), Path(), n_lost_here=0)


def test_a_trial_a_pulse_is_every_pulse() -> None:
    report = report_of(*((t_s, True) for t_s in PULSES_S))
    assert (report.predicted_before_pulse, report.trials_without_pulse) == (3, 0)


def test_a_false_edge_does_not_make_up_for_a_pulse_that_was_not_seen() -> None:
    first, second, _ = PULSES_S
    report = report_of((first, True), (second, True), (second + 1.0, True))
    assert (report.predicted_before_pulse, report.trials_without_pulse) == (2, 1)
    assert not report.is_complete


def test_an_edge_seen_twice_does_not_make_up_for_a_pulse_without_prediction() -> None:
    first, second, third = PULSES_S
    edges = (first, True), (first + 0.0005, True), (second, True), (third, False)
    report = report_of(*edges)
    assert (report.predicted_before_pulse, report.trials_without_pulse) == (2, 1)
    assert not report.is_complete


def chunk(block: int) -> EmgChunk:
    last_s = START_S + ((block + 1) * BLOCK_ROWS - 1) / FS_HZ
    rows = np.zeros((BLOCK_ROWS, 2), np.float32)
    return EmgChunk(
        t_ns=RigNs(round(last_s * NS_PER_S)),
        first_row=0,
        fs_hz=FS_HZ,
        samples=pack_f32(rows),
    )


@pytest.mark.parametrize(
    ("blocks", "n_lost", "n_repeated"),
    [
        ((0, 1, 2, 3), 0, 0),
        ((0, 1, 3), BLOCK_ROWS, 0),
        ((0, 1, 1, 2, 3), 0, BLOCK_ROWS),
        ((0, 1, 1, 3), BLOCK_ROWS, BLOCK_ROWS),
        ((0, 1, 2, 0, 3), 0, BLOCK_ROWS),
    ],
)
def test_repeated_rows_do_not_make_up_for_lost_ones(
    blocks: tuple[int, ...], n_lost: int, n_repeated: int
) -> None:
    data = SessionData()
    for seq, block in enumerate(blocks):
        message = msgspec.structs.replace(chunk(block), seq=seq)
        data.take("emg/acquired", message, 0)
    report = make_report(data, lab_log(), Path(), n_lost_here=0)
    assert report.emg_samples_lost == n_lost
    assert report.emg_samples_repeated == n_repeated
