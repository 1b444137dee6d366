import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.sim.schedule import make_schedule
from tests.support.lab import lab_settings

SEEDS = st.integers(0, 2**32)


@given(seed=SEEDS)
def test_pulses_come_at_2_5_to_3_5_s_after_the_first(seed: int) -> None:
    settings = lab_settings(n_pulses=20, seed=seed)
    schedule = make_schedule(settings)
    intervals_s = np.diff(schedule.pulse_s)
    assert schedule.pulse_s[0] == settings.first_pulse_s
    assert intervals_s.min() >= 2.5
    assert intervals_s.max() <= 3.5


@given(seed=SEEDS)
def test_intensity_is_set_after_the_last_pulse_and_long_before_its_own(
    seed: int,
) -> None:
    schedule = make_schedule(lab_settings(n_pulses=20, seed=seed))
    assert (schedule.pulse_s - schedule.set_s).min() >= 1.5
    assert (schedule.set_s[1:] - schedule.pulse_s[:-1]).min() > 0.0


@given(seed=SEEDS)
def test_markers_are_10_to_60_ms_late(seed: int) -> None:
    schedule = make_schedule(lab_settings(n_pulses=20, seed=seed))
    late_ms = 1000.0 * (schedule.marker_s - schedule.pulse_s)
    assert 10.0 - 1e-6 <= late_ms.min()  # rounding of differences of seconds
    assert late_ms.max() <= 60.0 + 1e-6


def test_same_settings_give_the_same_schedule_and_other_seeds_another() -> None:
    first, again, other = (
        make_schedule(lab_settings(n_pulses=20, seed=seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.pulse_s, again.pulse_s)
    assert np.array_equal(first.marker_s, again.marker_s)
    assert not np.array_equal(first.pulse_s, other.pulse_s)
