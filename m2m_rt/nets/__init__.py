"""Torch networks, their training and export; never in a real-time process."""

from m2m_rt.nets.picture import draw_learning_curve, summary
from m2m_rt.nets.recipe import TrainedModel, train_and_score
from m2m_rt.nets.sessions import HeadField, Progress, head_field
from m2m_rt.nets.train import TrainSettings
from m2m_rt.nets.trained_folder import export_trained, save_trained

__all__ = [
    "HeadField",
    "Progress",
    "TrainSettings",
    "TrainedModel",
    "draw_learning_curve",
    "export_trained",
    "head_field",
    "save_trained",
    "summary",
    "train_and_score",
]
