import numpy as np
import pytest

from m2m_rt.emg import ClockStep, GapDetector, GapSettings, RowGap

FS_HZ = 5000.0
STAMPS_S = 123456.7 + np.arange(1000) / FS_HZ


def test_even_stamps_and_the_jitter_of_a_pushing_sender_are_no_gap() -> None:
    jitter_s = np.repeat(np.random.default_rng(0).uniform(0, 8e-3, 10), 100)
    assert GapDetector(GapSettings(), FS_HZ).push(STAMPS_S + jitter_s) == []


def test_a_gap_names_its_row_and_how_many_rows_are_lost() -> None:
    detector = GapDetector(GapSettings(), FS_HZ)
    (gap,) = detector.push(np.delete(STAMPS_S, slice(400, 520)))
    assert isinstance(gap, RowGap)
    assert (gap.row, gap.lost_rows) == (400, 120)
    assert gap.late_ms == pytest.approx(24.0)


def test_a_clock_that_goes_back_or_is_not_finite_is_a_step() -> None:
    stamps_s = STAMPS_S.copy()
    stamps_s[300:] -= 0.5
    (step,) = GapDetector(GapSettings(), FS_HZ).push(stamps_s)
    assert isinstance(step, ClockStep)
    assert step.row == 300
    assert step.step_ms == pytest.approx(-500.0)
    stamps_s[700] = np.nan
    found = GapDetector(GapSettings(), FS_HZ).push(stamps_s)
    assert found[1] == ClockStep(700, 0.0)
