"""What an operator reads of excitability, changes and doubt."""

import msgspec
import numpy as np

from m2m_rt.app.live_change import StateNews, change_line
from m2m_rt.app.live_state import Situation, state_of
from m2m_rt.messages import ChangeSeen, ExcitabilityTracked, Prediction, pack_f64
from m2m_rt.units import NS_PER_S, RigNs

NOW_NS = RigNs(1000 * NS_PER_S)
MUSCLES = ("FDI", "BIC")


def change(*, muscle: int | None = 1, withdrawn: bool = False) -> ChangeSeen:
    is_gain = muscle is not None
    return ChangeSeen(
        t_ns=RigNs(NOW_NS - 5 * NS_PER_S),
        kind="gain" if is_gain else "shift",
        muscle=muscle,
        log10_gain=float(np.log10(0.5)) if is_gain else 0.0,
        shift_x_mm=0.0 if is_gain else 3.0,
        shift_y_mm=0.0 if is_gain else -4.0,
        trials_ago=7,
        log_ratio=9.0,
        withdrawn=withdrawn,
        acted_on=True,
    )


def test_a_change_names_its_muscle_or_its_distance() -> None:
    gain = change_line(change(), MUSCLES)
    assert gain == "BIC answers × 0.5 since 7 trials: check its electrodes"
    back = msgspec.structs.replace(change(), log10_gain=float(np.log10(2.0)))
    said = change_line(back, MUSCLES)
    assert said == "BIC answers × 2.0 since 7 trials: its electrode is back"
    shift = change_line(change(muscle=None), MUSCLES)
    assert shift == "coil 5 mm off since 7 trials: check the head tracker"
    taken_back = change_line(change(muscle=None, withdrawn=True), MUSCLES)
    assert taken_back == "taken back: coil 5 mm off"


def test_the_state_line_shows_excitability_as_a_factor() -> None:
    news = StateNews()
    assert "no trial yet" in news.text(MUSCLES, NOW_NS).plain
    news.take(
        ExcitabilityTracked(
            t_ns=NOW_NS,
            mean_log10=float(np.log10(1.5)),
            p05_log10=0.0,
            p95_log10=float(np.log10(2.0)),
            noise_scale=1.0,
            posterior_seq=3,
        )
    )
    news.take(change())
    text = news.text(MUSCLES, NOW_NS).plain
    assert "× 1.50 (1.00…2.00)" in text
    assert "BIC answers × 0.5" in text
    assert "5 s ago" in text


def test_a_doubted_prediction_says_why() -> None:
    prediction = Prediction(
        t_ns=NOW_NS,
        pose_seq=0,
        head_from_coil=pack_f64(np.eye(4)),
        intensity_pct_mso=61.0,
        mean_log10_uv=(2.0, 3.0),
        sd_log10_uv=(0.3, 0.3),
        p05_log10_uv=(1.5, 2.5),
        p95_log10_uv=(2.5, 3.5),
        prior_log10_uv=(2.0, 3.0),
        model_hash="ab" * 32,
        table_hash="cd" * 32,
        posterior_seq=0,
        valid=True,
    )
    doubted = msgspec.structs.replace(prediction, doubt=("pose_not_learnt",))
    for one, part in ((prediction, "61 % MSO"), (doubted, "unsure: pose not learnt")):
        situation = Situation(
            now_ns=NOW_NS, emg_ns=NOW_NS, prediction=one, health={}, failed={}
        )
        state = state_of(situation)
        assert (state.name, state.reason.endswith(part)) == ("PREDICTING", True)
