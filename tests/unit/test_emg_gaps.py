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
    assert found[1:] == [ClockStep(700, 0.0)]


def test_rows_lost_in_many_small_holes_add_up_to_gaps() -> None:
    # Ten holes of 8 ms, each within the tolerance, in one second.
    lost = [row + k for row in range(250, 5000, 500) for k in range(40)]
    stamps_s = 123456.7 + np.delete(np.arange(5000), lost) / FS_HZ
    found = GapDetector(GapSettings(), FS_HZ).push(stamps_s)
    n_lost = sum(gap.lost_rows for gap in found if isinstance(gap, RowGap))
    assert n_lost == pytest.approx(400, abs=5)


def test_a_hole_every_twenty_seconds_is_told_after_the_second_or_third() -> None:
    rows = np.delete(
        np.arange(500_000),
        [100_000, 200_000, 300_000, 400_000] + np.arange(40)[:, None],
    )
    found = GapDetector(GapSettings(), FS_HZ).push(7.0 + rows / FS_HZ)
    assert any(isinstance(gap, RowGap) for gap in found)


def test_a_hole_inside_the_push_jitter_of_a_chunk_counts_in_full() -> None:
    stamps_s = STAMPS_S.copy()
    stamps_s[200:] += 8e-3
    stamps_s[600:] += 24e-3
    stamps_s[800:] += 8e-3
    first, second = GapDetector(GapSettings(), FS_HZ).push(stamps_s)
    assert isinstance(first, RowGap)
    assert isinstance(second, RowGap)
    assert (first.row, first.lost_rows) == (600, 120)
    assert second.row == 800
    assert second.lost_rows == pytest.approx(80, abs=1)


@pytest.mark.parametrize("drift_ppm", [-100.0, 0.0, 100.0])
@pytest.mark.parametrize("jitter_ms", [0.0, 6.0])
def test_a_drifting_clock_and_the_jitter_of_pushes_are_no_gap(
    drift_ppm: float, jitter_ms: float
) -> None:
    rng = np.random.default_rng(1)
    n_rows, n_chunk = 1_000_000, 100  # 200 s: 20 ms of drift
    jitter_s = np.repeat(rng.uniform(0, jitter_ms / 1000, n_rows // n_chunk), n_chunk)
    stamps_s = 5e4 + np.arange(n_rows) / FS_HZ * (1 + drift_ppm * 1e-6) + jitter_s
    assert GapDetector(GapSettings(), FS_HZ).push(stamps_s) == []


@pytest.mark.parametrize("drift_ppm", [-100.0, 100.0])
def test_exact_stamps_of_a_drifting_clock_show_one_lost_row(drift_ppm: float) -> None:
    rows = np.delete(np.arange(200_000), 150_000)
    stamps_s = 5e4 + rows / FS_HZ * (1 + drift_ppm * 1e-6)
    (gap,) = GapDetector(GapSettings(tolerance_ms=0.1), FS_HZ).push(stamps_s)
    assert isinstance(gap, RowGap)
    assert (gap.row, gap.lost_rows) == (150_000, 1)


def test_a_sender_that_comes_back_with_another_clock_is_no_gap() -> None:
    detector = GapDetector(GapSettings(), FS_HZ)
    assert detector.push(STAMPS_S[:400]) == []
    detector.shift(-123000.0)
    assert detector.push(STAMPS_S[400:] - 123000.0) == []
