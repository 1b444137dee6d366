import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.efield import NrpSettings, neural_response, roi_volume
from tests.support.efield import make_synthetic_table

strengths = st.lists(
    st.floats(0.0, 1e6, width=32), min_size=2, max_size=30, unique=True
)
curves = st.builds(
    NrpSettings, half_v_per_m=st.floats(5.0, 200.0), slope_v_per_m=st.floats(0.5, 50.0)
)
ROI = make_synthetic_table().roi
N_ROI = len(ROI.points_mm)


@given(efield=strengths, curve=curves)
def test_response_is_monotone_and_between_0_and_1(
    efield: list[float], curve: NrpSettings
) -> None:
    response = neural_response(np.array(sorted(efield), np.float32), curve)
    assert response.dtype == np.float32
    assert (response >= 0.0).all()
    assert (response <= 1.0).all()
    assert (np.diff(response) >= 0.0).all()


@given(curve=curves)
def test_no_field_is_no_response_and_a_huge_field_a_full_one(
    curve: NrpSettings,
) -> None:
    ends = neural_response(np.array((0.0, 3e38), np.float32), curve)
    np.testing.assert_array_equal(ends, (0.0, 1.0))


@given(curve=curves, field=st.floats(0.0, 400.0))
def test_response_is_the_formula_of_the_settings(
    curve: NrpSettings, field: float
) -> None:
    def sigma(x: float) -> float:
        return 1.0 / (1.0 + np.exp(-x))

    half, slope = curve.half_v_per_m, curve.slope_v_per_m
    rest = sigma(-half / slope)
    expected = (sigma((field - half) / slope) - rest) / (1.0 - rest)
    found = neural_response(np.array([field]), curve)[0]
    assert found == pytest.approx(expected, abs=1e-6)  # float32


def test_start_values_are_those_of_the_design() -> None:
    assert NrpSettings() == NrpSettings(half_v_per_m=65.0, slope_v_per_m=10.0)
    assert neural_response(np.array([65.0]), NrpSettings())[0] == pytest.approx(
        0.5, abs=1e-3
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_volume_holds_each_value_at_its_voxel_and_zero_elsewhere(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=N_ROI).astype(np.float32)
    volume = roi_volume(values, ROI)
    assert volume.shape == (32, 32, 32)
    np.testing.assert_array_equal(volume[tuple(ROI.box_index.T)], values)
    assert np.count_nonzero(volume) == np.count_nonzero(values)


def test_volume_keeps_leading_axes() -> None:
    values = np.arange(3 * N_ROI, dtype=np.float32).reshape(3, N_ROI)
    volumes = roi_volume(values, ROI)
    for volume, row in zip(volumes, values, strict=True):
        np.testing.assert_array_equal(volume, roi_volume(row, ROI))


def test_points_in_no_voxel_are_left_out() -> None:
    box_index = ROI.box_index.copy()
    box_index[0] = -1
    roi = type(ROI)(ROI.points_mm, ROI.normals, box_index, (32, 32, 32), np.eye(4))
    assert roi_volume(np.ones(N_ROI, np.float32), roi).sum() == N_ROI - 1
