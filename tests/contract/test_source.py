"""What every `Source` of inputs does: LSL streams, the bus, running fits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pylsl
import pytest
import zmq

from m2m_rt.adapters.clock import LslClock
from m2m_rt.adapters.fit_process import FitProcess
from m2m_rt.adapters.lsl_emg import EmgRows, open_emg
from m2m_rt.adapters.lsl_inlet import LslSource
from m2m_rt.adapters.lsl_markers import open_markers
from m2m_rt.adapters.lsl_pose import POSE_CHANNELS, POSE_DESCRIPTION, open_pose
from m2m_rt.adapters.lsl_stimulator import open_stimulator
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.zmq_bus import BusPublisher, BusSubscriber
from m2m_rt.messages import (
    Delivery,
    EmgReceived,
    FitFinished,
    FitRequest,
    MarkerReceived,
    Message,
    PoseReceived,
    PulseFired,
    StimulatorReceived,
    decode,
    encode,
    unpack_f32,
    unpack_f64,
)
from m2m_rt.ports import Received, Source
from m2m_rt.units import RigNs
from tests.support.streams import LabStream

DEADLINE_S = 30.0
"""Far beyond what any step takes: only a hang reaches it."""

ROOT = Path(__file__).parents[2]
FS_HZ = 1000.0
FILLER = 1000
"""EMG is pulled some rows at a time: so many more come with each that is looked for."""

N_FILLERS = 4

Given = Message | Received


@dataclass
class Scene:
    """A source, and the outside that it listens to."""

    source: Source
    send: Callable[[int], object]
    """Let the outside send something that is known by its number."""

    leave: Callable[[], object]
    """Let the outside go without a word."""

    numbers: Callable[[Message], Sequence[int]]
    """The numbers in a message; none in news of the connection."""

    n_sent: int = 0
    given: list[Given] = field(default_factory=list)

    def send_next(self) -> int:
        self.send(self.n_sent)
        self.n_sent += 1
        return self.n_sent - 1

    def take(self, wait_s: float = 0.02) -> Sequence[Given]:
        came = self.source.poll(wait_s)
        self.given += came
        return came

    def got(self) -> list[int]:
        """Return the numbers that came so far, one for each."""
        return [number for one in self.given for number in self.numbers(inner(one))]

    def take_until(self, number: int) -> None:
        until_s = pylsl.local_clock() + DEADLINE_S
        while number not in self.got():
            assert pylsl.local_clock() < until_s, f"{number} never came: {self.given}"
            self.take()


def inner(given: Given) -> Message:
    return given.message if isinstance(given, Received) else given


@contextmanager
def lsl_scene(
    stream: LabStream,
    opened: Callable[[StreamChoice], LslSource],
    row_of: Callable[[int], Sequence[object]],
    numbers: Callable[[Message], Sequence[int]],
) -> Iterator[Scene]:
    outlets = [stream.open()]
    source = opened(StreamChoice(type=stream.type, name=stream.name))
    fillers = [FILLER] * N_FILLERS if stream.type == "EMG" else []

    def send(number: int) -> None:
        for value in (number, *fillers):
            outlets[0].push_sample(list(row_of(value)), pylsl.local_clock())

    yield Scene(source, send, outlets.clear, numbers)
    source.close()


def emg_numbers(message: Message) -> Sequence[int]:
    if not isinstance(message, EmgReceived):
        return ()
    values = [int(row[0]) for row in unpack_f32(message.samples)]
    return [value for value in values if value != FILLER]


def emg() -> AbstractContextManager[Scene]:
    labels, units = ("FDI", "TRIG"), ("microvolts", "V")
    stream = LabStream(
        name="contract-emg", type="EMG", labels=labels, unit=units, fs_hz=FS_HZ
    )
    reader = EmgRows(("FDI",), trigger_channel="TRIG", fs_hz=FS_HZ)
    opened = partial(open_emg, reader=reader)
    return lsl_scene(stream, opened, lambda n: (float(n), 0.0), emg_numbers)


def pose() -> AbstractContextManager[Scene]:
    stream = LabStream(
        name="contract-pose",
        type="CoilPose",
        labels=POSE_CHANNELS[7],
        desc=POSE_DESCRIPTION,
    )

    def numbers(message: Message) -> Sequence[int]:
        is_pose = isinstance(message, PoseReceived)
        return [int(unpack_f64(message.values)[0])] if is_pose else ()

    return lsl_scene(stream, open_pose, lambda n: (float(n), *[0.0] * 6), numbers)


def stimulator() -> AbstractContextManager[Scene]:
    stream = LabStream(
        name="contract-stim",
        type="StimulatorState",
        labels=("intensity",),
        unit="percent_mso",
    )

    def numbers(message: Message) -> Sequence[int]:
        is_state = isinstance(message, StimulatorReceived)
        return [int(message.intensity_pct_mso)] if is_state else ()

    return lsl_scene(stream, open_stimulator, lambda n: (float(n),), numbers)


def markers() -> AbstractContextManager[Scene]:
    stream = LabStream(
        name="contract-marks", type="Markers", labels=("m",), channel_format="string"
    )

    def numbers(message: Message) -> Sequence[int]:
        return [int(message.text)] if isinstance(message, MarkerReceived) else ()

    return lsl_scene(stream, open_markers, lambda n: (str(n),), numbers)


@contextmanager
def bus() -> Iterator[Scene]:
    with zmq.Context() as context, BusSubscriber(context, LslClock()) as source:
        publisher = BusPublisher(context, "acquired")
        source.subscribe("pulse_fired", "acquired", Delivery.STREAM)
        source.connect(publisher.endpoint)
        publisher.wait_for_subscribers(["pulse_fired"], DEADLINE_S)

        def send(number: int) -> None:
            pulse = PulseFired(t_ns=RigNs(1), seq=number, pulse_id=number, row=0)
            publisher.publish("pulse_fired", encode(pulse))

        def numbers(message: Message) -> Sequence[int]:
            return [message.pulse_id] if isinstance(message, PulseFired) else ()

        yield Scene(source, send, publisher.close, numbers)


@contextmanager
def fit(folder: Path) -> Iterator[Scene]:
    with FitProcess("tests.support.fits", folder) as source:

        def start(what: str, fit_id: int) -> None:
            source.start(
                FitRequest(
                    t_ns=RigNs(0),
                    fit_id=fit_id,
                    parent_hash=what,
                    n_trials=0,
                    n_held_out=0,
                    rng_seed=0,
                    trials=(),
                )
            )

        def numbers(message: Message) -> Sequence[int]:
            return [message.fit_id] if isinstance(message, FitFinished) else ()

        yield Scene(
            source, partial(start, "answers"), partial(start, "fails", 999), numbers
        )


SCENES: dict[str, Callable[[Path], AbstractContextManager[Scene]]] = {
    "emg": lambda _: emg(),
    "pose": lambda _: pose(),
    "stimulator": lambda _: stimulator(),
    "markers": lambda _: markers(),
    "bus": lambda _: bus(),
    "fit": fit,
}


@pytest.fixture(scope="module", params=SCENES)
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Give one scene for all tests of a source, in the order of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # a fit's process imports the tests
        with SCENES[request.param](tmp_path_factory.mktemp("source")) as scene:
            yield scene


def test_nothing_comes_of_what_was_not_sent(scene: Scene) -> None:
    for _ in range(5):
        scene.take(0.0)
    assert scene.got() == []
    scene.take()
    assert scene.got() == []


def test_all_that_is_sent_comes_once_and_in_order(scene: Scene) -> None:
    for _ in range(5):
        scene.take_until(scene.send_next())
    for _ in range(3):
        scene.take(0.0)
    assert scene.got() == list(range(5))


def test_what_comes_is_what_a_journal_can_hold(scene: Scene) -> None:
    scene.take_until(scene.send_next())
    for given in scene.given:
        message = inner(given)
        assert encode(decode(encode(message))) == encode(message)
        if isinstance(given, Received):
            assert decode(given.frame) == message
            assert given.origin.count("/") == 1


def test_what_was_handed_over_does_not_change_any_more(scene: Scene) -> None:
    before = [encode(inner(one)) for one in scene.given]
    scene.take_until(scene.send_next())
    scene.take_until(scene.send_next())
    assert [encode(inner(one)) for one in scene.given[: len(before)]] == before


def test_an_outside_that_is_gone_is_no_exception(scene: Scene) -> None:
    n_before = len(scene.got())
    scene.leave()
    for _ in range(30):
        scene.take()
    assert [one for one in scene.got()[n_before:] if one != 999] == []
