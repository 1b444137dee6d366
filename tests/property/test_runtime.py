"""Timers, numbering and the loop, for whatever a node may say or be given."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.adapters.journal import NoRecord
from m2m_rt.messages import (
    MarkerReceived,
    Message,
    SetTimer,
    StreamGap,
    decode,
    encode,
    tag_of,
)
from m2m_rt.ports import Arrival
from m2m_rt.runtime import Numbering, SequenceCheck, Timers, run_node
from m2m_rt.units import RigNs
from tests.support.messages import messages

NAMES = ("watch", "pair", "say")
requests = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 100)), max_size=30)


def timers_of(asked: list[tuple[str, int]]) -> Timers:
    timers = Timers()
    for name, due_ns in asked:
        timers.set(SetTimer(t_ns=RigNs(0), name=name, due_ns=due_ns))
    return timers


@given(asked=requests)
def test_each_name_ticks_once_when_its_last_request_is_due(
    asked: list[tuple[str, int]],
) -> None:
    timers = timers_of(asked)
    ticks = []
    for now_ns in range(101):
        while (tick := timers.pop_due(RigNs(now_ns))) is not None:
            assert tick.t_ns == now_ns
            ticks.append((tick.name, int(tick.t_ns)))
    assert dict(ticks) == dict(asked)
    assert len(ticks) == len(dict(asked))
    assert timers.next_due_ns() is None


@given(asked=requests, now_ns=st.integers(0, 100))
def test_nothing_ticks_before_it_is_due(
    asked: list[tuple[str, int]], now_ns: int
) -> None:
    timers = timers_of(asked)
    early = [due_ns for due_ns in dict(asked).values() if due_ns > now_ns]
    while timers.pop_due(RigNs(now_ns)) is not None:
        pass
    assert timers.next_due_ns() == min(early, default=None)


@given(said=st.lists(messages(), max_size=30))
def test_messages_of_a_kind_are_numbered_without_a_hole(said: list[Message]) -> None:
    numbering = Numbering()
    numbers = defaultdict(list)
    for one in said:
        numbered = numbering.number(one)
        assert msgspec.structs.replace(numbered, seq=one.seq) == one
        numbers[tag_of(one)].append(numbered.seq)
    for tag, count in Counter(map(tag_of, said)).items():
        assert numbers[tag] == list(range(count))


@given(arrives=st.lists(st.booleans(), max_size=40))
def test_the_number_of_lost_messages_is_exact(arrives: list[bool]) -> None:
    check = SequenceCheck()
    found = [check.n_missing("emg/a", seq) for seq, got in enumerate(arrives) if got]
    last = max((seq for seq, got in enumerate(arrives) if got), default=-1)
    assert sum(found) == arrives[: last + 1].count(False)
    assert check.n_missing("emg/b", 0) == 0
    assert all(check.n_missing("emg/a", seq) == -1 for seq in range(last + 1))


class _Echo:
    """Says what it is given; remembers it."""

    def __init__(self) -> None:
        self.given: list[Message] = []

    def step(self, now_ns: RigNs, message: Message) -> Iterable[Message]:
        del now_ns
        self.given.append(message)
        return (message,)


class _Lab:
    """An inbox of messages, with or without their frames, and an outbox."""

    def __init__(self, inputs: list[Message], *, has_frames: bool) -> None:
        self._inputs = iter(inputs)
        self._has_frames = has_frames
        self.sent: list[bytes] = []

    def receive(self) -> Arrival | None:
        message = next(self._inputs, None)
        if message is None:
            return None
        frame = encode(message) if self._has_frames else None
        return Arrival(RigNs(1), message, frame)

    def send(self, arrival: Arrival, message: Message, frame: bytes) -> None:
        del arrival
        assert decode(frame) == message
        self.sent.append(frame)


@given(inputs=st.lists(messages(), max_size=12))
def test_a_node_is_given_the_same_live_and_in_replay(inputs: list[Message]) -> None:
    live, replayed = _Echo(), _Echo()
    from_adapters = _Lab(inputs, has_frames=False)
    from_journal = _Lab([decode(encode(one)) for one in inputs], has_frames=True)
    run_node(live, from_adapters, from_adapters, NoRecord())
    run_node(replayed, from_journal, from_journal, NoRecord())
    assert live.given == replayed.given == inputs
    assert from_adapters.sent == from_journal.sent
    n_gaps = sum(isinstance(one, StreamGap) for one in inputs)
    assert len(from_adapters.sent) == len(inputs) + n_gaps


def test_a_whole_number_in_a_float_field_reaches_the_node_as_a_replay_would() -> None:
    made = MarkerReceived(t_ns=RigNs(0), text="", device_s=3)
    node, lab = _Echo(), _Lab([made], has_frames=False)
    run_node(node, lab, lab, NoRecord())
    (given_to_node,) = node.given
    assert isinstance(given_to_node, MarkerReceived)
    assert type(given_to_node.device_s) is float
