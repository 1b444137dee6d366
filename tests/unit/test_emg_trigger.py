import numpy as np
import pytest

from m2m_rt.emg import TriggerDetector, TriggerSettings

FS_HZ = 5000.0


def edges_in(trigger: list[float], **asked: float | None) -> list[int]:
    detector = TriggerDetector(TriggerSettings(**asked), FS_HZ)
    return detector.push(np.array(trigger))


@pytest.mark.parametrize("level", [None, 0.5])
def test_a_channel_that_is_high_at_the_start_gives_no_edge(
    level: float | None,
) -> None:
    high_then_pulse = [1.0] * 30 + [0.0] * 30 + [1.0] * 20
    assert edges_in(high_then_pulse, level=level) == [60]


def test_a_rise_below_the_level_is_no_edge() -> None:
    assert edges_in([0.0] * 20 + [1.9] * 20 + [0.0] * 20, level=2.0) == []


@pytest.mark.parametrize("level", [None, 0.5])
def test_a_not_finite_sample_inside_a_pulse_is_not_a_second_edge(
    level: float | None,
) -> None:
    pulse = [1.0] * 10 + [float("nan")] * 15 + [1.0] * 10
    assert edges_in([0.0] * 20 + pulse + [0.0] * 20, level=level) == [20]


def test_noise_on_the_falling_edge_is_not_a_second_edge() -> None:
    falling = [0.9, 0.6, 0.8, 0.4, 0.7, 0.3, 0.0]
    assert edges_in([0.0] * 20 + [1.0] * 25 + falling + [0.0] * 20) == [20]


def test_an_edge_within_the_refractory_time_is_dropped() -> None:
    pulses = [1.0] * 3 + [0.0] * 5
    twice = [0.0] * 20 + pulses + pulses + [0.0] * 20
    assert edges_in(twice, refractory_ms=2.0) == [20]
    assert edges_in(twice, refractory_ms=1.0) == [20, 28]
