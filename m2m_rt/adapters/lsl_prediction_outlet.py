"""The prediction stream that other programs read: `m2m_pred`, microvolts."""

from collections.abc import Sequence

import numpy as np
import pylsl

from m2m_rt.messages import Prediction
from m2m_rt.units import F32, NS_PER_S

NAME = "m2m_pred"
TYPE = "MEP-prediction"
BACKLOG_S = 10
"""What is kept for a reader that does not take it, in hundreds of samples."""

_PARTS = ("", "_p05", "_p95")


def prediction_labels(muscles: Sequence[str]) -> tuple[str, ...]:
    """Return the channels' labels: median, 5 % and 95 % of each muscle.

    >>> prediction_labels(("FDI",))
    ('FDI', 'FDI_p05', 'FDI_p95')
    """
    return tuple(f"{muscle}{part}" for muscle in muscles for part in _PARTS)


def prediction_row(prediction: Prediction, n_muscles: int) -> F32:
    """Return a prediction in microvolts, (3 × n_muscles,); NaN where it is not valid.

    The median of a log-normal distribution is ten to its mean of logarithms.
    """
    if not prediction.valid:
        return np.full(3 * n_muscles, np.nan, dtype=np.float32)
    log10_uv = np.array(
        (
            prediction.mean_log10_uv,
            prediction.p05_log10_uv,
            prediction.p95_log10_uv,
        )
    )  # (3, n_muscles)
    row: F32 = np.power(10.0, log10_uv.T).astype(np.float32).ravel()
    return row


class PredictionOutlet:
    """Sends each prediction at the time of the pose that it was made for."""

    def __init__(self, muscles: Sequence[str], *, rig: str) -> None:
        """Open a rig's outlet.

        Its source id is `m2m_pred-RIG`: a reader whose rig has gone looks for the same
        id again, and must not find another rig's predictions.
        """
        self._n_muscles = len(muscles)
        labels = prediction_labels(muscles)
        info = pylsl.StreamInfo(
            NAME,
            TYPE,
            len(labels),
            pylsl.IRREGULAR_RATE,
            pylsl.cf_float32,
            f"{NAME}-{rig}",
        )
        channels = info.desc().append_child("channels")
        for label in labels:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "microvolts")
            channel.append_child_value("type", "EMG")
        self._outlet = pylsl.StreamOutlet(info, 1, BACKLOG_S)

    def publish(self, prediction: Prediction) -> None:
        """Send one prediction."""
        row = prediction_row(prediction, self._n_muscles)
        self._outlet.push_sample(row, prediction.t_ns / NS_PER_S)
