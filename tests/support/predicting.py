"""A small table, small models and message factories: all that predictd needs."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from m2m_rt.adapters.onnx_predictor import ModelFolder
from m2m_rt.adapters.rig_models import RigModels
from m2m_rt.efield import EfieldLookup
from m2m_rt.messages import (
    CoilPose,
    MepMeasured,
    Message,
    Prediction,
    PulseFired,
    StimulatorState,
    Trace,
    Trial,
    pack_f64,
)
from m2m_rt.model import MUSCLES
from m2m_rt.nets.committee import fit_columns
from m2m_rt.nets.committee_file import with_columns
from m2m_rt.nets.onnx_file import with_weights
from m2m_rt.nodes import PredictNode, PredictSettings
from m2m_rt.runtime import Numbering
from m2m_rt.units import F64, NS_PER_MS, RigNs
from tests.support.efield import make_synthetic_table, planned_pose
from tests.support.models import N_ROI, small_contract, small_model, small_prior

TABLE_HASH = "0" * 64
START_NS = 10**12


@functools.cache
def small_lookup() -> EfieldLookup:
    """Return a look-up in a table whose region of interest the small models take."""
    table = make_synthetic_table(n_roi=N_ROI)
    return EfieldLookup(replace(table, table_hash=TABLE_HASH))


@functools.cache
def model_bytes(seed: int, table_hash: str = TABLE_HASH) -> bytes:
    """Return a model with its own last layer."""
    contract = msgspec.structs.replace(small_contract(), table_hash=table_hash)
    prior = small_prior(seed=seed)
    weights = {"hidden_out.bias": np.full(8, 1.0, np.float32)}
    return with_weights(small_model(), weights, prior=prior, contract=contract)


def store_models(folder: Path, *seeds: int) -> tuple[str, ...]:
    """Store models in a folder; return their hashes."""
    models = ModelFolder(folder)
    return tuple(models.store(model_bytes(seed)) for seed in seeds)


def store_committee(folder: Path) -> str:
    """Store a committee over model 1, of invented trials; return its hash."""
    rng, n_trials = np.random.default_rng(0), 20
    fields = rng.standard_normal((n_trials, N_ROI, 3)).astype(np.float32)
    columns = fit_columns(fields, rng.uniform(1.0, 3.0, (n_trials, len(MUSCLES))))
    every = np.ones(len(MUSCLES), np.bool_)
    return ModelFolder(folder).store(with_columns(model_bytes(1), columns, every))


def predict_node(
    folder: Path,
    muscles: Sequence[str] = MUSCLES,
    rmt_pct_mso: float = 50.0,
    map_poses: F64 | None = None,
) -> PredictNode:
    """Return a fresh node that begins with model 0; others may lie in the folder."""
    (model_hash,) = store_models(folder, 0)
    models = RigModels(ModelFolder(folder), table_hash=TABLE_HASH, muscles=muscles)
    settings = PredictSettings(model_hash=model_hash, rmt_pct_mso=rmt_pct_mso)
    return PredictNode(settings, small_lookup(), models, map_poses=map_poses)


def at(ms: float) -> RigNs:
    """Return an instant so long after the start."""
    return RigNs(START_NS + round(ms * NS_PER_MS))


def pose_at(ms: float, *, shift_mm: float = 0.0, seq: int = 0) -> CoilPose:
    """Return the planned pose, shifted along the coil's x axis."""
    head_from_coil: F64 = planned_pose()
    head_from_coil[:3, 3] += shift_mm * head_from_coil[:3, 0]
    return CoilPose(
        t_ns=at(ms), seq=seq, head_from_coil=pack_f64(head_from_coil), valid=True
    )


def intensity_at(ms: float, level: float | None = 60.0) -> StimulatorState:
    """Return what the stimulator is set to."""
    return StimulatorState(
        t_ns=at(ms), intensity_pct_mso=level, valid=level is not None
    )


def pulse_at(ms: float, pulse_id: int = 0) -> PulseFired:
    """Return an edge."""
    return PulseFired(t_ns=at(ms), pulse_id=pulse_id, row=0)


def mep_at(
    ms: float,
    pulse_id: int = 0,
    *,
    size_uv: float = 300.0,
    marker_pct: float | None = None,
    n_muscles: int = len(MUSCLES),
) -> MepMeasured:
    """Return valid MEPs of one size."""
    return MepMeasured(
        t_ns=at(ms),
        pulse_id=pulse_id,
        mep_p2p_uv=(size_uv,) * n_muscles,
        mep_latency_ms=(None,) * n_muscles,
        preactivation_rms_uv=(2.0,) * n_muscles,
        present=(True,) * n_muscles,
        valid=(True,) * n_muscles,
        reason=("",) * n_muscles,
        marker_intensity_pct_mso=marker_pct,
    )


class Desk:
    """Hands a predicting node its inputs, and its traces as the outbox would."""

    def __init__(self, node: PredictNode, publish_ms: float = 1.0) -> None:
        """A prediction has left this long after its input came."""
        self._node = node
        self._numbering = Numbering()
        self._publish_ns = round(publish_ms * NS_PER_MS)

    def give(self, message: Message, *, late_ms: float = 0.0) -> list[Message]:
        """Give one message, so long after it happened; return the answers."""
        now_ns = RigNs(message.t_ns + round(late_ms * NS_PER_MS))
        answers = [
            self._numbering.number(one) for one in self._node.step(now_ns, message)
        ]
        for one in answers:
            if isinstance(one, Prediction):
                self._give_trace(now_ns, one)
        return answers

    def predict(self, message: CoilPose, *, late_ms: float = 0.0) -> Prediction:
        """Return the prediction for a pose."""
        (prediction,) = (
            one
            for one in self.give(message, late_ms=late_ms)
            if isinstance(one, Prediction)
        )
        return prediction

    def trial(self, *messages: Message) -> Trial:
        """Return the trial that the last of some messages makes."""
        answers: list[Message] = []
        for message in messages:
            answers = self.give(message)
        (trial,) = (one for one in answers if isinstance(one, Trial))
        return trial

    def _give_trace(self, now_ns: RigNs, prediction: Prediction) -> None:
        trace = Trace(
            t_ns=prediction.t_ns,
            topic="prediction",
            about_seq=prediction.seq,
            received_ns=now_ns,
            publish_ns=now_ns + self._publish_ns,
        )
        assert not list(self._node.step(now_ns, trace))
