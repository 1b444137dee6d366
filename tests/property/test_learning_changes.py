"""Sudden changes are found, named and lived with; calm sessions stay calm."""

from dataclasses import replace

import numpy as np
import pytest

from m2m_rt.learning import (
    Change,
    ChangeKind,
    LastLayerPrior,
    Learnt,
    LearntTrial,
    WatchSettings,
    first_learnt,
    foresee,
    learn_again,
    learn_trial,
    moved_pose,
    muscle_answers,
    shift_at,
    with_change,
)
from m2m_rt.learning.adaptive import take, with_gain
from m2m_rt.learning.change import add_trial, no_sums
from m2m_rt.learning.shift import PROBE_MM, PROBES_XY, probe_weights
from m2m_rt.units import F32, F64

N_MUSCLES = 6
N_TRIALS = 160
CHANGE_AT = 110
PLACES_MM = np.array(((-4.0, 0.0), (4.0, 0.0), (0.0, 4.0), (0.0, -4.0), (3.0, 3.0)))


def features_at(xy_mm: F64) -> F32:
    """A bell around each of five places, and a constant: (n, 6)."""
    apart = np.linalg.norm(xy_mm[:, np.newaxis] - PLACES_MM, axis=2)
    bells = np.exp(-0.5 * (apart / 6.0) ** 2)
    return np.column_stack((np.ones(len(xy_mm)), bells)).astype(np.float32)


def prior() -> LastLayerPrior:
    """Muscles of 100 µV that differ in where they answer best."""
    mean = np.zeros((N_MUSCLES, 6))
    mean[:, 0] = 2.0
    mean[np.arange(5), 1 + np.arange(5)] = 0.8
    log_noise = np.zeros((N_MUSCLES, 6))
    log_noise[:, 0] = np.log(0.2)
    return LastLayerPrior(
        mean=mean,
        factor=np.tile(0.3 * np.eye(6), (N_MUSCLES, 1, 1)),
        log_noise=log_noise,
        scale_dof=40.0,
    )


class Lab:
    """A subject drawn from the prior, whose coil or electrodes may slip."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        spread = 0.3 * self.rng.standard_normal((N_MUSCLES, 6))
        self.weights = prior().mean + spread
        self.places_mm = self.rng.uniform(-8.0, 8.0, (N_TRIALS, 2))
        self.slip_mm = np.zeros((N_TRIALS, 2))
        self.log10_gain = np.zeros((N_TRIALS, N_MUSCLES))

    def trials(self) -> list[LearntTrial]:
        reported = features_at(self.places_mm)
        true = features_at(self.places_mm + self.slip_mm).astype(np.float64)
        common, own = (self.rng.standard_normal((N_TRIALS, n)) for n in (1, N_MUSCLES))
        noise = 0.2 * (np.sqrt(0.4) * common + np.sqrt(0.6) * own)
        log10_uv = true @ self.weights.T + noise + self.log10_gain
        probes = np.stack(
            [features_at(self.places_mm + PROBE_MM * xy) for xy in PROBES_XY], axis=1
        )
        ok = np.ones(N_MUSCLES, np.bool_)
        return [
            LearntTrial(*row, ok)
            for row in zip(reported, probes, log10_uv, strict=True)
        ]


def first_found(trials: list[LearntTrial]) -> tuple[Learnt, Change | None]:
    learnt = first_learnt(prior())
    for trial in trials:
        learnt, change = learn_trial(learnt, trial)
        if change is not None:
            return learnt, change
    return learnt, None


def all_found(trials: list[LearntTrial]) -> list[Change]:
    """Return the changes of a session that acts on each."""
    learnt, found = first_learnt(prior()), list[Change]()
    for number, trial in enumerate(trials):
        learnt, change = learn_trial(learnt, trial)
        if change is not None:
            found.append(change)
            known, _ = with_change(learnt.changes, change)
            learnt = learn_again(prior(), trials[: number + 1], known, learnt)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_muscle_at_half_gain_is_named(seed: int) -> None:
    lab = Lab(seed)
    lab.log10_gain[CHANGE_AT:, 3] = np.log10(0.5)
    _, change = first_found(lab.trials())
    assert change is not None
    assert (change.kind, change.muscle) == (ChangeKind.GAIN, 3)
    assert CHANGE_AT < change.found_trial <= CHANGE_AT + 20
    # Chance may have begun the sum a few trials before.
    assert abs(change.since_trial - CHANGE_AT) <= 8


@pytest.mark.parametrize("seed", range(4))
def test_a_gain_that_was_found_halved_is_found_to_be_back(seed: int) -> None:
    lab, back_at = Lab(seed), CHANGE_AT + 25
    lab.log10_gain[CHANGE_AT:back_at, 3] = np.log10(0.5)
    halved, back, *_ = all_found(lab.trials())
    assert (halved.kind, halved.muscle) == (ChangeKind.GAIN, 3)
    assert (back.kind, back.muscle) == (ChangeKind.GAIN, 3)
    assert back.log10_gain == -halved.log10_gain
    assert back_at < back.found_trial <= back_at + 20
    assert abs(back.since_trial - back_at) <= 8


def test_a_gain_that_was_not_found_halved_is_not_found_to_be_back() -> None:
    lab = Lab(1)
    lab.log10_gain[CHANGE_AT:, 3] = np.log10(2.0)
    assert not [one for one in all_found(lab.trials()) if one.log10_gain > 0.0]


@pytest.mark.parametrize("seed", range(4))
def test_a_shift_of_five_millimetres_is_found_in_its_direction(seed: int) -> None:
    lab = Lab(seed)
    lab.slip_mm[CHANGE_AT:] = 5.0 * np.array((0.8, 0.6))
    _, change = first_found(lab.trials())
    assert change is not None
    assert change.kind is ChangeKind.SHIFT
    assert CHANGE_AT < change.found_trial <= CHANGE_AT + 20
    assert np.linalg.norm(np.array(change.shift_mm) - (4.0, 3.0)) < 3.0


def test_trials_without_probes_do_not_make_a_shift_begin_later() -> None:
    lab, seldom = Lab(0), 3
    lab.slip_mm[CHANGE_AT:] = 5.0 * np.array((0.8, 0.6))
    trials = [
        trial if row % seldom == 0 else replace(trial, probe_features=None)
        for row, trial in enumerate(lab.trials())
    ]
    _, change = first_found(trials)
    assert change is not None
    assert change.kind is ChangeKind.SHIFT
    assert change.found_trial > CHANGE_AT + 2 * seldom
    assert abs(change.since_trial - CHANGE_AT) <= seldom


def test_calm_sessions_of_a_right_model_have_few_alarms() -> None:
    found = [first_found(Lab(100 + seed).trials())[1] for seed in range(12)]
    # 12 × 110 watched trials at 0.8 in 300: 3.5 are expected of a worse model.
    assert sum(change is not None for change in found) <= 5


def test_a_changed_muscle_is_predicted_without_forgetting_the_others() -> None:
    lab = Lab(7)
    lab.log10_gain[CHANGE_AT:, 3] = np.log10(0.5)
    trials = lab.trials()
    learnt, change = first_found(trials)
    assert change is not None
    done = trials[: change.found_trial]
    again = learn_again(prior(), done, (change,), learnt)
    here = trials[-1].features[np.newaxis]
    before, after = foresee(learnt.belief, here), foresee(again.belief, here)
    others = [muscle for muscle in range(N_MUSCLES) if muscle != 3]
    truth = here[0].astype(np.float64) @ lab.weights[3] + np.log10(0.5)
    assert abs(after.mean[0, 3] - truth) < abs(before.mean[0, 3] - truth)
    np.testing.assert_allclose(
        after.mean[0, others], before.mean[0, others], atol=0.05
    )  # they learn all but the changed muscle's word on excitability


def test_a_sum_keeps_what_a_change_has_taught() -> None:
    trials, moves_by = Lab(4).trials(), 1e-3  # small: learning is linear then
    learnt = first_learnt(prior())
    for trial in trials[:60]:
        learnt, _ = learn_trial(learnt, trial)
    usual = moved = with_gain(learnt.belief, 3, np.log10(0.5))
    n_latent = usual.layer.latent_mean.shape[1]
    sums = replace(no_sums(1, N_MUSCLES, n_latent), statistic=np.array([100.0]))
    for trial in trials[60:70]:
        features, valid = trial.features, trial.valid
        as_expected = foresee(usual, features[np.newaxis]).mean[0]
        calm = take(usual, features, log10_uv=as_expected, valid=valid)
        effect = np.zeros(N_MUSCLES)
        effect[3] = moves_by * calm.errors.reach[3]
        other = take(moved, features, log10_uv=as_expected + effect, valid=valid)
        sums = add_trial(sums, calm.errors, effect[np.newaxis], dof=8.0)
        usual, moved = calm.belief, other.belief
    latent = moved.layer.latent_mean - usual.layer.latent_mean
    np.testing.assert_allclose(sums.absorbed[0], latent, atol=0.01 * moves_by)
    gain = moved.gain_log10 - usual.gain_log10
    np.testing.assert_allclose(sums.absorbed_gain[0], gain, atol=0.01 * moves_by)
    assert gain[3] > 0.1 * moves_by
    state = moved.excitability.moments()[0] - usual.excitability.moments()[0]
    np.testing.assert_allclose(sums.absorbed_state[0], state, atol=0.01 * moves_by)


def test_learning_again_gives_the_same_bytes_as_learning_once() -> None:
    trials = Lab(3).trials()[:40]
    learnt = first_learnt(prior())
    for trial in trials:
        learnt, _ = learn_trial(learnt, trial)
    again = learn_again(prior(), trials, (), learnt)
    for name in ("latent_mean", "latent_cov", "noise_scale"):
        here, there = (getattr(one.belief.layer, name) for one in (learnt, again))
        assert here.tobytes() == there.tobytes()
    here, there = (one.belief.excitability for one in (learnt, again))
    assert here.mean.tobytes() == there.mean.tobytes()
    assert again.watch.n_trials == 40


def test_a_change_found_after_what_is_left_is_forgotten() -> None:
    trials = Lab(3).trials()[:40]
    change = gain_change(since=30, found=40)
    again = learn_again(prior(), trials[:39], (change,), first_learnt(prior()))
    assert again.changes == ()


def test_a_shift_back_soon_after_takes_the_shift_back() -> None:
    there, back = (
        shift_change((5.0, 0.0), found=60),
        shift_change((-5.0, 0.0), found=90),
    )
    assert with_change((there,), back) == ((), there)
    late = replace(back, found_trial=200)
    assert with_change((there,), late) == ((there, late), None)
    other = shift_change((0.0, 5.0), found=90)
    assert with_change((there,), other) == ((there, other), None)


def test_a_gain_that_is_back_at_once_was_not_halved() -> None:
    halved = gain_change(since=40, found=60)
    back = replace(halved, log10_gain=-halved.log10_gain, found_trial=90)
    at_once, later = replace(back, since_trial=64), replace(back, since_trial=80)
    assert with_change((halved,), at_once) == ((), halved)
    assert with_change((halved,), later) == ((halved, later), None)
    of_another = replace(at_once, muscle=2)
    assert with_change((halved,), of_another) == ((halved, of_another), None)
    again = gain_change(since=61, found=70)  # to a quarter
    assert with_change((halved,), again) == ((halved, again), None)


def test_a_shift_counts_from_where_it_began() -> None:
    change = shift_change((5.0, 0.0), found=60)
    assert shift_at((change,), change.since_trial - 1) == (0.0, 0.0)
    assert shift_at((change,), change.since_trial) == (5.0, 0.0)


def test_one_muscle_alone_learns_and_is_watched() -> None:
    whole = prior()
    one = LastLayerPrior(
        mean=whole.mean[:1],
        factor=whole.factor[:1],
        log_noise=whole.log_noise[:1],
        scale_dof=whole.scale_dof,
    )
    lab = Lab(5)
    lab.log10_gain[CHANGE_AT:, 0] = np.log10(0.5)
    learnt, found = first_learnt(one), list[Change]()
    for trial in lab.trials():
        alone = replace(trial, log10_uv=trial.log10_uv[:1], valid=np.ones(1, np.bool_))
        learnt, change = learn_trial(learnt, alone)
        found += [change] if change else []
    assert found
    assert found[0].found_trial > CHANGE_AT


def test_a_trial_without_probes_or_muscles_says_nothing_of_shifts() -> None:
    trials = Lab(2).trials()
    learnt = first_learnt(prior(), None, WatchSettings(first_trials=0))
    nothing = np.zeros(N_MUSCLES, np.bool_)
    for trial in trials[:20]:
        blind = replace(trial, probe_features=None, valid=nothing)
        learnt, change = learn_trial(learnt, blind)
        assert change is None
    assert not learnt.watch.shifts.statistic.any()
    assert not learnt.watch.gains.statistic.any()
    assert not learnt.belief.layer.latent_mean.any()


def test_features_between_probes_are_exact_where_they_are_quadratic() -> None:
    places = np.array(((2.0, 0.0), (0.0, -3.0), (3.5, 3.5)))
    five = PROBE_MM * np.concatenate((np.zeros((1, 2)), PROBES_XY))

    def height(xy: F64) -> F64:
        return 1.0 + 2.0 * xy[:, 0] - xy[:, 1] + 0.1 * xy[:, 0] ** 2

    np.testing.assert_allclose(probe_weights(places) @ height(five), height(places))


def test_poses_move_along_the_planned_coil() -> None:
    planned = np.eye(4)
    planned[:3, :3] = np.array(((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    moved = moved_pose(np.eye(4), planned, np.array((5.0, 0.0)))
    np.testing.assert_allclose(moved[:3, 3], (0.0, 5.0, 0.0), atol=1e-12)


def gain_change(*, since: int, found: int) -> Change:
    return Change(
        kind=ChangeKind.GAIN,
        muscle=1,
        log10_gain=-0.3,
        shift_mm=(0.0, 0.0),
        since_trial=since,
        found_trial=found,
        log_ratio=9.0,
    )


def shift_change(shift_mm: tuple[float, float], *, found: int) -> Change:
    return Change(
        kind=ChangeKind.SHIFT,
        muscle=None,
        log10_gain=0.0,
        shift_mm=shift_mm,
        since_trial=found - 10,
        found_trial=found,
        log_ratio=9.0,
    )


def test_answers_before_an_electrode_slipped_are_read_as_they_would_be_now() -> None:
    halved = Change(
        kind=ChangeKind.GAIN,
        muscle=1,
        log10_gain=float(np.log10(0.5)),
        shift_mm=(0.0, 0.0),
        since_trial=2,
        found_trial=4,
        log_ratio=9.0,
    )
    floor = np.log10(5.0)
    measured = np.array((3.0, floor, 2.7, floor))
    answers = muscle_answers(measured, (halved,), 1)
    np.testing.assert_allclose(answers, (2.7, floor, 2.7, floor), atol=2e-3)
    np.testing.assert_array_equal(muscle_answers(measured, (halved,), 0), measured)
    assert measured[0] == 3.0  # what was measured stays
