"""Torch networks, their training and export; never in a real-time process."""

from m2m_rt.nets.paper_training import (
    PAPER_HEADS,
    SMALL_PAPER,
    PaperRun,
    PaperSettings,
    train_paper_net,
)
from m2m_rt.nets.picture import draw_learning_curve, summary
from m2m_rt.nets.recipe import TrainedModel, train_and_score
from m2m_rt.nets.refit import RefitSettings, Refitted, Trials, refit
from m2m_rt.nets.sessions import HeadField, Progress, head_field
from m2m_rt.nets.train import SMALL_TRAINING, TrainSettings
from m2m_rt.nets.trained_folder import export_trained, save_trained

__all__ = [
    "PAPER_HEADS",
    "SMALL_PAPER",
    "SMALL_TRAINING",
    "HeadField",
    "PaperRun",
    "PaperSettings",
    "Progress",
    "RefitSettings",
    "Refitted",
    "TrainSettings",
    "TrainedModel",
    "Trials",
    "draw_learning_curve",
    "export_trained",
    "head_field",
    "refit",
    "save_trained",
    "summary",
    "train_and_score",
    "train_paper_net",
]
