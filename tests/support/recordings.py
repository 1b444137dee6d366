"""Small journals of a node that filters, counts, and sets timers."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from m2m_rt.adapters.journal import Journal
from m2m_rt.messages import (
    EmgChunk,
    EmgReceived,
    Message,
    SessionEvent,
    SessionEventKind,
    SetTimer,
    Tick,
    pack_f32,
    pack_f64,
    unpack_f32,
)
from m2m_rt.ports import Arrival, Node
from m2m_rt.runtime.loop import run_node
from m2m_rt.runtime.timers import Timers
from m2m_rt.units import NS_PER_MS, RigNs

N_ROWS = 4
N_CHANNELS = 3


class Smoother:
    """Smooths every channel, and says so 7 ms after each third chunk."""

    def __init__(self, coefficient: float = 0.25) -> None:
        self._coefficient = coefficient
        self._level = np.zeros(N_CHANNELS, np.float32)
        self._n_chunks = 0

    def step(self, now_ns: RigNs, message: Message) -> Iterable[Message]:
        if isinstance(message, EmgReceived):
            yield self._smoothed(now_ns, message)
            if self._n_chunks % 3 == 0:
                due_ns = now_ns + 7 * NS_PER_MS
                yield SetTimer(t_ns=now_ns, name="say", due_ns=due_ns)
        elif isinstance(message, Tick):
            text = f"{self._n_chunks} chunks, {message.name}"
            yield SessionEvent(t_ns=now_ns, kind=SessionEventKind.NOTE, text=text)

    def _smoothed(self, now_ns: RigNs, chunk: EmgReceived) -> EmgChunk:
        rows = []
        for row in unpack_f32(chunk.samples):
            step = np.float32(self._coefficient) * (row - self._level)
            self._level = self._level + step
            rows.append(self._level)
        self._n_chunks += 1
        return EmgChunk(
            t_ns=now_ns,
            first_row=self._n_chunks * N_ROWS,
            fs_hz=5000.0,
            samples=pack_f32(np.array(rows)),
        )


class FailsAt(Smoother):
    """Fails at its `n`th input."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self._left = n

    def step(self, now_ns: RigNs, message: Message) -> Iterable[Message]:
        self._left -= 1
        if self._left < 0:
            msg = "planted"
            raise ArithmeticError(msg)
        yield from super().step(now_ns, message)


def chunks(n_chunks: int, seed: int = 1) -> list[EmgReceived]:
    """Return chunks of noise, 5 ms apart."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(n_chunks):
        t_ns = RigNs(10_000_000_000 + index * 5 * NS_PER_MS)
        noise = rng.normal(0.0, 10.0, (N_ROWS, N_CHANNELS)).astype(np.float32)
        stamps_s = t_ns / 1e9 + np.arange(N_ROWS) / 5000.0
        made.append(
            EmgReceived(
                t_ns=t_ns,
                seq=index,
                stamps_s=pack_f64(stamps_s),
                samples=pack_f32(noise),
            )
        )
    return made


def record(
    path: Path, node: Node, inputs: Sequence[Message], *, is_clean: bool = True
) -> Path:
    """Run a node on inputs that arrive 1 ms after they happened; keep its journal."""
    lab = _Lab(inputs)
    journal = Journal(path)
    try:
        run_node(node, lab, lab, journal)
    except ArithmeticError:
        is_clean = False
    journal.close(is_clean=is_clean)
    return path


class _Lab:
    """Inbox and outbox in virtual time: inputs, and ticks as they come due."""

    def __init__(self, inputs: Sequence[Message]) -> None:
        self._inputs: Iterator[Message] = iter(inputs)
        self._timers = Timers()
        self._next = next(self._inputs, None)

    def receive(self) -> Arrival | None:
        """Return the next tick or input, whichever comes first."""
        if self._next is None:
            return None
        now_ns = RigNs(self._next.t_ns + NS_PER_MS)
        tick = self._timers.pop_due(now_ns)
        if tick is not None:
            return Arrival(tick.t_ns, tick)
        message, self._next = self._next, next(self._inputs, None)
        return Arrival(now_ns, message)

    def send(self, arrival: Arrival, message: Message, frame: bytes) -> None:
        """Set the timers that the node asks for."""
        del arrival, frame
        if isinstance(message, SetTimer):
            self._timers.set(message)
