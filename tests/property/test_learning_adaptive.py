"""What muscles share: excitability is followed, noise is common, doubt is said."""

import numpy as np

from m2m_rt.learning import (
    Belief,
    Doubt,
    DoubtSettings,
    ExcitabilitySettings,
    LastLayerPrior,
    SharedSettings,
    doubt_of,
    first_belief,
    first_excitability,
    foresee,
    learn,
    novelty,
    one_pulse_later,
    rebuild,
    see,
    session_layer,
    take,
    with_baseline,
)
from m2m_rt.units import F64

N_MUSCLES = 8
FEATURES = np.array((1.0, 0.5), np.float32)


def prior() -> LastLayerPrior:
    """Muscles of about 300 µV, hardly different between subjects."""
    mean = np.tile((2.5, 0.0), (N_MUSCLES, 1))
    log_noise = np.tile((np.log(0.2), 0.0), (N_MUSCLES, 1))
    factor = np.tile(0.05 * np.eye(2), (N_MUSCLES, 1, 1))
    return LastLayerPrior(mean=mean, factor=factor, log_noise=log_noise, scale_dof=40.0)


def taught(log10_uv: F64, settings: SharedSettings | None = None) -> Belief:
    belief = first_belief(prior(), settings)
    ok = np.ones(N_MUSCLES, np.bool_)
    for row in log10_uv:
        belief = take(belief, FEATURES, log10_uv=row, valid=ok).belief
    return belief


def answers(n: int, *, noise: float = 0.2, seed: int = 0) -> F64:
    rng = np.random.default_rng(seed)
    common, own = (rng.standard_normal((n, k)) for k in (1, N_MUSCLES))
    return np.asarray(2.5 + noise * (np.sqrt(0.4) * common + np.sqrt(0.6) * own))


def test_without_sharing_a_muscle_learns_as_in_the_last_layer() -> None:
    alone = SharedSettings(
        common_trial_weight=0.0,
        excitability=ExcitabilitySettings(spreads_log10=(0.0,)),
    )
    rows = answers(30)
    belief = taught(rows, alone)
    layer = rebuild(
        prior(),
        np.tile(FEATURES, (30, 1)),
        log10_uv=rows,
        valid=np.ones(rows.shape, np.bool_),
    )
    np.testing.assert_allclose(belief.layer.latent_mean, layer.latent_mean, atol=1e-12)
    np.testing.assert_allclose(belief.layer.noise_scale, layer.noise_scale, atol=1e-12)
    more = learn(layer, FEATURES, log10_uv=rows[0], valid=np.ones(N_MUSCLES, np.bool_))
    assert more.posterior_seq == 31


def test_a_rise_of_all_muscles_is_excitability_and_raises_the_next_prediction() -> None:
    rows = answers(120)
    rows[80:] += 0.15
    calm, excited = taught(rows[:80]), taught(rows)
    mean, variance = with_baseline(
        excited.last_excitability, excited.settings.excitability
    )
    assert mean > 0.05
    assert abs(mean - 0.15) < 2.5 * np.sqrt(variance)
    here = FEATURES[np.newaxis]
    rise = foresee(excited, here).mean - foresee(calm, here).mean
    assert np.all(rise > 0.05)


def test_a_rise_of_one_muscle_is_not_excitability() -> None:
    rows = answers(120)
    rows[80:, 2] += 0.3
    mean, _ = taught(rows).last_excitability.moments()
    assert abs(mean) < 0.06


def test_noise_of_all_muscles_widens_every_interval() -> None:
    noisy = taught(answers(60, noise=0.3))
    assert 1.6 < noisy.common_scale * noisy.layer.noise_scale.mean() < 3.0
    here = FEATURES[np.newaxis]
    usual = foresee(taught(answers(60)), here)
    assert np.all(foresee(noisy, here).sd > 1.2 * usual.sd)


def test_a_muscle_at_its_floor_says_nothing_of_excitability() -> None:
    low = prior()
    low.mean[:, 0] = 0.85
    belief = first_belief(low)
    ok = np.ones(N_MUSCLES, np.bool_)
    for _ in range(20):
        row = np.full(N_MUSCLES, 0.9)
        belief = take(belief, FEATURES, log10_uv=row, valid=ok).belief
    mean, _ = belief.last_excitability.moments()
    assert abs(mean) < 0.03


def test_an_observation_moves_excitability_as_bayes_says() -> None:
    how = ExcitabilitySettings(spreads_log10=(0.1,), time_constant_pulses=60.0)
    state = first_excitability(how)
    for _ in range(500):
        state = one_pulse_later(state, how)
    np.testing.assert_allclose(state.variance, 0.01, rtol=1e-5)
    seen = see(state, pull=0.2 / 0.04, precision=1.0 / 0.04)
    np.testing.assert_allclose(seen.mean, 0.2 * 0.01 / (0.01 + 0.04), rtol=1e-4)
    np.testing.assert_allclose(seen.variance, 1.0 / (100.0 + 25.0), rtol=1e-4)


def test_the_usual_level_is_surer_the_longer_a_session() -> None:
    how = ExcitabilitySettings(spreads_log10=(0.1,))
    state, spreads = first_excitability(how), []
    for _ in range(300):
        state = one_pulse_later(see(state, pull=0.0, precision=20.0), how)
        spreads.append(with_baseline(state, how)[1])
    assert spreads[299] < spreads[120] < spreads[30]


def test_what_speaks_against_a_prediction_is_named() -> None:
    belief, here = taught(answers(40)), FEATURES[np.newaxis]
    far = np.array(((1.0, 40.0),), np.float32)
    known, new = (
        float(novelty(belief, one, foresee(belief, one))[0]) for one in (here, far)
    )
    assert known < 0.2 < 0.8 < new
    how = DoubtSettings()
    assert doubt_of(belief, known, 110.0, how) == ()
    assert doubt_of(belief, new, 200.0, how) == (Doubt.POSE, Doubt.INTENSITY)
    noisy = taught(answers(60, noise=0.4))
    assert Doubt.STATE in doubt_of(noisy, known, 110.0, how)
    assert session_layer(noisy).noise_scale.mean() > noisy.layer.noise_scale.mean()
