"""The real sweeps, played over LSL as a lab would and read as a session would."""

from pathlib import Path
from threading import Thread

import numpy as np
import pylsl
import pytest

from m2m_rt.adapters import lsl_emg
from m2m_rt.adapters.lsl_inlet import LslSource, close_together, open_together
from m2m_rt.adapters.lsl_markers import open_markers
from m2m_rt.adapters.lsl_stimulator import open_stimulator
from m2m_rt.adapters.recording import Recording
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.emg import (
    EmgReader,
    EmgSettings,
    FilterKind,
    FilterSettings,
    MuscleSettings,
)
from m2m_rt.messages import (
    ClockOffset,
    EmgReceived,
    Link,
    LinkChanged,
    MepMeasured,
    Message,
    StreamGap,
    unpack_f32,
)
from m2m_rt.nodes import AcquireNode, AcquireSettings
from m2m_rt.sim.player import PlaySettings, play
from m2m_rt.sim.player_files import SweepFile, open_recording
from m2m_rt.units import RigNs
from tests.support.streams import of_type

FS_HZ = 10_000.0
WINDOW_ROWS = slice(1150, 1551)  # 15 to 55 ms after the pulse at row 1000
DEADLINE_S = 120.0


def _sources() -> tuple[LslSource, ...]:
    reader = lsl_emg.EmgRows(("FDI",), trigger_channel="TRIG", fs_hz=FS_HZ)
    return open_together(
        lambda: lsl_emg.open_emg(StreamChoice(name="m2m_play_emg"), reader),
        lambda: open_stimulator(StreamChoice(name="m2m_play_stimulator")),
        lambda: open_markers(StreamChoice(name="m2m_play_markers")),
    )


def _through_lsl(recording: Recording, settings: PlaySettings) -> list[Message]:
    """Return what a session's inbox would take in, until the first sender ends."""
    playing = Thread(target=play, args=(recording, settings))
    playing.start()
    sources = _sources()
    messages: list[Message] = []
    deadline_s = pylsl.local_clock() + DEADLINE_S
    while not any(m.link is Link.LOST for m in of_type(messages, LinkChanged)):
        assert pylsl.local_clock() < deadline_s
        for source in sources:
            messages += source.poll(0.002)
    close_together(*sources)
    playing.join()
    return [m for m in messages if not isinstance(m, LinkChanged | ClockOffset)]


def _settings(kind: FilterKind) -> EmgSettings:
    muscle = MuscleSettings(name="FDI", window_start_ms=15.0, window_end_ms=55.0)
    return EmgSettings(muscles=(muscle,), filter=FilterSettings(kind=kind))


def _measured(messages: list[Message], kind: FilterKind) -> list[Message]:
    node = AcquireNode(AcquireSettings(fs_hz=FS_HZ, reading=_settings(kind)))
    return [one for m in messages for one in node.step(RigNs(m.t_ns), m)]


def _filtered_once(messages: list[Message]) -> list[float | None]:
    """Return the amplitudes of the same rows, filtered as one signal."""
    received = of_type(messages, EmgReceived)
    rows = np.concatenate([unpack_f32(one.samples) for one in received])
    reader = EmgReader(_settings(FilterKind.CAUSAL), FS_HZ)
    columns = rows.astype(np.float64)
    reading = reader.push(columns[:, :1], columns[:, 1])
    return [meps.amplitude_uv[0] for meps in reading.meps]


def _amplitudes(outputs: list[Message]) -> list[float | None]:
    return [mep.mep_p2p_uv[0] for mep in of_type(outputs, MepMeasured)]


@pytest.mark.parametrize(
    ("n_sweeps", "chunk_ms", "speed"), [(None, 5.0, 15.0), (12, 0.7, 3.0)]
)
def test_played_sweeps_have_the_amplitudes_of_the_file(
    n_sweeps: int | None, chunk_ms: float, speed: float, shared_data: Path
) -> None:
    path = shared_data / "mep-oxford" / "S1.mat"
    recording = open_recording(path, SweepFile(), n_sweeps=n_sweeps)
    stored = np.asarray(recording.streams[0].samples)[:, 0].reshape(-1, 10_000)
    settings = PlaySettings(chunk_ms=chunk_ms, speed=speed, wait_s=20.0)
    messages = _through_lsl(recording, settings)

    unfiltered = _measured(messages, FilterKind.NONE)
    stored_uv = np.ptp(stored[:, WINDOW_ROWS].astype(np.float64), axis=1)
    assert _amplitudes(unfiltered) == stored_uv.tolist()
    assert not [one for one in unfiltered if isinstance(one, StreamGap)]
    marked = [mep.marker_pulse for mep in of_type(unfiltered, MepMeasured)]
    assert marked == list(range(len(stored)))

    filtered = _measured(messages, FilterKind.CAUSAL)
    assert _amplitudes(filtered) == _filtered_once(messages)
