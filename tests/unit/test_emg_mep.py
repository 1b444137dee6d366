import numpy as np
import numpy.typing as npt
import pytest

from m2m_rt.emg import (
    EmgSettings,
    Epoch,
    MepMeter,
    MepSettings,
    MuscleSettings,
    OnsetDefinition,
    PulseMeps,
    QualityReason,
    default_muscles,
    leave_noise,
    slope_tangent,
)
from m2m_rt.errors import ConfigError

F64 = npt.NDArray[np.float64]
FS_HZ = 5000.0
MUSCLES = (
    MuscleSettings(name="FDI", window_start_ms=15, window_end_ms=55),
    MuscleSettings(name="BIC", window_start_ms=8, window_end_ms=45),
)
METER = MepMeter(EmgSettings(muscles=MUSCLES), FS_HZ)
EDGE_AT = METER.rows.before_rows


def row_at(ms: float) -> int:
    """Return the index in an epoch of a time after the pulse."""
    return EDGE_AT + round(ms * FS_HZ / 1000)


def quiet_epoch(seed: int = 0, noise_uv: float = 2.0) -> F64:
    rng = np.random.default_rng(seed)
    return rng.normal(0, noise_uv, (METER.rows.n_rows, 2))


def with_mep(epoch_uv: F64, p2p_uv: float = 400.0, onset_ms: float = 22.0) -> F64:
    """Add one 12 ms sine wave to both muscles."""
    out_uv = epoch_uv.copy()
    wave_uv = p2p_uv / 2 * np.sin(2 * np.pi * np.arange(60) / 60)
    out_uv[row_at(onset_ms) : row_at(onset_ms) + 60] += wave_uv[:, np.newaxis]
    return out_uv


def measure(
    epoch_uv: F64,
    *,
    meter: MepMeter = METER,
    n_missing: int = 0,
    gap_at: tuple[int, ...] = (),
    other_edges_at: tuple[int, ...] = (),
) -> PulseMeps:
    epoch = Epoch(
        edge_row=1000,
        edge_at=EDGE_AT,
        raw_uv=epoch_uv,
        filtered_uv=epoch_uv,
        n_missing=n_missing,
        gap_at=gap_at,
        other_edges_at=other_edges_at,
    )
    return meter.measure(epoch)


def test_amplitude_latency_and_background_are_those_put_in() -> None:
    meps = measure(with_mep(quiet_epoch()))
    assert meps.is_present == (True, True)
    assert meps.valid == (True, True)
    # 2 µV of noise on each peak, and the time 10 µV of a 400 µV wave take to reach.
    assert meps.amplitude_uv == pytest.approx((400, 400), abs=12)
    assert meps.latency_ms == pytest.approx((22, 22), abs=0.4)
    assert meps.background_rms_uv == pytest.approx((2, 2), rel=0.15)


def test_each_muscle_is_measured_in_its_own_window_ends_included() -> None:
    for ms, inside in [
        (7.8, (False, False)),
        (8.0, (False, True)),
        (14.8, (False, True)),
        (15.0, (True, True)),
        (45.0, (True, True)),
        (45.2, (True, False)),
        (55.0, (True, False)),
    ]:
        epoch_uv = np.zeros((METER.rows.n_rows, 2))
        epoch_uv[row_at(ms)] = 80.0
        assert measure(epoch_uv).amplitude_uv == tuple(80.0 * is_in for is_in in inside)


@pytest.mark.parametrize("rows", [slice(0, 1), slice(0, 20), slice(30, 31)])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_samples_that_are_no_numbers_are_not_valid(rows: slice, value: float) -> None:
    epoch_uv = with_mep(quiet_epoch())
    epoch_uv[row_at(22.0) :, 0][rows] = value
    meps = measure(epoch_uv)
    assert meps.valid == (False, True)
    assert meps.amplitude_uv[0] is None
    assert np.isfinite(meps.latency_ms[0] or 0.0)
    assert meps.latency_ms[1] == pytest.approx(22, abs=0.4)


@pytest.mark.parametrize("window_ms", [(15.0, np.inf), (15.0, np.nan), (55.0, 15.0)])
def test_a_window_without_a_finite_end_is_refused(
    window_ms: tuple[float, float],
) -> None:
    start_ms, end_ms = window_ms
    with pytest.raises(ValueError, match="finite window_end_ms"):
        MuscleSettings(name="FDI", window_start_ms=start_ms, window_end_ms=end_ms)


def test_noise_alone_is_no_mep() -> None:
    found = [measure(quiet_epoch(seed, 4.0)).is_present for seed in range(200)]
    assert not np.any(found)


def test_a_response_of_less_than_50_uv_is_measured_but_no_mep() -> None:
    meps = measure(with_mep(quiet_epoch(noise_uv=0.5), p2p_uv=45))
    assert meps.amplitude_uv == pytest.approx((45, 45), abs=4)
    assert meps.is_present == (False, False)
    assert meps.latency_ms == (None, None)
    assert meps.valid == (True, True)


def test_hum_moves_no_latency() -> None:
    at_s = np.arange(METER.rows.n_rows) / FS_HZ
    for phase in np.linspace(0, 2 * np.pi, 8):
        hum_uv = 12 * np.sin(2 * np.pi * 50.05 * at_s + phase)
        epoch_uv = with_mep(quiet_epoch(noise_uv=1.0), p2p_uv=200) + hum_uv[:, None]
        meps = measure(epoch_uv)
        assert meps.latency_ms == pytest.approx((22, 22), abs=0.8)
        assert meps.hum_rms_uv == pytest.approx((12 / 2**0.5,) * 2, rel=0.05)


def test_the_hum_of_a_loose_electrode_is_no_mep_and_not_valid() -> None:
    at_s = np.arange(METER.rows.n_rows) / FS_HZ
    for pulse in range(50):
        hum_uv = 400 * np.sin(2 * np.pi * 49.95 * (at_s + 3.1 * pulse))
        meps = measure(quiet_epoch(pulse) + hum_uv[:, None])
        assert meps.reasons == (QualityReason.HUM,) * 2
        assert meps.is_present == (False, False)
        assert min(a for a in meps.amplitude_uv if a is not None) > 700


def test_every_reason_is_given_to_its_muscle_alone() -> None:
    good_uv = with_mep(quiet_epoch())
    rng = np.random.default_rng(9)
    cases: dict[QualityReason, F64] = {}
    for reason in QualityReason:
        cases[reason] = good_uv.copy()
    cases[QualityReason.NOT_FINITE][row_at(30), 0] = np.nan
    cases[QualityReason.FLAT][:, 0] = 7.0
    cases[QualityReason.CLIPPED][row_at(30), 0] = -10_000.0
    cases[QualityReason.NOISE][:, 0] = rng.normal(0, 150, len(good_uv))
    cases[QualityReason.PREACTIVATION][:, 0] += rng.normal(0, 15, len(good_uv))
    tail_uv = 900 * np.exp(-np.arange(200) / 40.0)
    cases[QualityReason.ARTEFACT][row_at(14) : row_at(14) + 200, 0] += tail_uv
    at_s = np.arange(METER.rows.n_rows) / FS_HZ
    cases[QualityReason.HUM][:, 0] += 100 * np.sin(2 * np.pi * 50 * at_s)
    for reason in (QualityReason.GAP, QualityReason.SECOND_PULSE):
        del cases[reason]  # they concern the pulse, not one muscle
    for reason, epoch_uv in cases.items():
        meps = measure(epoch_uv)
        assert meps.reasons == (reason, None)
        assert meps.valid == (False, True)


def test_an_mep_that_is_cut_off_is_clipped() -> None:
    epoch_uv = np.clip(with_mep(quiet_epoch(), p2p_uv=4000), -1500, 1500)
    meps = measure(epoch_uv)
    assert meps.reasons == (QualityReason.CLIPPED,) * 2
    assert meps.amplitude_uv == (3000.0, 3000.0)


def test_a_gap_or_the_streams_start_in_the_epoch_is_a_gap() -> None:
    epoch_uv = with_mep(quiet_epoch())
    assert set(measure(epoch_uv, gap_at=(3,)).reasons) == {QualityReason.GAP}
    early_uv = epoch_uv.copy()
    early_uv[:5] = np.nan
    meps = measure(early_uv, n_missing=5)
    assert set(meps.reasons) == {QualityReason.GAP}
    assert meps.amplitude_uv == pytest.approx((400, 400), abs=12)
    assert meps.background_rms_uv == (None, None)


def test_a_second_pulse_spoils_only_the_windows_that_it_falls_into() -> None:
    epoch_uv = with_mep(quiet_epoch())
    second = QualityReason.SECOND_PULSE
    assert measure(epoch_uv, other_edges_at=(row_at(50),)).reasons == (second, None)
    assert measure(epoch_uv, other_edges_at=(row_at(5),)).reasons == (second, second)
    assert measure(epoch_uv, other_edges_at=(row_at(-80),)).reasons == (None, None)


def test_an_amplitude_that_is_not_finite_is_none() -> None:
    epoch_uv = with_mep(quiet_epoch())
    epoch_uv[row_at(20), 1] = np.inf
    meps = measure(epoch_uv)
    assert meps.amplitude_uv[1] is None
    assert meps.reasons == (None, QualityReason.NOT_FINITE)


def test_the_tangent_meets_the_baseline_where_a_straight_flank_begins() -> None:
    wave_uv = np.concatenate([np.zeros(50), 10.0 * np.arange(40), np.full(20, 390.0)])
    onset = slope_tangent(-wave_uv, band_uv=25.0, hold_rows=5)
    assert onset == pytest.approx(50.0)
    assert leave_noise(-wave_uv, band_uv=25.0, hold_rows=5) == pytest.approx(52.5)


@pytest.mark.parametrize("onset", OnsetDefinition)
def test_every_onset_definition_gives_the_latency_of_a_steep_wave(
    onset: OnsetDefinition,
) -> None:
    settings = EmgSettings(muscles=MUSCLES, mep=MepSettings(onset=onset))
    meps = measure(
        with_mep(quiet_epoch(), p2p_uv=2000), meter=MepMeter(settings, FS_HZ)
    )
    assert meps.latency_ms == pytest.approx((22, 22), abs=0.5)


def test_a_window_shorter_than_two_rows_is_refused() -> None:
    muscle = MuscleSettings(name="FDI", window_start_ms=15, window_end_ms=15.5)
    with pytest.raises(ConfigError, match="window of FDI"):
        MepMeter(EmgSettings(muscles=(muscle,)), 1000.0)


def test_the_default_table_has_the_fifteen_muscles_and_their_windows() -> None:
    table = {m.name: (m.window_start_ms, m.window_end_ms) for m in default_muscles()}
    names = "FDI APB ADM EDC EIP FDS ECR ECU FCR FCU BRD BIC TRI DEL PT"
    assert list(table) == names.split()
    assert table["ADM"] == (15, 55)
    assert table["PT"] == table["BRD"] == (11, 50)
    assert table["DEL"] == (8, 45)
