"""The daemons' state machines: `step(now_ns, message)` and nothing else."""

from m2m_rt.nodes.acquire import AcquireNode
from m2m_rt.nodes.acquire_settings import AcquireSettings
from m2m_rt.nodes.answers import Answer, LearntAnswers, answer_of
from m2m_rt.nodes.candidates import CandidateFields, look_up
from m2m_rt.nodes.fields import FieldSource, Shift
from m2m_rt.nodes.forecaster import Forecaster
from m2m_rt.nodes.pose import PoseNode
from m2m_rt.nodes.pose_registration import PoseRegistration
from m2m_rt.nodes.pose_settings import PoseFault, PoseSettings
from m2m_rt.nodes.predict import PredictNode
from m2m_rt.nodes.predict_settings import PredictFault, PredictSettings
from m2m_rt.nodes.train import TrainNode, TrainSettings
from m2m_rt.nodes.trials import stimulus_of

__all__ = [
    "AcquireNode",
    "AcquireSettings",
    "Answer",
    "CandidateFields",
    "FieldSource",
    "Forecaster",
    "LearntAnswers",
    "PoseFault",
    "PoseNode",
    "PoseRegistration",
    "PoseSettings",
    "PredictFault",
    "PredictNode",
    "PredictSettings",
    "Shift",
    "TrainNode",
    "TrainSettings",
    "answer_of",
    "look_up",
    "stimulus_of",
]
