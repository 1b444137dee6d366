"""The report of a demo session: what was predicted, measured, learnt and lost."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from m2m_rt.app.session_data import Scored, SessionData, scored_trials
from m2m_rt.learning import r2_log10
from m2m_rt.messages import Trial
from m2m_rt.model import FLOOR_UV
from m2m_rt.sim import LabLog, PulseGiven
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
    """Given by the lab."""

    predicted_before_pulse: int
    """Pulses of the lab that have a trial of their own with a prediction."""

    trials_without_pulse: int
    """Edges where the lab gave no pulse, and pulses seen twice."""

    lead_ms: Median
    meps_valid: int
    emg_samples_lost: int
    """Pushed by the lab from the first to the last stamp received, less received."""

    emg_samples_repeated: int
    """Received more than once, or never pushed."""

    messages_lost: int
    """By any daemon, or on the way to the record."""

    latency_ms: Latencies
    score: Score
    model_generations: int
    changes_found: int
    """Claims that a gain or the registration changed at once."""

    changes_withdrawn: int
    """How many of them were taken back."""

    session: str

    @property
    def is_complete(self) -> bool:
        """Whether every pulse, and nothing else, was predicted before it."""
        is_each_predicted = self.predicted_before_pulse == self.pulses
        return is_each_predicted and not self.trials_without_pulse


def make_report(
    data: SessionData, lab: LabLog, session: Path, *, n_lost_here: int
) -> Report:
    """Return the report of a session with a virtual lab.

    `n_lost_here` is what the supervisor missed: it writes nothing about itself.
    """
    trials = list(data.trials.values())
    of_pulses = _trials_of_pulses(trials, lab)
    n_lost, n_repeated = _samples_lost_and_repeated(data, lab)
    return Report(
        pulses=len(lab.pulses),
        predicted_before_pulse=sum(t.prediction is not None for t in of_pulses),
        trials_without_pulse=len(trials) - len(of_pulses),
        lead_ms=Median(
            p50=_percentile((t.lead_ms for t in trials if t.lead_ms is not None), 50)
        ),
        meps_valid=sum(sum(trial.mep.valid) for trial in trials if trial.valid),
        emg_samples_lost=n_lost,
        emg_samples_repeated=n_repeated,
        messages_lost=data.messages_lost + n_lost_here,
        latency_ms=_latencies(data),
        score=_score(scored_trials(data, floor_uv=FLOOR_UV), lab),
        model_generations=1 + data.n_promoted,
        changes_found=sum(not one.withdrawn for one in data.changes),
        changes_withdrawn=sum(one.withdrawn for one in data.changes),
        session=str(session),
    )


def true_expectation(scored: Scored, lab: LabLog) -> F64:
    """Return the subject's true mean log10 MEPs, NaN where the lab knows no pulse."""
    rows = []
    for pulse_ns in scored.pulse_ns:
        pulse = _pulse_at(pulse_ns, lab)
        unknown = (math.nan,) * len(lab.started.muscles)
        rows.append(unknown if pulse is None else pulse.expected_log10_uv)
    return np.array(rows)


def _pulse_at(t_ns: int, lab: LabLog) -> PulseGiven | None:
    """Return the lab's pulse at an instant, if there is one."""
    if not lab.pulses:
        return None
    nearest = min(lab.pulses, key=lambda pulse: abs(pulse.t_s - t_ns / NS_PER_S))
    is_same = abs(nearest.t_s - t_ns / NS_PER_S) <= SAME_PULSE_S
    return nearest if is_same else None


def _trials_of_pulses(trials: Iterable[Trial], lab: LabLog) -> Sequence[Trial]:
    """Return the first trial of each pulse that has one."""
    found: dict[int, Trial] = {}
    for trial in trials:
        pulse = _pulse_at(trial.t_ns, lab)
        if pulse is not None:
            found.setdefault(pulse.pulse, trial)
    return tuple(found.values())


def _samples_lost_and_repeated(data: SessionData, lab: LabLog) -> tuple[int, int]:
    if data.emg_first_s is None:
        return 0, data.n_emg_repeated
    pushed = lab.emg_rows_between(first_s=data.emg_first_s, last_s=data.emg_last_s)
    n_short = pushed - data.n_emg_rows
    return max(n_short, 0), data.n_emg_repeated + max(-n_short, 0)


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
