import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import butter, sosfilt, sosfilt_zi

from m2m_rt.emg import CausalFilter, FilterKind, FilterSettings
from m2m_rt.errors import ConfigError

F64 = npt.NDArray[np.float64]
FS_HZ = 5000.0


def filtered(emg_uv: F64, edges: list[int], **asked: object) -> F64:
    causal = CausalFilter(
        FilterSettings(**asked), fs_hz=FS_HZ, n_muscles=emg_uv.shape[1]
    )
    return causal.push(emg_uv, edges).filtered_uv


def test_no_filter_passes_every_bit() -> None:
    emg_uv = np.random.default_rng(0).normal(size=(500, 2)) * 1e3
    emg_uv[7, 1] = np.nan
    out_uv = filtered(emg_uv, [100], kind=FilterKind.NONE)
    assert out_uv.tobytes() == emg_uv[: len(out_uv)].tobytes()


def test_an_offset_makes_no_transient() -> None:
    offset_uv = np.full((2000, 2), 300_000.0)
    out_uv = filtered(offset_uv, [1000])
    assert np.abs(out_uv).max() < 1e-5  # rounding of 3e5 through two sections


def test_without_edges_it_is_the_textbook_filter_run_once() -> None:
    emg_uv = np.random.default_rng(1).normal(0, 50, (3000, 1))
    high = butter(2, 10, "high", fs=FS_HZ, output="sos")
    low = butter(2, 1000, "low", fs=FS_HZ, output="sos")
    sos = np.vstack([high, low])
    state = sosfilt_zi(sos)[:, :, np.newaxis] * emg_uv[0]
    expected_uv, _ = sosfilt(sos, emg_uv, axis=0, zi=state)
    out_uv = filtered(emg_uv, [])
    np.testing.assert_array_equal(out_uv, expected_uv[: len(out_uv)])


def test_nothing_inside_the_hold_reaches_the_output() -> None:
    emg_uv = np.random.default_rng(2).normal(0, 3, (2000, 1))
    struck_uv = emg_uv.copy()
    struck_uv[995:1025] += 1e5  # -1 to +5 ms around row 1000
    np.testing.assert_array_equal(filtered(struck_uv, [1000]), filtered(emg_uv, [1000]))


def test_one_row_outside_the_hold_does_reach_the_output() -> None:
    emg_uv = np.zeros((2000, 1))
    for row in (994, 1025):
        struck_uv = emg_uv.copy()
        struck_uv[row] = 100.0
        assert np.abs(filtered(struck_uv, [1000])).max() > 10


def test_a_not_finite_sample_does_not_poison_what_follows() -> None:
    emg_uv = np.random.default_rng(3).normal(0, 3, (2000, 2))
    broken_uv = emg_uv.copy()
    broken_uv[500, 0] = np.nan
    broken_uv[600, 0] = np.inf
    out_uv = filtered(broken_uv, [])
    assert np.isfinite(out_uv).all()
    np.testing.assert_array_equal(out_uv[:, 1], filtered(emg_uv, [])[:, 1])


def test_the_artefact_of_several_millivolts_leaves_amplitudes_alone() -> None:
    at = np.arange(2000)
    hum_uv = 5 * np.sin(2 * np.pi * 50 * at / FS_HZ)
    mep_uv = np.zeros(2000)
    mep_uv[1060:1110] = 100 * np.sin(2 * np.pi * np.arange(50) / 50)  # 12 to 22 ms
    artefact_uv = np.where(at >= 1000, -6000 * np.exp(-(at - 1000) / 4.0), 0.0)
    clean_uv = (hum_uv + mep_uv)[:, np.newaxis]
    struck_uv = clean_uv + artefact_uv[:, np.newaxis]
    window = slice(1040, 1225)  # 8 to 45 ms
    p2p_uv = np.ptp(filtered(clean_uv, [])[window])
    assert np.ptp(filtered(struck_uv, [1000])[window]) == pytest.approx(
        p2p_uv, rel=0.03
    )


def test_a_low_pass_above_half_the_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match="lowpass_hz"):
        CausalFilter(FilterSettings(), fs_hz=2000.0, n_muscles=1)
