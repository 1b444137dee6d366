from pathlib import Path
from threading import Thread

import numpy as np
import pylsl
import pytest

from m2m_rt.adapters.lsl_emg import EmgRows, open_emg
from m2m_rt.adapters.lsl_inlet import LslSource, close_together, open_together
from m2m_rt.adapters.lsl_markers import open_markers
from m2m_rt.adapters.lsl_stimulator import open_stimulator
from m2m_rt.adapters.recording import RecordedStream, Recording
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.messages import (
    EmgReceived,
    Link,
    LinkChanged,
    MarkerReceived,
    Message,
    StimulatorReceived,
    unpack_f32,
    unpack_f64,
)
from m2m_rt.sim.player import PlaySettings, play
from m2m_rt.sim.player_files import SweepFile, open_recording
from m2m_rt.sim.player_sweeps import SweepsToPlay, sweeps_recording
from tests.support.streams import of_type
from tests.support.xdf import XdfStream, write_xdf

FS_HZ = 2000.0
WAIT_S = 20.0


class _Playing:
    """A recording on its way, in the background of a test."""

    def __init__(self, recording: Recording, **changes: float) -> None:
        settings = PlaySettings(wait_s=WAIT_S, **changes)
        self._thread = Thread(target=play, args=(recording, settings))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def _is_over(messages: list[Message]) -> bool:
    return any(change.link is Link.LOST for change in of_type(messages, LinkChanged))


def _until_end(*sources: LslSource) -> list[list[Message]]:
    """Take everything from each source until its sender has gone."""
    got: list[list[Message]] = [[] for _ in sources]
    deadline_s = pylsl.local_clock() + WAIT_S
    while not all(_is_over(messages) for messages in got):
        assert pylsl.local_clock() < deadline_s
        for source, messages in zip(sources, got, strict=True):
            messages += source.poll(0.01)
    close_together(*sources)
    return got


def _open_emg(name: str, *, fs_hz: float) -> LslSource:
    reader = EmgRows(("FDI",), trigger_channel="TRIG", fs_hz=fs_hz)
    return open_emg(StreamChoice(type="EMG", name=name), reader)


@pytest.mark.parametrize("chunk_ms", [1.0, 3.7, 50.0])
def test_played_sweeps_arrive_whole_whatever_the_chunk(chunk_ms: float) -> None:
    rng = np.random.default_rng(3)
    sweeps = SweepsToPlay(
        samples_uv=rng.normal(0, 100, (4, 500)),
        intensity_pct_mso=np.array((40.0, 45.0, 50.0, 55.0)),
        fs_hz=FS_HZ,
        muscle="FDI",
        trigger_s=0.1,
    )
    recording = sweeps_recording(sweeps)
    with _Playing(recording, chunk_ms=chunk_ms, speed=4.0):
        emg, stimulator, markers = _until_end(
            *open_together(
                lambda: _open_emg("m2m_play_emg", fs_hz=FS_HZ),
                lambda: open_stimulator(StreamChoice(type="StimulatorState")),
                lambda: open_markers(StreamChoice(name="m2m_play_markers")),
            )
        )
    received = of_type(emg, EmgReceived)
    rows = np.concatenate([unpack_f32(one.samples) for one in received])
    stamps_s = np.concatenate([unpack_f64(one.stamps_s) for one in received])
    assert np.array_equal(rows, np.asarray(recording.streams[0].samples))
    assert np.allclose(np.diff(stamps_s), 1 / FS_HZ, atol=1e-9)
    states = [one.intensity_pct_mso for one in of_type(stimulator, StimulatorReceived)]
    assert states == [40.0, 45.0, 50.0, 55.0]
    texts = of_type(markers, MarkerReceived)
    assert [one.text for one in texts] == [t for (t,) in recording.streams[2].samples]
    late_s = [one.device_s - stamps_s[0] for one in texts]
    assert np.allclose(late_s, np.arange(4) * 0.25 + 0.13, atol=1e-6)


def test_the_last_sample_is_sent_where_it_ends_a_chunk() -> None:
    stamps_s = np.arange(301) / 1000.0  # 0.3 / 0.1 is less than 3
    stream = RecordedStream(
        name="m2m_play_last",
        type="EMG",
        source_id="",
        fs_hz=1000.0,
        n_channels=2,
        channel_format="float32",
        stamps_s=stamps_s,
        samples=np.zeros((301, 2), np.float32),
        desc={
            "channels": [
                {
                    "channel": [
                        {"label": ["FDI"], "unit": ["uV"]},
                        {"label": ["TRIG"], "unit": ["V"]},
                    ]
                }
            ]
        },
    )
    with _Playing(Recording((stream,)), chunk_ms=100.0):
        (messages,) = _until_end(_open_emg("m2m_play_last", fs_hz=1000.0))
    got = of_type(messages, EmgReceived)
    assert sum(len(unpack_f64(one.stamps_s)) for one in got) == 301


def test_played_xdf_is_found_by_its_recorded_name_with_its_own_timing(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(5)
    stamps_s = 1e3 + np.cumsum(rng.uniform(0.4e-3, 0.6e-3, 1000))
    samples = rng.normal(size=(1000, 2)).astype(np.float32)
    stream = XdfStream(
        name="old lab's amp",
        type="EMG",
        stamps_s=stamps_s,
        samples=samples,
        fs_hz=FS_HZ,
        desc="<channels><channel><label>FDI</label><unit>mV</unit></channel>"
        "<channel><label>TRIG</label></channel></channels>",
    )
    write_xdf(tmp_path / "a.xdf", [stream])
    recording = open_recording(tmp_path / "a.xdf", SweepFile())
    with _Playing(recording):
        (messages,) = _until_end(_open_emg("old lab's amp", fs_hz=FS_HZ))
    received = of_type(messages, EmgReceived)
    rows = np.concatenate([unpack_f32(one.samples) for one in received])
    played_s = np.concatenate([unpack_f64(one.stamps_s) for one in received])
    millivolts = samples[:, 0].astype(np.float64)
    assert np.array_equal(rows[:, 0], (millivolts * 1000.0).astype(np.float32))
    assert np.array_equal(rows[:, 1], samples[:, 1])
    assert np.allclose(np.diff(played_s), np.diff(stamps_s), atol=1e-9)
