"""The daemons' state machines: `step(now_ns, message)` and nothing else."""

from m2m_rt.nodes.acquire import AcquireNode
from m2m_rt.nodes.acquire_settings import AcquireSettings
from m2m_rt.nodes.candidates import CandidateFields, look_up
from m2m_rt.nodes.pose import PoseNode
from m2m_rt.nodes.pose_registration import PoseRegistration
from m2m_rt.nodes.pose_settings import PoseFault, PoseSettings
from m2m_rt.nodes.predict import PredictNode
from m2m_rt.nodes.predict_settings import PredictFault, PredictSettings
from m2m_rt.nodes.train import TrainNode, TrainSettings

__all__ = [
    "AcquireNode",
    "AcquireSettings",
    "CandidateFields",
    "PoseFault",
    "PoseNode",
    "PoseRegistration",
    "PoseSettings",
    "PredictFault",
    "PredictNode",
    "PredictSettings",
    "TrainNode",
    "TrainSettings",
    "look_up",
]
