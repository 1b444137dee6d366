import numpy as np
import pytest

from m2m_rt.emg import MuscleSettings, default_muscles
from m2m_rt.model import MUSCLES
from m2m_rt.sim.waveform import (
    filtered_peak_to_peak,
    make_artefact,
    make_mep_shape,
)

FS_HZ = 5000.0
FINE_MS = np.arange(0.0, 80.0, 0.02)


@pytest.mark.parametrize("muscle", default_muscles(), ids=lambda muscle: muscle.name)
def test_mep_lies_inside_the_window_of_its_muscle(muscle: MuscleSettings) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        shape = make_mep_shape(muscle.name, fs_hz=FS_HZ, rng=rng)
        assert shape.onset_ms > muscle.window_start_ms + 1.0
        assert shape.onset_ms + shape.length_ms < muscle.window_end_ms - 5.0
        moving_ms = FINE_MS[np.abs(shape.at(FINE_MS)) > 1e-9]
        assert moving_ms[0] >= shape.onset_ms
        assert moving_ms[-1] <= shape.onset_ms + shape.length_ms


@pytest.mark.parametrize("muscle", MUSCLES)
def test_mep_has_unit_size_after_the_filter_which_takes_little_of_it(
    muscle: str,
) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        shape = make_mep_shape(muscle, fs_hz=FS_HZ, rng=rng)
        assert filtered_peak_to_peak(shape, fs_hz=FS_HZ) == pytest.approx(1.0)
        assert np.ptp(shape.at(FINE_MS)) == pytest.approx(1.0, abs=0.07)


def test_mep_begins_within_its_first_milliseconds() -> None:
    rng = np.random.default_rng(2)
    for muscle in MUSCLES:
        shape = make_mep_shape(muscle, fs_hz=FS_HZ, rng=rng)
        risen_ms = FINE_MS[np.abs(shape.at(FINE_MS)) > 0.05]
        assert risen_ms[0] - shape.onset_ms < 2.0


def test_artefact_starts_at_the_pulse_in_millivolts_and_is_over_after_5_ms() -> None:
    rng = np.random.default_rng(3)
    before_ms, late_ms = np.arange(-2.0, -0.01, 0.02), np.arange(5.0, 60.0, 0.2)
    for _ in range(50):
        artefact = make_artefact(6000.0, rng)
        assert not artefact.at(before_ms).any()
        assert 2000.0 < abs(artefact.at(np.zeros(1))[0]) <= 6000.0
        assert np.abs(artefact.at(late_ms)).max() < 5.0


def test_artefact_swings_to_both_sides() -> None:
    artefact = make_artefact(6000.0, np.random.default_rng(4))
    swing_uv = artefact.at(FINE_MS)
    assert swing_uv.max() > 300.0
    assert swing_uv.min() < -300.0
