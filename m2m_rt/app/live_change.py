"""What the live view says of excitability and of changes that were found."""

from collections.abc import Sequence

from rich.text import Text

from m2m_rt.messages import ChangeSeen, ExcitabilityTracked, Message
from m2m_rt.units import RigNs, to_ms

_NEWS_S = 60.0
"""So long a change is shouted."""


class StateNews:
    """The last of what was said of the state."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._state: ExcitabilityTracked | None = None
        self._change: ChangeSeen | None = None

    def take(self, message: Message) -> None:
        """Take what predictd said of it; anything else is not news."""
        match message:
            case ChangeSeen():
                self._change = message
            case ExcitabilityTracked():
                self._state = message

    def text(self, muscles: Sequence[str], now_ns: RigNs) -> Text:
        """Return it as a line of the view."""
        text = Text("state    ").append_text(excitability_text(self._state))
        if self._change is not None:
            text.append(" · ")
            text.append_text(change_text(self._change, muscles, now_ns))
        return text


def excitability_text(state: ExcitabilityTracked | None) -> Text:
    """Return excitability against the session's usual, with its 90 % interval."""
    if state is None:
        return Text("excitability: no trial yet", style="dim")
    low, mean, high = (
        f"{10**value:.2f}"
        for value in (state.p05_log10, state.mean_log10, state.p95_log10)
    )
    is_usual = state.p05_log10 <= 0.0 <= state.p95_log10
    said = f"excitability × {mean} ({low}…{high})"
    return Text(said, style="green" if is_usual else "yellow")


def change_text(change: ChangeSeen, muscles: Sequence[str], now_ns: RigNs) -> Text:
    """Return what has changed, and since when."""
    ago_s = to_ms(now_ns - change.t_ns) / 1000.0
    said = f"{change_line(change, muscles)} ({ago_s:.0f} s ago)"
    is_news = ago_s < _NEWS_S and not change.withdrawn
    return Text(said, style="bold red" if is_news else "dim")


def change_line(change: ChangeSeen, muscles: Sequence[str]) -> str:
    """Return a change in a sentence, without its time."""
    what = f"coil {abs(complex(change.shift_x_mm, change.shift_y_mm)):.0f} mm off"
    todo = "check the head tracker"
    if change.muscle is not None:
        what = f"{muscles[change.muscle]} answers × {10**change.log10_gain:.1f}"
        is_back = change.log10_gain > 0.0  # only where it was found to be less
        todo = "its electrode is back" if is_back else "check its electrodes"
    if change.withdrawn:
        return f"taken back: {what}"
    return f"{what} since {change.trials_ago} trials: {todo}"
