"""Every deciding node replays byte for byte, whatever it was given."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.messages import ClockOffset, LinkChanged, Message, PoseReceived
from m2m_rt.nodes.pose import PoseNode
from m2m_rt.nodes.pose_settings import PoseSettings
from m2m_rt.replay import replay_daemon
from m2m_rt.units import NS_PER_MS, RigNs
from tests.support.messages import messages_of
from tests.support.recordings import record


def arriving(
    *message_types: type[Message],
) -> st.SearchStrategy[list[Message]]:
    """Return messages of these types, 0-200 ms apart."""
    each = st.one_of(*(messages_of(one) for one in message_types))
    steps_ms = st.integers(0, 200)
    pairs = st.lists(st.tuples(steps_ms, each), max_size=30)
    return pairs.map(_in_order)


def _in_order(pairs: list[tuple[int, Message]]) -> list[Message]:
    t_ns, ordered = 10**12, []
    for step_ms, message in pairs:
        t_ns += step_ms * NS_PER_MS
        ordered.append(msgspec.structs.replace(message, t_ns=RigNs(t_ns)))
    return ordered


@given(inputs=arriving(PoseReceived, LinkChanged, ClockOffset))
def test_the_pose_node_replays_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, inputs: list[Message]
) -> None:
    path = tmp_path_factory.mktemp("pose") / "posed.mcap"
    record(path, PoseNode(PoseSettings()), inputs)
    report = replay_daemon(path, PoseNode(PoseSettings()), daemon="posed")
    assert report.difference is None
    assert report.n_inputs >= len(inputs)
