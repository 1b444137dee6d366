"""What the core needs of the outside: Protocols that adapters and `sim` fulfil."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from m2m_rt.learning import LastLayerPrior
from m2m_rt.messages import Message
from m2m_rt.units import F32, RigNs


class Clock(Protocol):
    """The rig clock."""

    def now_ns(self) -> RigNs:
        """Return the present instant; never decreases."""
        ...


class Node(Protocol):
    """A state machine: what one daemon knows and decides."""

    def step(self, now_ns: RigNs, message: Message) -> Iterable[Message]:
        """Take one message; give what follows from it, each sent as it is given."""
        ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """One input and when it was taken in, stamped once."""

    now_ns: RigNs
    message: Message
    frame: bytes | None = None
    """The message's bytes as they came, if they came as bytes."""

    origin: str = ""
    """`topic/daemon` if it came over the bus."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as the bus gave it."""

    message: Message
    frame: bytes
    origin: str
    """`topic/daemon`"""


class Inbox(Protocol):
    """Where inputs come from: live sources, or a journal."""

    def receive(self) -> Arrival | None:
        """Wait for the next input; None when there will be no more."""
        ...


class Outbox(Protocol):
    """Where outputs go: the bus and its surroundings, or a comparison."""

    def send(self, arrival: Arrival, message: Message, frame: bytes) -> None:
        """Pass on one output that followed from an arrival."""
        ...


class Record(Protocol):
    """Where a loop writes what it was handed and what it answered."""

    def wrote_input(self, arrival: Arrival, frame: bytes) -> None:
        """Store an input before the node sees it."""
        ...

    def wrote_output(self, arrival: Arrival, message: Message, frame: bytes) -> None:
        """Store an output after it was sent."""
        ...


class Predictor(Protocol):
    """A loaded, checked model."""

    @property
    def model_hash(self) -> str:
        """Sha256 of the model's file."""
        ...

    @property
    def prior(self) -> LastLayerPrior:
        """What the last layer believes before the first pulse."""
        ...

    def features(self, relative_efield: F32) -> F32:
        """Return (n, n_features) for fields (n, n_roi, 3)."""
        ...


class ModelLibrary(Protocol):
    """The models of a session, by hash."""

    def load(self, model_hash: str) -> Predictor:
        """Return a model after its checks.

        Raises
        ------
        ModelRefused
            If the file is missing, changed, or fails a check.
        """
        ...


class Source(Protocol):
    """One live source of inputs: an LSL inlet, the bus, running effects."""

    def poll(self, wait_s: float) -> Sequence[Message | Received]:
        """Return what has arrived, waiting at most `wait_s` if nothing has."""
        ...
