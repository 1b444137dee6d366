"""No sequence of messages that can be decoded makes a node fail."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2m_rt.geometry import CoilConvention, matrix_rows
from m2m_rt.messages import (
    CoilPose,
    EmgReceived,
    MarkerReceived,
    MepMeasured,
    Message,
    ModelPromoted,
    PromotionRefused,
    PulseFired,
    SessionEvent,
    StimulatorReceived,
    StimulatorState,
    Tick,
    Trace,
    Trial,
    decode,
    encode,
    pack_f32,
    pack_f64,
)
from m2m_rt.nodes import (
    PoseNode,
    PoseRegistration,
    PoseSettings,
    TrainNode,
    TrainSettings,
)
from m2m_rt.ports import Node
from m2m_rt.units import NS_PER_MS, RigNs
from tests.support.acquiring import START_S, acquire_node
from tests.support.messages import messages, messages_of
from tests.support.predicting import intensity_at, mep_at, pose_at, predict_node

floats = st.floats(width=32)
stamps_s = st.one_of(st.floats(), st.floats(START_S, START_S + 5.0))


@st.composite
def emg(draw: st.DrawFn) -> EmgReceived:
    """Return rows of the right shape with any numbers, or edges, and any stamps."""
    n_rows = draw(st.integers(0, 300))
    samples = np.zeros((n_rows, 4), np.float32)
    for _ in range(draw(st.integers(0, 4)) if n_rows else 0):
        row = draw(st.integers(0, n_rows - 1))
        samples[row:, draw(st.integers(0, 3))] = draw(floats)
    own_s = draw(stamps_s) + np.arange(n_rows) / 2000.0
    return EmgReceived(
        t_ns=RigNs(0), stamps_s=pack_f64(own_s), samples=pack_f32(samples)
    )


def likely() -> st.SearchStrategy[Message]:
    """Return messages that reach deep into the nodes."""
    ms = st.integers(0, 3000)
    return st.one_of(
        emg(),
        st.builds(
            MarkerReceived,
            t_ns=st.just(RigNs(0)),
            text=st.sampled_from(['{"pulse":1}', '{"pulse":2,"intensity_pct_mso":60}']),
            device_s=stamps_s,
        ),
        st.builds(pose_at, ms, shift_mm=st.floats(-60.0, 60.0)),
        st.builds(intensity_at, ms, st.sampled_from([0.0, 60.0, 100.0, None])),
        st.builds(
            mep_at,
            ms,
            st.integers(0, 3),
            size_uv=st.sampled_from([0.0, 5.0, 1e5, 1e300]),
            n_muscles=st.sampled_from([15, 15, 15, 2, 0]),
        ),
        st.builds(
            PulseFired,
            t_ns=ms.map(lambda one: pose_at(one).t_ns),
            pulse_id=st.integers(0, 3),
            row=st.just(0),
        ),
        st.builds(
            Trace,
            t_ns=st.just(RigNs(0)),
            topic=st.just("prediction"),
            about_seq=st.integers(0, 5),
            received_ns=st.just(0),
            publish_ns=st.just(0),
        ),
        st.builds(Tick, t_ns=st.just(RigNs(0)), name=st.sampled_from(["pair", "x"])),
        *(
            messages_of(one)
            for one in (
                CoilPose,
                MepMeasured,
                ModelPromoted,
                PromotionRefused,
                PromotionRefused,
                PulseFired,
                SessionEvent,
                StimulatorReceived,
                StimulatorState,
                Trial,
            )
        ),
    )


TRAINING = TrainSettings(
    model_hash="a" * 64, first_fit_trials=2, fit_every_trials=1, n_held_out=1
)


PLANNED = matrix_rows(np.diag((1.0, -1.0, -1.0, 1.0)))
OTHER_FRAME = PoseRegistration(
    head_from_tracker=matrix_rows(np.eye(4)),
    convention=CoilConvention.LOCALITE_LPS,
    unit="m",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


NODES: dict[str, Callable[[Path], Node]] = {
    "acquired": lambda _: acquire_node(),
    "posed": lambda _: PoseNode(PoseSettings(wrong_poses=1), OTHER_FRAME, PLANNED),
    "predictd": predict_node,
    "traind": lambda _: TrainNode(TRAINING),
}

sequences = st.lists(
    st.tuples(st.integers(0, 300), st.one_of(likely(), messages())), max_size=25
)


@pytest.mark.parametrize("daemon", NODES)
@settings(max_examples=60)
@given(inputs=sequences)
def test_no_sequence_of_messages_makes_a_node_fail(
    models: Path, daemon: str, inputs: list[tuple[int, Message]]
) -> None:
    node = NODES[daemon](models)
    now_ns = int(START_S * 1e9)
    for step_ms, message in inputs:
        now_ns += step_ms * NS_PER_MS
        for given_to in (message, msgspec.structs.replace(message, t_ns=RigNs(now_ns))):
            for answer in node.step(RigNs(now_ns), given_to):
                assert decode(encode(answer)) == answer
