"""Progressive scores and promotion."""

import numpy as np
import pytest

from m2m_rt.learning import (
    Predicted,
    PromotionRule,
    progressive_score,
    promotes,
    r2_log10,
)
from m2m_rt.model import FLOOR_UV


def test_r2_is_about_each_muscles_own_mean() -> None:
    measured = np.array([[1.0, 11.0], [2.0, 12.0], [3.0, 13.0]])
    means = np.broadcast_to(measured.mean(axis=0), measured.shape)
    valid = np.ones(measured.shape, np.bool_)
    assert r2_log10(means, measured=measured, valid=valid) == pytest.approx(0.0)
    assert r2_log10(measured, measured=measured, valid=valid) == pytest.approx(1.0)


def test_invalid_meps_do_not_count() -> None:
    measured = np.array([[1.0], [2.0], [3.0], [99.0]])
    predicted = np.array([[1.0], [2.0], [3.0], [0.0]])
    valid = np.array([[True], [True], [True], [False]])
    assert r2_log10(predicted, measured=measured, valid=valid) == pytest.approx(1.0)


def test_a_muscle_that_never_answers_does_not_count() -> None:
    floor = np.full(4, np.log10(FLOOR_UV))
    answering = np.array([1.0, 2.0, 3.0, 2.5])
    measured = np.column_stack((answering, floor))
    predicted = np.column_stack((answering + 0.1, floor + 0.2))
    valid = np.ones(measured.shape, np.bool_)
    both = r2_log10(predicted, measured=measured, valid=valid)
    alone = r2_log10(predicted[:, :1], measured=measured[:, :1], valid=valid[:, :1])
    assert both == alone
    assert alone > 0.9
    silent = r2_log10(predicted[:, 1:], measured=measured[:, 1:], valid=valid[:, 1:])
    assert np.isnan(silent)


def test_coverage_counts_meps_inside_their_interval() -> None:
    predicted = Predicted(
        mean=np.zeros((4, 1)), sd=np.ones((4, 1)), dof=np.array([1e9])
    )
    log10_uv = np.array([[0.0], [1.6], [1.7], [-3.0]])  # the bounds are ±1.645
    score = progressive_score(
        predicted, log10_uv=log10_uv, valid=np.ones((4, 1), np.bool_)
    )
    assert score.coverage_90 == 0.5
    assert score.n_scored == 4


def test_nothing_valid_gives_no_score() -> None:
    predicted = Predicted(mean=np.zeros((1, 1)), sd=np.ones((1, 1)), dof=np.ones(1))
    score = progressive_score(
        predicted, log10_uv=np.zeros((1, 1)), valid=np.zeros((1, 1), np.bool_)
    )
    assert score.n_scored == 0
    assert np.isnan(score.r2_log10)


def test_a_candidate_needs_the_margin_and_most_of_its_meps() -> None:
    rule = PromotionRule(min_gain_nats=0.02, min_scored_part=0.6)

    def decide(gain: float, n_scored: int) -> bool:
        return promotes(
            rule, candidate=gain, incumbent=0.0, n_scored=n_scored, n_held_out=150
        )

    assert decide(0.1, 90)
    assert not decide(0.1, 89)
    assert not decide(0.01, 150)
    assert not decide(float("nan"), 150)


@pytest.mark.parametrize("n_muscles", [1, 2, 9, 15])
def test_a_rig_of_any_number_of_muscles_can_promote(n_muscles: int) -> None:
    n_held_out = 10 * n_muscles
    for n_scored, expected in ((n_held_out, True), (n_held_out // 2, False)):
        is_promoted = promotes(
            PromotionRule(),
            candidate=0.1,
            incumbent=0.0,
            n_scored=n_scored,
            n_held_out=n_held_out,
        )
        assert is_promoted == expected
