"""The virtual lab's EMG, as nasty as a real one's, is read right."""

import numpy as np
import numpy.typing as npt
import pytest

from m2m_rt.emg import EmgReader, EmgSettings, PulseMeps, QualityReason, default_muscles
from m2m_rt.sim.emg_signal import EmgSignal
from m2m_rt.sim.lab_settings import LabPulse, LabSettings, Nastiness
from m2m_rt.sim.pulse_writer import PulseWriter

FS_HZ = 5000.0
N_PULSES = 20
NAMES = [muscle.name for muscle in default_muscles()]
GOOD = [column for column, name in enumerate(NAMES) if name != "PT"]
POSE = LabPulse(
    head_from_coil=tuple(tuple(row) for row in np.eye(4).tolist()),
    intensity_pct_mso=70.0,
)


def evoked_uv(seed: int) -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.asarray(10 ** rng.uniform(0.7, 3.5, (N_PULSES, len(NAMES))))


def read_lab(
    seed: int, *, artefact_uv: float, preactivation_rate: float
) -> tuple[list[tuple[str, ...]], tuple[PulseMeps, ...]]:
    """Return the muscles that were active before each pulse, and what was measured."""
    lab = LabSettings(
        seed=seed,
        table="none",
        log_folder="none",
        pulses=(POSE,),
        nastiness=Nastiness(
            artefact_uv=artefact_uv, preactivation_rate=preactivation_rate
        ),
    )
    signal, writer = EmgSignal(lab, np.full(len(NAMES), 7.0)), PulseWriter(lab)
    active = []
    for number, sizes_uv in enumerate(evoked_uv(seed)):
        edge_row = 5000 * (number + 1)
        patch = writer.pulse(
            number, edge_row=edge_row, intensity_pct_mso=70.0, evoked_uv=sizes_uv
        )
        signal.add(patch)
        names, activity = writer.preactivation(number, edge_row=edge_row)
        active.append(names)
        if activity is not None:
            signal.add(activity)
    rows = signal.take(5000 * (N_PULSES + 1)).astype(np.float64)
    reader = EmgReader(EmgSettings(), FS_HZ)
    return active, reader.push(rows[:, :-1], rows[:, -1]).meps


@pytest.mark.parametrize("seed", [1, 2])
def test_the_artefact_changes_no_amplitude_by_5_percent(seed: int) -> None:
    _, struck = read_lab(seed, artefact_uv=6000.0, preactivation_rate=0.0)
    _, spared = read_lab(seed, artefact_uv=0.0, preactivation_rate=0.0)
    struck_uv = np.array([mep.amplitude_uv for mep in struck])
    spared_uv = np.array([mep.amplitude_uv for mep in spared])
    assert struck_uv.shape == (N_PULSES, len(NAMES))
    assert np.abs(struck_uv / spared_uv - 1)[:, GOOD].max() < 0.05


@pytest.mark.parametrize("seed", [1, 2])
def test_the_loose_electrode_and_the_active_muscles_alone_are_not_valid(
    seed: int,
) -> None:
    active, meps = read_lab(seed, artefact_uv=6000.0, preactivation_rate=0.3)
    assert any(active)
    for names, mep in zip(active, meps, strict=True):
        wrong = {
            name
            for name, is_valid in zip(NAMES, mep.valid, strict=True)
            if not is_valid
        }
        assert wrong == {*names, "PT"}
        assert mep.reasons[NAMES.index("PT")] in {
            QualityReason.HUM,
            QualityReason.NOISE,
        }


def test_amplitude_and_presence_are_those_evoked() -> None:
    _, meps = read_lab(3, artefact_uv=6000.0, preactivation_rate=0.0)
    found_uv = np.array([mep.amplitude_uv for mep in meps])[:, GOOD]
    is_present = np.array([mep.is_present for mep in meps])[:, GOOD]
    true_uv = evoked_uv(3)[:, GOOD]
    # The noise of about 7 µV peak to peak lies on top of the evoked wave.
    assert np.abs(found_uv - true_uv)[true_uv > 100].max() < 20
    assert is_present[true_uv > 65].all()
    assert not is_present[true_uv < 35].any()
