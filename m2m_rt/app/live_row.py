"""One muscle's row of the live view: numbers, and a picture of them on a log axis."""

import math

from rich.console import RenderableType
from rich.text import Text

from m2m_rt.messages import Prediction, Trial

_AXIS_LOG10_UV = (math.log10(5.0), math.log10(5000.0))
_AXIS_WIDTH = 28
_NO_INTERVAL = ("", "")


def muscle_row(
    next_one: Prediction | None, trial: Trial | None, *, muscle: int
) -> tuple[RenderableType, ...]:
    """Return a muscle's cells: the next pulse's, then the last one's."""
    ahead = (Text(cell, style="cyan") for cell in _predicted(next_one, muscle))
    if trial is None:
        return (*ahead, *_NO_INTERVAL, "", _axis(next_one, None, muscle), "")
    size_uv = trial.mep.mep_p2p_uv[muscle]
    is_valid = trial.mep.valid[muscle] and trial.valid
    style = _style(trial.prediction, muscle, size_uv) if is_valid else "dim"
    measured = Text("–" if size_uv is None else f"{size_uv:.0f}", style=style)
    mark = None if size_uv is None else (size_uv, style)
    return (
        *ahead,
        *_predicted(trial.prediction, muscle),
        measured,
        _axis(trial.prediction, mark, muscle),
        trial.mep.reason[muscle].replace("_", " "),
    )


def _predicted(prediction: Prediction | None, muscle: int) -> tuple[str, str]:
    if prediction is None or not prediction.valid:
        return _NO_INTERVAL
    low, high = prediction.p05_log10_uv[muscle], prediction.p95_log10_uv[muscle]
    mean = prediction.mean_log10_uv[muscle]
    return f"{10**mean:.0f}", f"{10**low:.0f} – {10**high:.0f}"


def _axis(
    prediction: Prediction | None, mark: tuple[float, str] | None, muscle: int
) -> Text:
    """Return the predicted interval as a bar and the measured size as a dot."""
    axis = Text("·" * _AXIS_WIDTH, style="dim")
    if prediction is not None and prediction.valid:
        first = _column(prediction.p05_log10_uv[muscle])
        last = _column(prediction.p95_log10_uv[muscle])
        middle = _column(prediction.mean_log10_uv[muscle])
        axis = _put(axis, first, "━" * (last - first + 1), "blue")
        axis = _put(axis, middle, "┿", "bold blue")
    if mark is not None:
        size_uv, style = mark
        axis = _put(axis, _column(math.log10(max(size_uv, 5.0))), "●", style)
    return axis


def _put(axis: Text, column: int, what: str, style: str) -> Text:
    return axis[:column] + Text(what, style=style) + axis[column + len(what) :]


def _column(log10_uv: float) -> int:
    low, high = _AXIS_LOG10_UV
    place = (log10_uv - low) / (high - low) * (_AXIS_WIDTH - 1)
    return min(max(round(place), 0), _AXIS_WIDTH - 1)


def _style(prediction: Prediction | None, muscle: int, size_uv: float | None) -> str:
    """Return green where the measured size lies in the predicted interval."""
    if prediction is None or size_uv is None:
        return ""
    low, high = prediction.p05_log10_uv[muscle], prediction.p95_log10_uv[muscle]
    is_inside = 10**low <= max(size_uv, 5.0) <= 10**high
    return "bold green" if is_inside else "bold yellow"
