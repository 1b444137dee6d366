"""The report of a demo session: what was predicted, measured, learnt and lost."""

import math
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from m2m_rt.app.session_data import Scored, SessionData, scored_trials
from m2m_rt.learning import r2_log10
from m2m_rt.model import FLOOR_UV
from m2m_rt.sim import LabLog
from m2m_rt.units import F64, NS_PER_S

SAME_PULSE_S = 0.001
"""An edge in the recording and one in the lab's log, at most so far apart."""


class Median(msgspec.Struct, frozen=True, kw_only=True):
    """The middle of a distribution."""

    p50: float


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """The middle and the tail of a distribution."""

    p50: float
    p99: float


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """From the lab's push of a pose to the recorder's receipt, ms."""

    pose_to_prediction: Percentiles
    transport_floor: Percentiles
    """The same way of an equally large message that waits for no computation."""


class R2(msgspec.Struct, frozen=True, kw_only=True):
    """R² of log10 MEP about each muscle's own mean, averaged over muscles."""

    prior: float
    """The shipped population model, without learning."""

    online: float
    """What was published before the pulses."""

    ceiling: float
    """The virtual subject's true expectation: no predictor can do better for long."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Progressive: each prediction was made before its answer; the last half."""

    r2_log10: R2
    coverage_90: float
    n_scored: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `m2m demo --report` writes."""

    pulses: int
    predicted_before_pulse: int
    lead_ms: Median
    meps_valid: int
    emg_samples_lost: int
    """Pushed by the lab from the first to the last stamp received, less received."""

    messages_lost: int
    """By any daemon, or on the way to the record."""

    latency_ms: Latencies
    score: Score
    model_generations: int
    session: str


def make_report(
    data: SessionData, lab: LabLog, session: Path, *, n_lost_here: int
) -> Report:
    """Return the report of a session with a virtual lab.

    `n_lost_here` is what the supervisor missed: it writes nothing about itself.
    """
    trials = list(data.trials.values())
    return Report(
        pulses=len(lab.pulses),
        predicted_before_pulse=sum(t.prediction is not None for t in trials),
        lead_ms=Median(
            p50=_percentile((t.lead_ms for t in trials if t.lead_ms is not None), 50)
        ),
        meps_valid=sum(sum(trial.mep.valid) for trial in trials if trial.valid),
        emg_samples_lost=_samples_lost(data, lab),
        messages_lost=data.messages_lost + n_lost_here,
        latency_ms=_latencies(data),
        score=_score(scored_trials(data, floor_uv=FLOOR_UV), lab),
        model_generations=1 + data.n_promoted,
        session=str(session),
    )


def true_expectation(scored: Scored, lab: LabLog) -> F64:
    """Return the subject's true mean log10 MEPs, NaN where the lab knows no pulse."""
    lab_s = np.array([pulse.t_s for pulse in lab.pulses])
    rows = []
    for pulse_ns in scored.pulse_ns:
        apart_s = np.abs(lab_s - pulse_ns / NS_PER_S)
        nearest = int(np.argmin(apart_s))
        truth = np.array(lab.pulses[nearest].expected_log10_uv)
        is_same = apart_s[nearest] <= SAME_PULSE_S
        rows.append(truth if is_same else np.full(len(truth), np.nan))
    return np.array(rows)


def _samples_lost(data: SessionData, lab: LabLog) -> int:
    if data.emg_first_s is None:
        return 0
    pushed = lab.emg_rows_between(first_s=data.emg_first_s, last_s=data.emg_last_s)
    return pushed - data.n_emg_rows


def _latencies(data: SessionData) -> Latencies:
    both = data.prediction_ms.keys() & data.echo_ms.keys()
    return Latencies(
        pose_to_prediction=_percentiles(data.prediction_ms[seq] for seq in both),
        transport_floor=_percentiles(data.echo_ms[seq] for seq in both),
    )


def _score(scored: Scored, lab: LabLog) -> Score:
    half = slice(len(scored.pulse_ns) // 2, None)
    valid, measured = scored.valid[half], scored.measured[half]
    if not valid.any():
        nothing = R2(prior=math.nan, online=math.nan, ceiling=math.nan)
        return Score(r2_log10=nothing, coverage_90=math.nan, n_scored=0)
    inside = (measured >= scored.p05[half]) & (measured <= scored.p95[half])

    def r2(predicted: F64) -> float:
        return r2_log10(predicted[half], measured=measured, valid=valid)

    return Score(
        r2_log10=R2(
            prior=r2(scored.prior),
            online=r2(scored.online),
            ceiling=r2(true_expectation(scored, lab)),
        ),
        coverage_90=float(inside[valid].mean()),
        n_scored=int(valid.sum()),
    )


def _percentiles(values: Iterable[float]) -> Percentiles:
    kept = list(values)
    return Percentiles(p50=_percentile(kept, 50), p99=_percentile(kept, 99))


def _percentile(values: Iterable[float], percent: float) -> float:
    kept = list(values)
    return float(np.percentile(kept, percent)) if kept else math.nan
