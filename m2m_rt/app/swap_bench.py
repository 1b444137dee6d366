"""Nodes of `predictd` that have learnt the same trials, and what they are asked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from m2m_rt.adapters.onnx_predictor import (
    ModelFolder,
    OnnxPredictor,
    read_manifest,
    read_shipped_model,
)
from m2m_rt.adapters.rig_models import RigModels
from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import DataError
from m2m_rt.messages import (
    CoilPose,
    MepMeasured,
    Message,
    ModelPromoted,
    Prediction,
    PulseFired,
    StimulatorState,
    Trace,
    Trial,
    encode,
    pack_f64,
)
from m2m_rt.nodes import PredictNode, PredictSettings
from m2m_rt.units import F64, NS_PER_MS, RigNs

N_VARIANTS = 4
N_TRIALS = 12
_RMT_PCT_MSO = 50.0
_INTENSITY_PCT_MSO = 60.0
_START_NS = 10**12
_POSE_NS = 20 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class Variants:
    """Models that give different answers."""

    models: tuple[bytes, ...]
    table_hash: str
    muscles: tuple[str, ...]


def model_variants(folder: Path) -> Variants:
    """Return a shipped model and others made of it.

    Raises
    ------
    ModelRefused
        If it fails its checks.
    """
    from m2m_rt.nets.onnx_file import read_weights, with_weights

    model = read_shipped_model(folder)
    predictor = OnnxPredictor(model, expected_hash=read_manifest(folder).onnx_sha256)
    weights = read_weights(model)
    name = next(name for name in sorted(weights) if name.endswith(".bias"))
    others = [
        with_weights(
            model,
            {name: weights[name] * np.float32(1.0 + 0.2 * number)},
            prior=predictor.prior,
            contract=predictor.contract,
        )
        for number in range(1, N_VARIANTS)
    ]
    contract = predictor.contract
    return Variants((model, *others), contract.table_hash, contract.muscles)


class SwapBench:
    """Makes nodes that have learnt the same trials, and what they are asked."""

    def __init__(
        self,
        lookup: EfieldLookup,
        folder: ModelFolder,
        variants: Variants,
        hashes: Sequence[str],
        poses: Sequence[F64],
    ) -> None:
        self._lookup, self.hashes, self.poses = lookup, hashes, poses
        self._n_muscles = len(variants.muscles)
        self._models = RigModels(
            folder, table_hash=variants.table_hash, muscles=variants.muscles
        )

    def node(self) -> PredictNode:
        """Return a node that began with the first model and has learnt."""
        settings = PredictSettings(model_hash=self.hashes[0], rmt_pct_mso=_RMT_PCT_MSO)
        node = PredictNode(settings, self._lookup, self._models)
        for number in range(N_TRIALS):
            self._give_trial(node, number)
        return node

    def answers_of(self, model_hash: str) -> dict[int, bytes]:
        """Return what a model answers at each pose, in a node that swaps once."""
        node = self.node()
        if model_hash == self.hashes[0]:
            run_node(node, promotion(self.hashes[1], self.hashes[0], 1))
        run_node(node, promotion(model_hash, self.hashes[0], 2))
        return {
            number: essence(predictions(ask(node, pose, number))[0])
            for number, pose in enumerate(self.poses)
        }

    def _give_trial(self, node: PredictNode, number: int) -> None:
        at_ns = RigNs(_START_NS + number * _POSE_NS)
        ask(node, self.poses[number % len(self.poses)], number)
        run_node(node, _published(number, at_ns))
        edge_ns = RigNs(at_ns + NS_PER_MS * 2)
        run_node(node, PulseFired(t_ns=edge_ns, pulse_id=number, row=0))
        n = self._n_muscles
        sizes = 100.0 * 1.3 ** ((number * np.arange(1, n + 1)) % 11)
        mep = MepMeasured(
            t_ns=edge_ns,
            pulse_id=number,
            mep_p2p_uv=tuple(sizes.tolist()),
            mep_latency_ms=(None,) * n,
            preactivation_rms_uv=(2.0,) * n,
            present=(True,) * n,
            valid=(True,) * n,
            reason=("",) * n,
        )
        if not any(isinstance(o, Trial) and o.valid for o in run_node(node, mep)):
            raise DataError("the check's own trials were not learnt")


def promotion(model_hash: str, parent_hash: str, generation: int) -> ModelPromoted:
    """Return the message that makes a node use a model."""
    return ModelPromoted(
        t_ns=RigNs(_START_NS),
        model_hash=model_hash,
        parent_hash=parent_hash,
        generation=generation,
        reason="check",
    )


def predictions(said: Iterable[Message]) -> list[Prediction]:
    """Return the predictions among what a node said."""
    return [one for one in said if isinstance(one, Prediction)]


def essence(prediction: Prediction) -> bytes:
    """Return a prediction's bytes without when it was made and after what."""
    timeless = msgspec.structs.replace(
        prediction, t_ns=RigNs(0), seq=0, pose_seq=0, posterior_seq=0
    )
    return encode(timeless)


def run_node(node: PredictNode, message: Message) -> list[Message]:
    """Give a node one message; return all that it said."""
    return list(node.step(message.t_ns, message))


def ask(node: PredictNode, pose: F64, number: int) -> list[Message]:
    """Say the intensity and give a pose; return what the node said to the pose."""
    t_ns = RigNs(_START_NS + number * _POSE_NS)
    state = StimulatorState(t_ns=t_ns, intensity_pct_mso=_INTENSITY_PCT_MSO, valid=True)
    run_node(node, state)
    return run_node(
        node,
        CoilPose(t_ns=t_ns, seq=number, head_from_coil=pack_f64(pose), valid=True),
    )


def _published(prediction_seq: int, at_ns: RigNs) -> Trace:
    return Trace(
        t_ns=at_ns,
        topic="prediction",
        about_seq=prediction_seq,
        received_ns=at_ns,
        publish_ns=at_ns + NS_PER_MS,
    )
