import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.emg import EmgReader, EmgSettings, QualityReason
from m2m_rt.emg.mep import PulseMeps
from m2m_rt.model import MUSCLES
from m2m_rt.sim.emg_background import BLOCK_ROWS
from m2m_rt.sim.emg_signal import EmgSignal
from m2m_rt.sim.lab_settings import LabSettings, Nastiness
from m2m_rt.sim.pulse_writer import PulseWriter
from m2m_rt.units import F32, F64
from tests.support.lab import CALM, lab_settings

FS_HZ = 5000
FLOOR_UV = np.linspace(6.0, 8.0, len(MUSCLES))
EDGES = (7_503, 21_000)
N_ROWS = 24_000
N_PULSES = 40
INTERVAL_ROWS = 6_557  # every phase of the hum


def session(settings: LabSettings) -> EmgSignal:
    """Return a signal with two pulses ahead, muscles active around both."""
    signal, writer = EmgSignal(settings, FLOOR_UV), PulseWriter(settings)
    for number, edge_row in enumerate(EDGES):
        add_pulse(signal, writer, number, edge_row, np.full(15, 300.0))
    return signal


def add_pulse(
    signal: EmgSignal, writer: PulseWriter, number: int, edge_row: int, evoked_uv: F64
) -> tuple[str, ...]:
    signal.add(
        writer.pulse(
            number, edge_row=edge_row, intensity_pct_mso=80.0, evoked_uv=evoked_uv
        )
    )
    active, patch = writer.preactivation(number, edge_row=edge_row)
    if patch is not None:
        signal.add(patch)
    return active


NASTY = lab_settings(seed=4, nastiness=Nastiness(preactivation_rate=1.0))
WHOLE: F32 = session(NASTY).take(N_ROWS)


@given(cuts=st.lists(st.integers(1, N_ROWS - 1), max_size=30))
def test_rows_do_not_depend_on_how_they_are_asked_for(cuts: list[int]) -> None:
    signal = session(NASTY)
    borders = [0, *sorted(set(cuts)), N_ROWS]
    parts = [signal.take(n_rows) for n_rows in np.diff(borders).tolist()]
    assert np.concatenate(parts).tobytes() == WHOLE.tobytes()


@given(n_rows=st.sampled_from([1, 7, 25, BLOCK_ROWS, BLOCK_ROWS + 1]))
def test_regular_chunks_of_any_size_give_the_same_rows(n_rows: int) -> None:
    signal = session(NASTY)
    parts = [signal.take(n_rows) for _ in range(9_000 // n_rows)]
    rows = np.concatenate(parts)
    assert rows.tobytes() == WHOLE[: len(rows)].tobytes()


def test_trigger_is_high_for_5_ms_from_each_edge() -> None:
    high = np.flatnonzero(WHOLE[:, -1] == 5.0)
    expected = np.concatenate([edge + np.arange(25) for edge in EDGES])
    assert np.array_equal(high, expected)
    assert not np.delete(WHOLE[:, -1], expected).any()


def test_rows_already_given_cannot_be_changed() -> None:
    signal = EmgSignal(NASTY, FLOOR_UV)
    patch = PulseWriter(NASTY).pulse(
        1, edge_row=99, intensity_pct_mso=50.0, evoked_uv=np.zeros(15)
    )
    signal.take(100)
    with pytest.raises(ValueError, match="row 100 is next"):
        signal.add(patch)


def test_other_seeds_give_other_noise() -> None:
    other = session(msgspec.structs.replace(NASTY, seed=5)).take(100)
    assert not np.any(other[:, :-1] == WHOLE[:100, :-1])


def measure(
    nastiness: Nastiness, evoked_uv: F64
) -> tuple[list[PulseMeps], list[tuple[str, ...]]]:
    """Return what the rig's own EMG reader makes of pulses with these MEPs."""
    settings = lab_settings(seed=1, nastiness=nastiness)
    signal, writer = EmgSignal(settings, FLOOR_UV), PulseWriter(settings)
    reader = EmgReader(EmgSettings(), float(FS_HZ))
    found: list[PulseMeps] = []
    active = []
    for number, sizes_uv in enumerate(evoked_uv):
        edge_row = 6_000 + number * INTERVAL_ROWS
        active.append(add_pulse(signal, writer, number, edge_row, sizes_uv))
        rows = signal.take(edge_row + 700 - signal.next_row).astype(np.float64)
        found += reader.push(rows[:, :-1], rows[:, -1]).meps
    return found, active


def amplitudes_uv(meps: list[PulseMeps]) -> F64:
    return np.array([pulse.amplitude_uv for pulse in meps], dtype=np.float64)


def evoked(seed: int = 0) -> F64:
    rng = np.random.default_rng(seed)
    return np.asarray(10.0 ** rng.uniform(-1.0, 3.5, (N_PULSES, len(MUSCLES))))


def test_measured_meps_have_the_size_that_was_asked_for() -> None:
    sizes_uv = evoked()
    rest = Nastiness(bad_muscle=None, preactivation_rate=0.0)
    measured_uv = amplitudes_uv(measure(rest, sizes_uv)[0])
    large = sizes_uv > 100.0
    assert np.abs(measured_uv / sizes_uv - 1.0)[large].max() < 0.1


def test_artefact_changes_no_amplitude_by_5_per_cent() -> None:
    sizes_uv = evoked()
    with_it = amplitudes_uv(measure(Nastiness(), sizes_uv)[0])
    without = amplitudes_uv(measure(Nastiness(artefact_uv=0.0), sizes_uv)[0])
    assert np.abs(with_it / without - 1.0).max() < 0.05
    assert not np.array_equal(with_it, without)


def test_noise_floor_is_the_subjects() -> None:
    nothing_uv = np.zeros((N_PULSES, len(MUSCLES)))
    rest = Nastiness(bad_muscle=None, preactivation_rate=0.0)
    floor_uv = np.median(amplitudes_uv(measure(rest, nothing_uv)[0]), axis=0)
    assert floor_uv == pytest.approx(FLOOR_UV, rel=0.1)  # median of 40


def test_active_muscles_are_refused_and_no_other() -> None:
    often = Nastiness(preactivation_rate=0.5, bad_muscle=None)
    meps, active = measure(often, evoked())
    refused = [
        tuple(
            muscle
            for muscle, reason in zip(MUSCLES, pulse.reasons, strict=True)
            if reason is not None
        )
        for pulse in meps
    ]
    reasons = {reason for pulse in meps for reason in pulse.reasons}
    assert refused == active
    assert 10 < sum(map(bool, active)) < 30
    assert reasons == {None, QualityReason.PREACTIVATION}


def test_loose_electrode_is_refused_for_its_hum_every_time() -> None:
    meps, _ = measure(Nastiness(preactivation_rate=0.0), evoked())
    bad = MUSCLES.index("PT")
    assert {pulse.reasons[bad] for pulse in meps} == {QualityReason.HUM}
    assert all(np.delete(pulse.valid, bad).all() for pulse in meps)


def test_everything_nasty_can_be_turned_off() -> None:
    settings = lab_settings(nastiness=CALM)
    signal = EmgSignal(settings, FLOOR_UV)
    writer = PulseWriter(settings)
    assert add_pulse(signal, writer, 1, 600, np.zeros(15)) == ()
    rows = signal.take(2_000)[:, :-1]
    assert np.abs(rows).max() < 12.0  # six sd of the noise
    assert np.abs(rows.mean(axis=0)).max() < 0.2
