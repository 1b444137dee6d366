import numpy as np
import numpy.typing as npt
import pytest

from m2m_rt.emg import (
    EmgReader,
    EmgSettings,
    FilterKind,
    FilterSettings,
    MuscleSettings,
    measure_sweeps,
)
from m2m_rt.errors import ConfigError

FS_HZ = 5000.0
FDI = (MuscleSettings(name="FDI", window_start_ms=15, window_end_ms=55),)


def sweeps_uv(n_sweeps: int = 4) -> npt.NDArray[np.float64]:
    """Return sweeps of 400 ms with the pulse at 150 ms."""
    out_uv = np.random.default_rng(0).normal(0, 2, (n_sweeps, 2000))
    wave_uv = np.sin(2 * np.pi * np.arange(60) / 60)
    out_uv[:, 860:920] += 100 * np.arange(1, n_sweeps + 1)[:, None] * wave_uv
    return out_uv


@pytest.mark.parametrize("kind", FilterKind)
def test_stored_sweeps_and_the_stream_of_one_give_the_same_mep(
    kind: FilterKind,
) -> None:
    settings = EmgSettings(muscles=FDI, filter=FilterSettings(kind=kind))
    samples_uv = sweeps_uv()
    stored = measure_sweeps(samples_uv, fs_hz=FS_HZ, trigger_s=0.15, settings=settings)
    trigger = np.zeros(2000)
    trigger[750:775] = 1.0
    for sweep_uv, from_file in zip(samples_uv, stored.meps, strict=True):
        reading = EmgReader(settings, FS_HZ).push(sweep_uv[:, None], trigger)
        assert reading.meps == (from_file,)


def test_a_background_longer_than_the_sweep_begins_with_it() -> None:
    settings = EmgSettings(muscles=FDI, filter=FilterSettings(kind=FilterKind.NONE))
    samples_uv = sweeps_uv()[:, 600:]
    cut = measure_sweeps(samples_uv, fs_hz=FS_HZ, trigger_s=0.03, settings=settings)
    assert [mep.amplitude_uv[0] for mep in cut.meps] == pytest.approx(
        [200, 400, 600, 800], abs=10
    )


@pytest.mark.parametrize(("trigger_s", "word"), [(0.36, "window"), (0.002, "trigger")])
def test_a_pulse_without_room_for_window_or_background_is_refused(
    trigger_s: float, word: str
) -> None:
    settings = EmgSettings(muscles=FDI, filter=FilterSettings(kind=FilterKind.NONE))
    with pytest.raises(ConfigError, match=word):
        measure_sweeps(sweeps_uv(), fs_hz=FS_HZ, trigger_s=trigger_s, settings=settings)
