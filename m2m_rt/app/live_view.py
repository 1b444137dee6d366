"""The live view in the terminal: predicted with interval, and measured, by muscle."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from m2m_rt.messages import Health, Message, ModelPromoted, Prediction, Trial


class LiveView:
    """What an operator looks at; keeps the last of everything."""

    def __init__(self, muscles: Sequence[str], *, n_planned: int | None = None) -> None:
        """Show these muscles; `n_planned` pulses are expected."""
        self._muscles = tuple(muscles)
        self._n_planned = n_planned
        self._prediction: Prediction | None = None
        self._trial: Trial | None = None
        self._generation = 0
        self.n_trials = 0
        self.n_predicted = 0

    def take(self, messages: Iterable[Message]) -> None:
        """Take what the daemons said."""
        for message in messages:
            match message:
                case Prediction():
                    self._prediction = message
                case Trial(revision=0):
                    self._trial = message
                    self.n_trials += 1
                    self.n_predicted += message.prediction is not None
                case Trial():
                    self._trial = message
                case ModelPromoted(generation=generation):
                    self._generation = generation

    def render(
        self, health: Mapping[str, Health], failed: Mapping[str, str]
    ) -> RenderableType:
        """Return the view as it is now."""
        return Group(self._headline(health, failed), self._table(), self._last_line())

    def line(self) -> str:
        """Return the last trial as one line, where there is no terminal to redraw."""
        trial = self._trial
        if trial is None or trial.prediction is None:
            return f"pulse {self.n_trials}: no prediction before it"
        mep, predicted = trial.mep, trial.prediction.mean_log10_uv
        strongest = max(range(len(predicted)), key=lambda m: predicted[m])
        return (
            f"pulse {self.n_trials}: {self._muscles[strongest]} predicted "
            f"{_uv(predicted[strongest])} µV, "
            f"measured {_size(mep.mep_p2p_uv[strongest])} µV, "
            f"{sum(mep.valid)} of {len(mep.valid)} muscles valid"
        )

    def _headline(
        self, health: Mapping[str, Health], failed: Mapping[str, str]
    ) -> RenderableType:
        faults = {name: one.reason for name, one in health.items() if one.reason}
        faults.update(failed)
        if faults:
            said = "; ".join(f"{name}: {why}" for name, why in faults.items())
            return Text(f"FAULT  {said}", style="bold red")
        prediction = self._prediction
        if prediction is None:
            return Text("WAITING  for the first coil pose", style="yellow")
        if not prediction.valid:
            return Text(f"NOT PREDICTING  {prediction.reason}", style="yellow")
        level = prediction.intensity_pct_mso
        return Text(f"PREDICTING  {level:.0f} % MSO", style="bold green")

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 1))
        table.add_column("muscle")
        for title in ("next: µV", "90 % interval"):
            table.add_column(title, justify="right", style="cyan")
        for title in ("last pulse: predicted", "90 % interval", "measured µV"):
            table.add_column(title, justify="right")
        table.add_column("")
        for muscle, name in enumerate(self._muscles):
            table.add_row(
                name,
                *_columns(self._prediction, muscle),
                *self._last_columns(muscle),
            )
        return table

    def _last_columns(self, muscle: int) -> tuple[str, str, RenderableType, str]:
        trial = self._trial
        if trial is None:
            return ("", "", "", "")
        size_uv = trial.mep.mep_p2p_uv[muscle]
        is_valid = trial.mep.valid[muscle]
        style = _style(trial.prediction, muscle, size_uv) if is_valid else "dim"
        return (
            *_columns(trial.prediction, muscle),
            Text(_size(size_uv), style=style),
            trial.mep.reason[muscle],
        )

    def _last_line(self) -> Text:
        planned = f" of {self._n_planned}" if self._n_planned else ""
        return Text(
            f"pulses {self.n_trials}{planned}, predicted before {self.n_predicted}, "
            f"model generation {self._generation}",
            style="dim",
        )


def _columns(prediction: Prediction | None, muscle: int) -> tuple[str, str]:
    if prediction is None or not prediction.valid:
        return ("", "")
    low, high = prediction.p05_log10_uv[muscle], prediction.p95_log10_uv[muscle]
    return _uv(prediction.mean_log10_uv[muscle]), f"{_uv(low)} … {_uv(high)}"


def _style(prediction: Prediction | None, muscle: int, size_uv: float | None) -> str:
    """Return green where the measured size lies in the predicted interval."""
    if prediction is None or size_uv is None:
        return ""
    low, high = prediction.p05_log10_uv[muscle], prediction.p95_log10_uv[muscle]
    return "green" if 10**low <= max(size_uv, 5.0) <= 10**high else "yellow"


def _uv(log10_uv: float) -> str:
    return f"{10**log10_uv:.0f}"


def _size(size_uv: float | None) -> str:
    return "–" if size_uv is None else f"{size_uv:.0f}"
