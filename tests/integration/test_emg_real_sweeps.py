"""Real sweeps, one after the other as a stream, give the stored sweeps' MEPs."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import butter, sosfilt, sosfilt_zi

from m2m_rt.adapters.sweep_file import SweepLayout, read_sweeps
from m2m_rt.emg import (
    EmgReader,
    EmgSettings,
    FilterKind,
    FilterSettings,
    MuscleSettings,
    PulseMeps,
)

F64 = npt.NDArray[np.float64]
FS_HZ = 10_000.0
TRIGGER_ROW = 1000
FDI = (MuscleSettings(name="FDI", window_start_ms=15, window_end_ms=55),)


@pytest.fixture(scope="module")
def sweeps_uv(shared_data: Path) -> F64:
    """Return the 150 Oxford sweeps as they go over the wire, (150, 10000)."""
    layout = SweepLayout(fs_hz=FS_HZ, unit="mV", variable="mep")
    path = shared_data / "mep-oxford" / "S1.mat"
    return read_sweeps(path, layout).samples_uv.astype(np.float32).astype(np.float64)


def stream(sweeps_uv: F64, kind: FilterKind, chunk_rows: int) -> list[PulseMeps]:
    emg_uv = sweeps_uv.reshape(-1, 1)
    trigger = np.zeros(sweeps_uv.shape)
    trigger[:, TRIGGER_ROW : TRIGGER_ROW + 50] = 5.0
    trigger = trigger.ravel()
    settings = EmgSettings(muscles=FDI, filter=FilterSettings(kind=kind))
    reader = EmgReader(settings, FS_HZ)
    meps: list[PulseMeps] = []
    for begin in range(0, len(emg_uv), chunk_rows):
        rows = slice(begin, begin + chunk_rows)
        meps.extend(reader.push(emg_uv[rows], trigger[rows]).meps)
    return meps


def window_p2p_uv(sweeps_uv: F64) -> F64:
    return np.ptp(sweeps_uv[:, TRIGGER_ROW + 150 : TRIGGER_ROW + 551], axis=1)


@pytest.mark.parametrize("chunk_rows", [173, 10_000, 1_500_000])
def test_without_filter_the_stream_gives_the_stored_amplitudes(
    sweeps_uv: F64, chunk_rows: int
) -> None:
    meps = stream(sweeps_uv, FilterKind.NONE, chunk_rows)
    found_uv = [mep.amplitude_uv[0] for mep in meps]
    np.testing.assert_array_equal(found_uv, window_p2p_uv(sweeps_uv))


@pytest.mark.parametrize("chunk_rows", [173, 10_000])
def test_with_the_filter_it_gives_those_of_one_pass_over_the_whole_signal(
    sweeps_uv: F64, chunk_rows: int
) -> None:
    held_uv = sweeps_uv.copy()
    hold = slice(TRIGGER_ROW - 10, TRIGGER_ROW + 50)  # -1 to +5 ms
    held_uv[:, hold] = held_uv[:, TRIGGER_ROW - 11, np.newaxis]
    high = butter(2, 10, "high", fs=FS_HZ, output="sos")
    low = butter(2, 1000, "low", fs=FS_HZ, output="sos")
    sos = np.vstack([high, low])
    once_uv, _ = sosfilt(sos, held_uv.ravel(), zi=sosfilt_zi(sos) * held_uv[0, 0])
    meps = stream(sweeps_uv, FilterKind.CAUSAL, chunk_rows)
    found_uv = [mep.amplitude_uv[0] for mep in meps]
    np.testing.assert_array_equal(
        found_uv, window_p2p_uv(once_uv.reshape(sweeps_uv.shape))
    )
