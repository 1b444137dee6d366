"""An acquiring node and the second of a lab that it is given."""

from collections.abc import Iterable, Sequence

import numpy as np

from m2m_rt.emg import EmgSettings, FilterSettings, default_muscles
from m2m_rt.messages import (
    EmgReceived,
    Link,
    LinkChanged,
    MarkerReceived,
    Message,
    SetTimer,
    StimulatorReceived,
    Tick,
    pack_f32,
    pack_f64,
)
from m2m_rt.nodes import AcquireNode, AcquireSettings
from m2m_rt.runtime import Timers
from m2m_rt.units import F32, F64, RigNs, rig_ns

FS_HZ = 2000.0
START_S = 100.0
MUSCLES = tuple(m for m in default_muscles() if m.name in {"FDI", "ECR", "BIC"})


def acquire_node(marker_wait_ms: float = 150.0) -> AcquireNode:
    """Return a fresh node of three muscles at 2 kHz."""
    reading = EmgSettings(muscles=MUSCLES, filter=FilterSettings(lowpass_hz=500.0))
    return AcquireNode(
        AcquireSettings(fs_hz=FS_HZ, reading=reading, marker_wait_ms=marker_wait_ms)
    )


def emg_with_pulses(edges: Sequence[int], n_rows: int, seed: int = 3) -> F32:
    """Return (n_rows, 4): noise, a trigger 5 ms high at each edge, MEPs after it."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0.0, 2.0, (n_rows, len(MUSCLES) + 1)).astype(np.float32)
    samples[:, -1] = 0.0
    wave = 400.0 * np.sin(np.linspace(0.0, 2 * np.pi, 24)).astype(np.float32)
    for edge in edges:
        samples[edge : edge + 10, -1] = 5.0
        span = samples[edge + 44 : edge + 68, :-1]
        span += wave[: len(span), np.newaxis]
    return samples


def stamps_of(n_rows: int) -> F64:
    """Return stamps of rows that come in time."""
    return START_S + np.arange(n_rows) / FS_HZ


def row_ns(row: float) -> RigNs:
    """Return the instant of a row."""
    return rig_ns(START_S + row / FS_HZ)


def received(
    samples: F32, stamps_s: F64, *, came_ns: RigNs | None = None
) -> EmgReceived:
    """Return rows as an inlet gives them, the moment the last one was sampled."""
    last_s = stamps_s[-1] if len(stamps_s) and np.isfinite(stamps_s[-1]) else START_S
    return EmgReceived(
        t_ns=rig_ns(float(last_s)) if came_ns is None else came_ns,
        stamps_s=pack_f64(stamps_s),
        samples=pack_f32(samples),
    )


def marker_at(row: float, pulse: int, level: float = 60.0) -> MarkerReceived:
    """Return the lab's marker of a pulse."""
    text = f'{{"pulse": {pulse}, "intensity_pct_mso": {level}}}'
    return MarkerReceived(t_ns=row_ns(row), text=text, device_s=START_S + row / FS_HZ)


def state_at(row: float, level: float = 60.0) -> StimulatorReceived:
    """Return the stimulator's intensity."""
    return StimulatorReceived(
        t_ns=row_ns(row), intensity_pct_mso=level, device_s=START_S + row / FS_HZ
    )


def link_at(row: float, stream: str, link: Link) -> LinkChanged:
    """Return what became of a link."""
    return LinkChanged(t_ns=row_ns(row), stream=stream, link=link)


class Lab:
    """Hands a node its inputs at the times of their `t_ns`, and its ticks between."""

    def __init__(self, node: AcquireNode) -> None:
        self._node = node
        self._timers = Timers()
        self.said: list[Message] = []

    def give(self, *messages: Message) -> list[Message]:
        """Give messages in order; return what was said to them."""
        n_before = len(self.said)
        for message in messages:
            self.let_pass(message.t_ns)
            self._take(self._node.step(message.t_ns, message))
        return self.said[n_before:]

    def let_pass(self, until_ns: RigNs) -> list[Message]:
        """Give the ticks that come due until an instant."""
        n_before = len(self.said)
        while (tick := self._timers.pop_due(until_ns)) is not None:
            self._take(self._node.step(tick.t_ns, tick))
        return self.said[n_before:]

    def start(self) -> list[Message]:
        """Give the first tick."""
        return self.give(Tick(t_ns=row_ns(0), name="started"))

    def _take(self, answers: Iterable[Message]) -> None:
        for one in answers:
            if isinstance(one, SetTimer):
                self._timers.set(one)
            else:
                self.said.append(one)
