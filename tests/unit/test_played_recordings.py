import contextlib
import gzip
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from m2m_rt.adapters.recording import RecordedStream, Recording
from m2m_rt.adapters.xdf_file import read_xdf
from m2m_rt.emg import TriggerDetector, TriggerSettings
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.sim.player_files import SweepFile, open_recording, read_sweeps_to_play
from m2m_rt.sim.player_sweeps import SweepsToPlay, continuous_emg, sweeps_recording
from tests.support.xdf import XdfStream, write_xdf

FS_HZ = 2000.0
N_SAMPLES = 500
RNG = np.random.default_rng(7)


def _sweeps(n_sweeps: int = 6) -> SweepsToPlay:
    return SweepsToPlay(
        samples_uv=RNG.normal(0, 100, (n_sweeps, N_SAMPLES)),
        intensity_pct_mso=np.linspace(40, 60, n_sweeps),
        fs_hz=FS_HZ,
        muscle="FDI",
        trigger_s=0.1,
    )


def _stream(recording: Recording, stream_type: str) -> RecordedStream:
    (found,) = [one for one in recording.streams if one.type == stream_type]
    return found


def _write_mat(path: Path, **arrays: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def test_stored_samples_are_sent_bit_for_bit_as_float32() -> None:
    sweeps = _sweeps()
    emg = _stream(sweeps_recording(sweeps), "EMG")
    sent = np.asarray(emg.samples)
    assert sent.dtype == np.float32
    stored = sweeps.samples_uv.astype(np.float32)
    assert sent[:, 0].tobytes() == stored.ravel().tobytes()
    assert np.array_equal(emg.stamps_s, np.arange(6 * N_SAMPLES) / FS_HZ)


def test_every_sweep_has_one_trigger_of_5_ms_at_its_pulse() -> None:
    trigger = continuous_emg(_sweeps())[:, 1]
    detector = TriggerDetector(TriggerSettings(), FS_HZ)
    edges = detector.push(np.append(trigger, np.zeros(N_SAMPLES)).astype(np.float64))
    assert edges == [sweep * N_SAMPLES + 200 for sweep in range(6)]
    assert np.count_nonzero(trigger) == 6 * round(0.005 * FS_HZ)


def test_intensity_is_known_before_each_pulse_and_repeated_every_second() -> None:
    slow = SweepsToPlay(
        samples_uv=np.zeros((2, 5000)),
        intensity_pct_mso=np.array((40.0, 55.0)),
        fs_hz=FS_HZ,
        muscle="FDI",
        trigger_s=0.1,
    )
    state = _stream(sweeps_recording(slow), "StimulatorState")
    assert state.stamps_s.tolist() == [0.0, 1.0, 2.0, 2.5, 3.5, 4.5]
    assert np.asarray(state.samples).ravel().tolist() == [40.0] * 3 + [55.0] * 3


def test_marker_follows_its_pulse_by_10_to_60_ms_and_says_which_it_was() -> None:
    sweeps = _sweeps()
    markers = _stream(sweeps_recording(sweeps), "Markers")
    delays_s = markers.stamps_s - (np.arange(6) * 0.25 + 0.1)
    assert np.all((delays_s >= 0.010) & (delays_s <= 0.060))
    said = [json.loads(text) for (text,) in markers.samples]
    assert said == [
        {"pulse": pulse, "intensity_pct_mso": intensity}
        for pulse, intensity in enumerate(sweeps.intensity_pct_mso)
    ]


@pytest.mark.parametrize("trigger_s", [-0.1, 0.2475, 1.0])
def test_pulse_outside_the_sweep_is_refused(trigger_s: float) -> None:
    with pytest.raises(ConfigError, match="trigger-s"):
        SweepsToPlay(
            samples_uv=np.zeros((1, N_SAMPLES)),
            intensity_pct_mso=np.zeros(1),
            fs_hz=FS_HZ,
            muscle="FDI",
            trigger_s=trigger_s,
        )


def test_each_sweep_has_the_intensity_of_its_place_in_the_file(tmp_path: Path) -> None:
    mep = RNG.normal(size=(3, N_SAMPLES, 2))  # 3 repeats × time × 2 intensities, mV
    path = _write_mat(
        tmp_path / "s.mat", mep=mep, intensities=[[30.0], [50.0]], fs=[[FS_HZ]]
    )
    sweeps = read_sweeps_to_play(path, SweepFile(), n_sweeps=5)
    assert sweeps.fs_hz == FS_HZ
    assert sweeps.intensity_pct_mso.tolist() == [30.0, 50.0, 30.0, 50.0, 30.0]
    assert np.array_equal(sweeps.samples_uv[3], mep[1, :, 1] * 1000.0)


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        ({"mep": np.zeros((3, 50, 2)), "fs": [1.0]}, "intensities"),
        ({"mep": np.zeros((3, 50, 2)), "intensities": [1.0, 2.0]}, "fs"),
        (
            {"mep": np.zeros((3, 50, 2)), "fs": [9e3], "intensities": [1.0] * 4},
            "4 intensities, expected as many as one axis of",
        ),
        ({"mep": np.zeros((3, 50)), "fs": [1.0, 2.0]}, "2 numbers, expected one rate"),
    ],
)
def test_file_that_does_not_say_enough_is_refused(
    arrays: dict[str, object], found: str, tmp_path: Path
) -> None:
    path = _write_mat(tmp_path / "s.mat", **arrays)
    with pytest.raises(ConfigError, match=found):
        open_recording(path, SweepFile())


@pytest.mark.parametrize("name", ["none.xdf", "none.mat", "notes.txt", "nothing"])
def test_what_cannot_be_played_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=name):
        open_recording(tmp_path / name, SweepFile())


def test_xdf_keeps_names_descriptions_stamps_and_values(tmp_path: Path) -> None:
    stamps_s = 50.0 + np.arange(40) / 100.0 + RNG.uniform(0, 1e-3, 40)
    emg = XdfStream(
        name="amp",
        type="EMG",
        stamps_s=stamps_s,
        samples=RNG.normal(size=(40, 2)).astype(np.float32),
        fs_hz=100.0,
        source_id="sn 5",
        desc="<channels><channel><label>FDI</label><unit>uV</unit></channel>"
        "<channel><label>TRIG</label><unit/></channel></channels>",
    )
    marks = XdfStream(
        name="marks",
        type="Markers",
        stamps_s=np.array((50.1, 50.3)),
        samples=[["pulse µ"], ['{"pulse": 1}']],
        channel_format="string",
    )
    write_xdf(tmp_path / "a.xdf", [emg, marks])
    recording = open_recording(tmp_path / "a.xdf", SweepFile())
    played, texts = _stream(recording, "EMG"), _stream(recording, "Markers")
    assert (played.name, played.source_id, played.fs_hz) == ("amp", "sn 5", 100.0)
    assert np.array_equal(played.stamps_s, stamps_s)
    assert np.array_equal(np.asarray(played.samples), np.asarray(emg.samples))
    assert played.desc == {
        "channels": [
            {
                "channel": [
                    {"label": ["FDI"], "unit": ["uV"]},
                    {"label": ["TRIG"], "unit": [""]},
                ]
            }
        ]
    }
    assert list(texts.samples) == marks.samples
    assert recording.start_s == stamps_s[0]


def test_clocks_of_two_computers_are_brought_together(tmp_path: Path) -> None:
    stamps_s = 10.0 + np.arange(20) / 10.0
    values = np.zeros((20, 1), dtype=np.float32)
    here = XdfStream("here", "A", stamps_s, values)
    there = XdfStream("there", "B", stamps_s, values, clock_offset_s=100.0)
    write_xdf(tmp_path / "a.xdf", [here, there])
    recording = read_xdf(tmp_path / "a.xdf")
    late_s = _stream(recording, "B").stamps_s - _stream(recording, "A").stamps_s
    assert np.allclose(late_s, 100.0, atol=1e-6)  # pyxdf fits a line through offsets


def test_xdf_cut_off_in_the_middle_keeps_what_is_whole(tmp_path: Path) -> None:
    whole = XdfStream("whole", "A", np.arange(9.0), np.zeros((9, 1), np.float32))
    cut = XdfStream("cut", "B", np.arange(9.0), np.zeros((9, 1), np.float32))
    path = tmp_path / "a.xdf"
    write_xdf(path, [whole, cut])
    path.write_bytes(path.read_bytes()[:-20])
    recording = read_xdf(path)
    assert len(_stream(recording, "A").stamps_s) == 9


def test_a_packed_xdf_is_read_like_its_content(tmp_path: Path) -> None:
    stream = XdfStream("amp", "A", np.arange(9.0), np.ones((9, 1), np.float32))
    write_xdf(tmp_path / "a.xdf", [stream])
    packed = tmp_path / "a.xdfz"
    packed.write_bytes(gzip.compress((tmp_path / "a.xdf").read_bytes()))
    assert np.array_equal(_stream(read_xdf(packed), "A").stamps_s, np.arange(9.0))
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"a\.xdfz"):
        read_xdf(packed)


def test_xdf_cut_off_anywhere_is_read_or_one_line(tmp_path: Path) -> None:
    path, stream = tmp_path / "a.xdf", XdfStream("a", "A", np.arange(2.0), np.eye(2))
    write_xdf(path, [stream])
    whole = path.read_bytes()
    for n_bytes in range(len(whole)):
        path.write_bytes(whole[:n_bytes])
        with contextlib.suppress(DataError):
            read_xdf(path)


def test_a_description_of_bare_text_describes_nothing(tmp_path: Path) -> None:
    stream = XdfStream("a", "A", np.arange(2.0), np.eye(2), desc="an old amplifier")
    write_xdf(tmp_path / "a.xdf", [stream])
    assert _stream(read_xdf(tmp_path / "a.xdf"), "A").desc == {}


@pytest.mark.parametrize("content", [b"", b"hello", b"XDF:", b"XDF:\x04\xff"])
def test_what_is_not_xdf_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.xdf"):
        read_xdf(path)


def test_real_sweeps_are_150_pulses_at_10_intensities(shared_data: Path) -> None:
    path = shared_data / "mep-oxford" / "S1.mat"
    recording = open_recording(path, SweepFile())
    emg = _stream(recording, "EMG")
    assert np.asarray(emg.samples).shape == (1_500_000, 2)
    assert len(_stream(recording, "Markers").stamps_s) == 150
    states = np.asarray(_stream(recording, "StimulatorState").samples).ravel()
    assert sorted(set(states)) == list(range(29, 57, 3))
    with h5py.File(path) as file:
        stored_uv = (file["mep"][4, :, 7] * 1000.0).astype(np.float32)
    assert np.array_equal(np.asarray(emg.samples)[470_000:480_000, 0], stored_uv)
