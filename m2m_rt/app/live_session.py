"""A session while it runs: the daemons, and what the operator sees of them."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live

from m2m_rt.app.daemons import daemon_named
from m2m_rt.app.gap_line import gap_line
from m2m_rt.app.live_view import LiveView
from m2m_rt.app.supervisor import Supervisor
from m2m_rt.errors import LinkLost
from m2m_rt.messages import Message, PromotionRefused, StreamGap

REDRAW_S = 0.25


@contextmanager
def shown(
    supervisor: Supervisor, view: LiveView, console: Console, *, quiet: bool
) -> Iterator[Callable[[], None]]:
    """Show the session; give the function that waits a moment and redraws.

    In a terminal the view is redrawn in place; elsewhere each pulse and each gap in a
    stream is a line. The function raises LinkLost when a daemon has ended that no
    session can do without.
    """
    if quiet or not console.is_terminal:
        yield lambda: _tell(supervisor, view, console, quiet=quiet)
        return
    with Live(_picture(supervisor, view), console=console, auto_refresh=False) as live:

        def redraw() -> None:
            _take_what_came(supervisor, view)
            live.update(_picture(supervisor, view), refresh=True)
            _refuse_critical_loss(supervisor)

        yield redraw


def lines_of_loss(supervisor: Supervisor) -> tuple[str, ...]:
    """Return one line for each daemon that ended before its time."""
    return tuple(f"{name} ended: {how}" for name, how in supervisor.failed.items())


def lines_of_gaps(messages: Iterable[Message]) -> list[str]:
    """Return one line for each gap or refused model among what the daemons said."""
    lines = []
    for message in messages:
        match message:
            case StreamGap(n_lost=n_lost):
                lines.append(f"{'LOSS: ' if n_lost else ''}{gap_line(message)}")
            case PromotionRefused(generation=generation, reason=reason):
                lines.append(f"model generation {generation} not used: {reason}")
    return lines


def _picture(supervisor: Supervisor, view: LiveView) -> RenderableType:
    return view.render(supervisor.now_ns(), supervisor.health, supervisor.failed)


def _tell(
    supervisor: Supervisor, view: LiveView, console: Console, *, quiet: bool
) -> None:
    n_trials, n_failed = view.n_trials, len(supervisor.failed)
    came = _take_what_came(supervisor, view)
    if not quiet:
        lines = lines_of_gaps(came)
        lines += [view.line()] if view.n_trials > n_trials else []
        for line in lines:
            _print(console, line)
    for line in lines_of_loss(supervisor)[n_failed:]:
        _print(console, f"FAULT: {line}")
    _refuse_critical_loss(supervisor)


def _take_what_came(supervisor: Supervisor, view: LiveView) -> Sequence[Message]:
    # Not a wait for the next message: there are a hundred a second.
    time.sleep(REDRAW_S)
    came = supervisor.poll(0.0)
    view.take(came)
    return came


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _refuse_critical_loss(supervisor: Supervisor) -> None:
    for name, how in supervisor.failed.items():
        if daemon_named(name).is_critical:
            text = f"{name} ended: {how}; the session was stopped"
            raise LinkLost(f"{text}, its record is in {supervisor.folder.root}")
