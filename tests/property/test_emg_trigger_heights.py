"""Every rise of the trigger channel is found at its half height."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from m2m_rt.emg import TriggerDetector, TriggerSettings

FS_HZ = 5000.0


@settings(max_examples=80, deadline=None)
@given(
    gaps=st.lists(st.integers(40, 200), min_size=1, max_size=10),
    height=st.floats(1.0, 5000.0),
    rest=st.floats(-10.0, 10.0),
    ramp_rows=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_a_rise_is_found_at_half_height_whatever_rest_height_and_ramp(
    gaps: list[int], height: float, rest: float, ramp_rows: int, seed: int
) -> None:
    starts = np.cumsum(gaps)
    trigger = np.zeros(int(starts[-1]) + 60)
    ramp = np.minimum(1.0, np.arange(1, 26) / ramp_rows)  # 5 ms high
    for start in starts:
        trigger[start : start + 25] = ramp
    noise = np.random.default_rng(seed).uniform(-0.04, 0.04, len(trigger))
    detector = TriggerDetector(TriggerSettings(least_height=height * 0.2), FS_HZ)

    edges = detector.push(rest + height * (trigger + noise))

    half = int(np.argmax(ramp >= 0.5))
    # Noise moves a crossing by a row only where the ramp stands exactly at half.
    assert np.abs(np.array(edges) - (starts + half)).max() <= (ramp_rows % 2 == 0)
    assert len(edges) == len(starts)
