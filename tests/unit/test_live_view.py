"""What an operator sees of a session."""

from dataclasses import replace
from io import StringIO
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from m2m_rt.app.live_state import Situation, state_of
from m2m_rt.app.live_view import LiveView
from m2m_rt.messages import (
    EmgChunk,
    FitJudged,
    Health,
    MepMeasured,
    ModelPromoted,
    Prediction,
    PromotionRefused,
    StreamGap,
    Trial,
    pack_f32,
    pack_f64,
)
from m2m_rt.units import NS_PER_MS, NS_PER_S, RigNs

NOW_NS = RigNs(1000 * NS_PER_S)
MUSCLES = ("FDI", "BIC")


def ago(ms: float) -> RigNs:
    return RigNs(NOW_NS - round(ms * NS_PER_MS))


def prediction(*, age_ms: float = 20.0, reason: str = "") -> Prediction:
    mean = () if reason else (2.0, 3.0)
    return Prediction(
        t_ns=ago(age_ms),
        pose_seq=0,
        head_from_coil=pack_f64(np.eye(4)),
        intensity_pct_mso=61.0,
        mean_log10_uv=mean,
        sd_log10_uv=tuple(0.3 for _ in mean),
        p05_log10_uv=tuple(value - 0.5 for value in mean),
        p95_log10_uv=tuple(value + 0.5 for value in mean),
        prior_log10_uv=mean,
        model_hash="ab" * 32,
        table_hash="cd" * 32,
        posterior_seq=0,
        valid=not reason,
        reason=reason,
    )


def trial(*, revision: int = 0) -> Trial:
    mep = MepMeasured(
        t_ns=ago(500),
        pulse_id=0,
        mep_p2p_uv=(120.0, 40.0),
        mep_latency_ms=(22.0, None),
        preactivation_rms_uv=(2.0, 9.0),
        present=(True, False),
        valid=(True, False),
        reason=("", "hum"),
    )
    return Trial(
        t_ns=ago(500),
        trial_index=0,
        revision=revision,
        prediction=prediction(age_ms=520),
        prediction_seq=3,
        lead_ms=11.0,
        mep=mep,
        learnt=(True, False),
        valid=True,
    )


WELL = Situation(
    now_ns=NOW_NS,
    emg_ns=ago(10),
    prediction=prediction(),
    health={"posed": Health(t_ns=NOW_NS, daemon="posed", state="running")},
    failed={},
)


@pytest.mark.parametrize(
    ("change", "name", "reason"),
    [
        ({}, "PREDICTING", "at 61 % MSO"),
        ({"prediction": None}, "WAITING", "first coil pose"),
        ({"emg_ns": None}, "WAITING", "first EMG"),
        ({"prediction": prediction(reason="pose_old")}, "NOT PREDICTING", "pose old"),
        ({"prediction": prediction(age_ms=900)}, "NOT PREDICTING", "no coil pose"),
        ({"emg_ns": ago(900)}, "NO EMG", "no pulse can be seen"),
        ({"failed": {"traind": "status -9"}}, "FAULT", "traind: status -9"),
    ],
)
def test_the_state_is_the_worst_that_is_true(
    change: dict[str, Any], name: str, reason: str
) -> None:
    state = state_of(replace(WELL, **change))
    assert state.name == name
    assert reason in state.reason


def test_a_daemon_whose_heartbeat_stopped_is_a_fault() -> None:
    hung = Health(t_ns=ago(4000), daemon="posed", state="running")
    state = state_of(replace(WELL, health={"posed": hung}))
    assert (state.name, state.reason) == ("FAULT", "posed: no heartbeat for 4 s")


def test_a_full_disk_is_a_fault_with_its_reason() -> None:
    full = Health(t_ns=NOW_NS, daemon="recordd", state="fault", reason="disk is full")
    state = state_of(replace(WELL, health={"recordd": full}))
    assert (state.name, state.reason) == ("FAULT", "recordd: disk is full")


def rendered(view: LiveView) -> str:
    console = Console(file=StringIO(), width=120, force_terminal=False)
    console.print(view.render(NOW_NS, WELL.health, {}))
    shown = console.file
    assert isinstance(shown, StringIO)
    return shown.getvalue()


def test_predicted_and_measured_sizes_stand_side_by_side() -> None:
    view = LiveView(MUSCLES, n_planned=6)
    emg = EmgChunk(
        t_ns=ago(10),
        first_row=0,
        fs_hz=5000.0,
        samples=pack_f32(np.zeros((4, 3), np.float32)),
    )
    view.take([emg, prediction(), trial()])
    shown = rendered(view)
    (fdi,) = [line for line in shown.splitlines() if line.startswith(" FDI")]
    assert fdi.split()[:9] == ["FDI", "100", "32", "–", "316", "100", "32", "–", "316"]
    assert "120" in fdi
    assert "●" in fdi
    (bic,) = [line for line in shown.splitlines() if line.startswith(" BIC")]
    assert bic.rstrip().endswith("hum")
    assert "1 of 6, 1 predicted before, the last one 11 ms before" in shown
    assert "EMG 10 ms old" in shown


def test_what_was_lost_is_counted_by_kind() -> None:
    view = LiveView(MUSCLES)
    rows = StreamGap(t_ns=ago(2000), stream="emg", n_lost=7, reason="stamp late")
    words = StreamGap(t_ns=ago(1000), stream="trial/predictd", n_lost=2, reason="lost")
    view.take([rows, words])
    shown = rendered(view)
    assert "7 EMG samples lost, 2 messages lost" in shown
    assert "trial/predictd: lost (1 s ago)" in shown


@pytest.mark.parametrize("is_promoted", [True, False])
def test_a_refit_that_is_not_used_is_shown_with_its_reason(is_promoted: bool) -> None:
    view = LiveView(MUSCLES)
    judged = FitJudged(
        t_ns=ago(100),
        fit_id=0,
        parent_hash="a" * 64,
        model_hash=None,
        promoted=is_promoted,
        reason="no candidate: killed",
        candidate_score=0.0,
        incumbent_score=0.0,
        n_scored=0,
    )
    view.take([judged])
    is_shown = "last refit not used: no candidate: killed" in rendered(view)
    assert is_shown is not is_promoted


def test_a_promotion_that_was_refused_is_shown_until_the_next() -> None:
    view = LiveView(MUSCLES)
    promoted = ModelPromoted(
        t_ns=ago(90), model_hash="b", parent_hash="a", generation=1, reason=""
    )
    refused = PromotionRefused(
        t_ns=ago(80), model_hash="b", generation=1, kept_hash="a", reason="hash"
    )
    view.take([promoted, refused])
    assert "model generation 1 not used: hash" in rendered(view)
    view.take([msgspec.structs.replace(promoted, generation=2)])
    assert "not used" not in rendered(view)


def test_a_correction_is_not_another_pulse() -> None:
    view = LiveView(MUSCLES)
    view.take([trial(), trial(revision=1)])
    assert view.n_trials == 1
