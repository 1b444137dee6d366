"""The live view in the terminal: one large state, predicted and measured, streams."""

from collections.abc import Iterable, Mapping, Sequence

from rich.box import HEAVY
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from m2m_rt.app.live_row import muscle_row
from m2m_rt.app.live_state import Situation, State, state_of
from m2m_rt.messages import (
    EmgChunk,
    FitJudged,
    Health,
    Message,
    ModelPromoted,
    Prediction,
    PromotionRefused,
    StreamGap,
    Trial,
)
from m2m_rt.units import RigNs, to_ms

_COLUMNS = (
    "next\nµV",
    "90 %\ninterval",
    "last\npredicted",
    "90 %\ninterval",
    "measured\nµV",
)


class LiveView:
    """What an operator looks at; keeps the last of everything."""

    def __init__(self, muscles: Sequence[str], *, n_planned: int | None = None) -> None:
        """Show these muscles; `n_planned` pulses are expected."""
        self._muscles = tuple(muscles)
        self._n_planned = n_planned
        self._prediction: Prediction | None = None
        self._trial: Trial | None = None
        self._emg_ns: RigNs | None = None
        self._gap: StreamGap | None = None
        self._n_rows_lost = 0
        self._n_messages_lost = 0
        self._generation = 0
        self._refused: PromotionRefused | None = None
        self._fit: FitJudged | None = None
        self.n_trials = 0
        self.n_predicted = 0

    def take(self, messages: Iterable[Message]) -> None:
        """Take what the daemons said."""
        for message in messages:
            match message:
                case Prediction():
                    self._prediction = message
                case EmgChunk(t_ns=t_ns):
                    self._emg_ns = t_ns
                case Trial():
                    self._take_trial(message)
                case StreamGap():
                    self._take_gap(message)
                case ModelPromoted() | PromotionRefused() | FitJudged():
                    self._take_model(message)

    def render(
        self, now_ns: RigNs, health: Mapping[str, Health], failed: Mapping[str, str]
    ) -> RenderableType:
        """Return the view as it is now."""
        situation = Situation(
            now_ns=now_ns,
            emg_ns=self._emg_ns,
            prediction=self._prediction,
            health=health,
            failed=failed,
        )
        state = state_of(situation)
        return Group(
            _headline(state),
            self._table(),
            self._streams(now_ns),
            self._pulses(health, failed),
        )

    def line(self) -> str:
        """Return the last trial as one line, where there is no terminal to redraw."""
        trial = self._trial
        if trial is None or trial.prediction is None:
            return f"pulse {self.n_trials}: no prediction before it"
        mep, predicted = trial.mep, trial.prediction.mean_log10_uv
        strongest = max(range(len(predicted)), key=lambda m: predicted[m])
        size_uv = mep.mep_p2p_uv[strongest]
        measured = "not measured" if size_uv is None else f"measured {size_uv:.0f} µV"
        return (
            f"pulse {self.n_trials}: {self._muscles[strongest]} predicted "
            f"{10 ** predicted[strongest]:.0f} µV, {measured}, "
            f"{sum(mep.valid)} of {len(mep.valid)} muscles valid"
        )

    def _take_trial(self, trial: Trial) -> None:
        self._trial = trial
        if trial.revision == 0:
            self.n_trials += 1
            self.n_predicted += trial.prediction is not None

    def _take_model(
        self, message: ModelPromoted | PromotionRefused | FitJudged
    ) -> None:
        match message:
            case ModelPromoted(generation=generation):
                self._generation, self._refused = generation, None
            case PromotionRefused():
                self._refused = message
            case FitJudged():
                self._fit = message

    def _take_gap(self, gap: StreamGap) -> None:
        self._gap = gap
        if "/" in gap.stream:
            self._n_messages_lost += max(gap.n_lost, 0)
        elif gap.stream == "emg":
            self._n_rows_lost += max(gap.n_lost, 0)

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 1))
        table.add_column("\nmuscle", style="bold")
        for title in _COLUMNS:
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("predicted ━ and measured ●\n5        50       500  5000 µV")
        table.add_column("\n", style="dim", no_wrap=True)
        for muscle, name in enumerate(self._muscles):
            table.add_row(
                name, *muscle_row(self._prediction, self._trial, muscle=muscle)
            )
        return table

    def _streams(self, now_ns: RigNs) -> Text:
        pose_ns = None if self._prediction is None else self._prediction.t_ns
        text = Text("streams  ")
        text.append_text(_age("EMG", now_ns, self._emg_ns)).append(" · ")
        text.append_text(_age("coil pose", now_ns, pose_ns)).append(" · ")
        text.append_text(_count(self._n_rows_lost, "EMG samples lost")).append(", ")
        text.append_text(_count(self._n_messages_lost, "messages lost"))
        if self._gap is not None:
            ago_s = to_ms(now_ns - self._gap.t_ns) / 1000.0
            last = f" · {self._gap.stream}: {self._gap.reason} ({ago_s:.0f} s ago)"
            text.append(last, style="yellow" if ago_s < 10.0 else "dim")
        return text

    def _pulses(
        self, health: Mapping[str, Health], failed: Mapping[str, str]
    ) -> RenderableType:
        planned = f" of {self._n_planned}" if self._n_planned else ""
        text = Text(f"pulses   {self.n_trials}{planned}", style="bold")
        text.append(f", {self.n_predicted} predicted before", style="not bold")
        trial = self._trial
        if trial is not None and trial.lead_ms is not None:
            text.append(f", the last one {trial.lead_ms:.0f} ms before")
        text.append(f" · model generation {self._generation}")
        if self._refused is not None:
            text.append(f" not used: {self._refused.reason}", style="yellow")
        if self._fit is not None and not self._fit.promoted:
            text.append(f" · last refit not used: {self._fit.reason}", style="yellow")
        text.append("\n")
        text.append("daemons ")
        for name, one in sorted(health.items()):
            is_well = one.state in {"ready", "running"} and name not in failed
            text.append(f" ● {name}", style="green" if is_well else "bold red")
        return text


def _headline(state: State) -> RenderableType:
    """Return the state in letters that are read from across the room."""
    name = Text(" ".join(state.name), style="bold", justify="center")
    reason = Text(state.reason, justify="center")
    colours = f"white on {state.colour}"
    return Panel(Group(name, reason), style=colours, box=HEAVY)


def _age(name: str, now_ns: RigNs, t_ns: RigNs | None) -> Text:
    if t_ns is None:
        return Text(f"{name}: none yet", style="yellow")
    age_ms = to_ms(now_ns - t_ns)
    said = f"{age_ms:.0f} ms" if age_ms < 1000.0 else f"{age_ms / 1000:.1f} s"
    return Text(f"{name} {said} old", style="green" if age_ms < 500.0 else "bold red")


def _count(n: int, what: str) -> Text:
    return Text(f"{n} {what}", style="green" if n == 0 else "bold red")
