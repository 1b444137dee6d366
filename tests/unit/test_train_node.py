"""When refits are asked for, and what becomes of their answers."""

import pytest

from m2m_rt.learning import PromotionRule
from m2m_rt.messages import (
    ChangeSeen,
    FitFinished,
    FitJudged,
    FitRequest,
    KnownChange,
    Message,
    ModelPromoted,
    PromotionRefused,
    SessionEvent,
    SessionEventKind,
    Trial,
    decode,
)
from m2m_rt.nodes import TrainNode, TrainSettings
from m2m_rt.units import RigNs
from tests.support.predicting import mep_at

SHIPPED, OTHER, THIRD = "a" * 64, "b" * 64, "c" * 64
SETTINGS = TrainSettings(
    model_hash=SHIPPED,
    rng_seed=7,
    first_fit_trials=4,
    fit_every_trials=3,
    n_held_out=2,
    promotion=PromotionRule(min_gain_nats=0.1, min_scored_part=0.5),
)


@pytest.fixture
def node() -> TrainNode:
    return TrainNode(SETTINGS)


def trial(index: int, *, revision: int = 0, is_learnt: bool = True) -> Trial:
    return Trial(
        t_ns=RigNs(index),
        trial_index=index,
        revision=revision,
        prediction=None,
        prediction_seq=None,
        lead_ms=None,
        mep=mep_at(index, index, n_muscles=2),
        learnt=(is_learnt, False),
        valid=is_learnt,
    )


def finished(
    fit_id: int, model_hash: str | None = OTHER, *, gain: float = 0.2, n: int = 3
) -> FitFinished:
    return FitFinished(
        t_ns=RigNs(0),
        fit_id=fit_id,
        model_hash=model_hash,
        error="" if model_hash else "killed after 600 s",
        candidate_score=0.3 + gain,
        incumbent_score=0.3,
        n_scored=n,
    )


def give(node: TrainNode, *messages: Message) -> list[Message]:
    return [one for message in messages for one in node.step(RigNs(5), message)]


def promoted_in(said: list[Message]) -> list[ModelPromoted]:
    return [one for one in said if isinstance(one, ModelPromoted)]


def trials(first: int, stop: int) -> list[Trial]:
    return [trial(index) for index in range(first, stop)]


def roll_back() -> SessionEvent:
    return SessionEvent(t_ns=RigNs(0), kind=SessionEventKind.ROLL_BACK)


def test_the_first_fit_comes_when_enough_was_learnt(node: TrainNode) -> None:
    assert give(node, *trials(0, 3), trial(3, is_learnt=False)) == []
    (request,) = give(node, trial(4))
    assert isinstance(request, FitRequest)
    indices = [decode(frame) for frame in request.trials]
    assert [one.trial_index for one in indices if isinstance(one, Trial)] == [
        0,
        1,
        2,
        4,
    ]
    assert (request.fit_id, request.parent_hash) == (0, SHIPPED)
    assert (request.n_trials, request.n_held_out, request.rng_seed) == (4, 2, 7)


def test_one_fit_runs_at_a_time_and_the_next_has_another_seed(node: TrainNode) -> None:
    assert len(give(node, *trials(0, 12))) == 1
    assert not promoted_in(give(node, finished(0, None)))
    (request,) = give(node, trial(12))
    assert isinstance(request, FitRequest)
    assert (request.fit_id, request.rng_seed, request.n_trials) == (1, 8, 13)


def test_a_better_candidate_is_promoted_and_is_the_next_parent(node: TrainNode) -> None:
    judged, promoted = give(node, *trials(0, 4), finished(0))[1:]
    assert isinstance(judged, FitJudged)
    assert (judged.promoted, judged.model_hash) == (True, OTHER)
    assert isinstance(promoted, ModelPromoted)
    assert (promoted.model_hash, promoted.parent_hash) == (OTHER, SHIPPED)
    assert promoted.generation == 1
    (request,) = give(node, *trials(4, 7))
    assert isinstance(request, FitRequest)
    assert request.parent_hash == OTHER


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (finished(0, None), "no candidate: killed after 600 s"),
        (finished(0, gain=0.05), "0.350 against 0.300 on 3 of 4 held-out MEPs"),
        (finished(0, gain=-1.0), "not clearly better"),
        (finished(0, n=1), "on 1 of 4 held-out MEPs"),
        (finished(0, n=0), "on 0 of 4 held-out MEPs"),
    ],
)
def test_a_candidate_that_is_not_better_is_not_used_and_it_is_said_why(
    node: TrainNode, answer: FitFinished, reason: str
) -> None:
    (judged,) = give(node, *trials(0, 4), answer)[1:]
    assert isinstance(judged, FitJudged)
    assert not judged.promoted
    assert reason in judged.reason
    assert judged.parent_hash == SHIPPED
    assert (judged.model_hash, judged.n_scored) == (answer.model_hash, answer.n_scored)
    assert judged.candidate_score == answer.candidate_score
    assert judged.incumbent_score == answer.incumbent_score


def test_an_answer_that_nobody_asked_for_is_ignored(node: TrainNode) -> None:
    assert give(node, finished(0)) == []
    assert give(node, *trials(0, 4), finished(3))[1:] == []
    assert len(give(node, finished(0))) == 2  # the one asked for still runs


def test_a_roll_back_goes_to_the_parent_and_not_below_the_shipped(
    node: TrainNode,
) -> None:
    assert give(node, roll_back()) == []
    give(node, *trials(0, 4), finished(0), *trials(4, 7), finished(1, THIRD))
    back = give(node, roll_back(), roll_back(), roll_back())
    assert [
        (one.model_hash, one.parent_hash, one.generation)
        for one in back
        if isinstance(one, ModelPromoted)
    ] == [(OTHER, THIRD, 3), (SHIPPED, OTHER, 4)]


def test_a_fit_from_a_model_that_was_rolled_back_is_not_used(node: TrainNode) -> None:
    give(node, *trials(0, 4), finished(0), *trials(4, 7), roll_back())
    (judged,) = give(node, finished(1, THIRD))
    assert isinstance(judged, FitJudged)
    assert (judged.promoted, judged.reason) == (False, "its parent is no longer in use")


def refused(model_hash: str, generation: int, kept_hash: str) -> PromotionRefused:
    return PromotionRefused(
        t_ns=RigNs(0),
        model_hash=model_hash,
        generation=generation,
        kept_hash=kept_hash,
        reason="hash",
    )


def parent_of_next(node: TrainNode, first: int) -> str:
    (request,) = give(node, *trials(first, first + 3))
    assert isinstance(request, FitRequest)
    return request.parent_hash


def test_a_model_that_was_refused_is_no_parent(node: TrainNode) -> None:
    give(node, *trials(0, 4), finished(0))
    assert give(node, refused(OTHER, 1, SHIPPED)) == []
    assert parent_of_next(node, 4) == SHIPPED
    _, promoted = give(node, finished(1, THIRD))
    assert isinstance(promoted, ModelPromoted)
    assert (promoted.parent_hash, promoted.generation) == (SHIPPED, 2)
    (back,) = promoted_in(give(node, roll_back()))
    assert back.model_hash == SHIPPED


def test_a_fit_from_a_model_that_was_refused_is_not_used(node: TrainNode) -> None:
    give(node, *trials(0, 4), finished(0), *trials(4, 7), refused(OTHER, 1, SHIPPED))
    (judged,) = give(node, finished(1, THIRD))
    assert isinstance(judged, FitJudged)
    assert (judged.promoted, judged.reason) == (False, "its parent is no longer in use")


def test_a_roll_back_that_was_refused_leaves_the_model_in_use(node: TrainNode) -> None:
    give(node, *trials(0, 4), finished(0), roll_back(), refused(SHIPPED, 2, OTHER))
    assert parent_of_next(node, 4) == OTHER
    assert give(node, finished(1, None), roll_back())[1:] == []


def test_a_refusal_that_comes_after_the_next_promotion_changes_only_its_own(
    node: TrainNode,
) -> None:
    give(node, *trials(0, 4), finished(0), *trials(4, 7), finished(1, THIRD))
    give(node, refused(OTHER, 1, SHIPPED))
    assert parent_of_next(node, 7) == THIRD
    give(node, finished(2, None))
    (back,) = promoted_in(give(node, roll_back()))
    assert back.model_hash == SHIPPED


def test_a_pulse_marked_bad_is_not_in_the_next_request(node: TrainNode) -> None:
    corrected = trial(1, revision=1, is_learnt=False)
    (request,) = give(node, trial(0), trial(1), corrected, *trials(2, 5))
    assert isinstance(request, FitRequest)
    assert request.n_trials == 4


def test_an_older_revision_does_not_undo_a_newer_one(node: TrainNode) -> None:
    corrected = trial(3, revision=1, is_learnt=False)
    assert give(node, *trials(0, 3), corrected, trial(3)) == []


def change(
    *,
    muscle: int | None = None,
    trials_ago: int = 2,
    withdrawn: bool = False,
    acted_on: bool = True,
) -> ChangeSeen:
    return ChangeSeen(
        t_ns=RigNs(9 if withdrawn else 3),
        kind="shift" if muscle is None else "gain",
        muscle=muscle,
        log10_gain=0.0 if muscle is None else -0.3,
        shift_x_mm=5.0 if muscle is None else 0.0,
        shift_y_mm=0.0,
        trials_ago=trials_ago,
        log_ratio=8.0,
        withdrawn=withdrawn,
        acted_on=acted_on,
    )


def changes_in_next(node: TrainNode, *messages: Message) -> tuple[KnownChange, ...]:
    (request,) = [m for m in give(node, *messages) if isinstance(m, FitRequest)]
    return request.changes


def test_a_request_says_which_changes_hold_and_since_when(node: TrainNode) -> None:
    held = changes_in_next(
        node, *trials(0, 3), change(), change(muscle=1, trials_ago=1), trial(3)
    )
    shift = KnownChange(
        since_trial=1, muscle=None, log10_gain=0.0, shift_x_mm=5.0, shift_y_mm=0.0
    )
    gain = KnownChange(
        since_trial=2, muscle=1, log10_gain=-0.3, shift_x_mm=0.0, shift_y_mm=0.0
    )
    assert held == (shift, gain)


@pytest.mark.parametrize("known", [(), (change(),)])
def test_a_fit_that_did_not_know_what_now_holds_is_not_used(
    node: TrainNode, known: tuple[ChangeSeen, ...]
) -> None:
    give(node, *trials(0, 3), *known, trial(3))
    (judged,) = give(node, change(withdrawn=bool(known)), finished(0))
    assert isinstance(judged, FitJudged)
    assert not judged.promoted
    assert judged.reason == "a change was found, or taken back, while it ran"


def test_a_change_outlives_a_pulse_that_teaches_nothing(node: TrainNode) -> None:
    nothing = trial(3, is_learnt=False)
    held = changes_in_next(node, *trials(0, 3), change(), nothing, trial(4))
    assert [one.since_trial for one in held] == [1]


def test_a_change_that_was_taken_back_or_not_acted_on_is_in_no_request(
    node: TrainNode,
) -> None:
    back = change(withdrawn=True)
    ignored = change(muscle=1, acted_on=False)
    said = (*trials(0, 2), change(), trial(2), back, ignored, back)
    assert changes_in_next(node, *said, trial(3)) == ()


def test_a_change_found_at_a_pulse_marked_bad_is_forgotten_with_it(
    node: TrainNode,
) -> None:
    bad = trial(2, revision=1, is_learnt=False)
    held = changes_in_next(node, *trials(0, 3), change(), bad, *trials(3, 5))
    assert held == ()


def test_a_shift_taken_back_at_a_pulse_marked_bad_holds_again(node: TrainNode) -> None:
    back = change(trials_ago=1, withdrawn=True)
    bad = trial(2, revision=1, is_learnt=False)
    said = (*trials(0, 2), change(trials_ago=1), trial(2), back)
    (held,) = changes_in_next(node, *said, bad, *trials(3, 5))
    assert (held.since_trial, held.shift_x_mm) == (1, 5.0)


def test_a_shift_stays_taken_back_where_a_later_pulse_is_marked_bad(
    node: TrainNode,
) -> None:
    back, bad = change(withdrawn=True), trial(3, revision=1, is_learnt=False)
    said = (*trials(0, 2), change(), trial(2), back)
    node_said = give(node, *said, trial(3))
    assert [one.changes for one in node_said if isinstance(one, FitRequest)] == [()]
    give(node, bad, finished(0, None))
    assert changes_in_next(node, *trials(4, 8)) == ()
