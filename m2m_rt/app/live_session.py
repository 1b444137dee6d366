"""A session while it runs: the daemons, and what the operator sees of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from m2m_rt.app.live_view import LiveView
from m2m_rt.app.supervisor import Supervisor

REDRAW_S = 0.25


@contextmanager
def shown(
    supervisor: Supervisor, view: LiveView, console: Console, *, quiet: bool
) -> Iterator[Callable[[], None]]:
    """Show the session; give the function that waits a moment and redraws.

    In a terminal the view is redrawn in place; elsewhere each pulse is a line.
    """
    if quiet or not console.is_terminal:
        yield lambda: _tell(supervisor, view, console, quiet=quiet)
        return
    picture = view.render(supervisor.health, supervisor.failed)
    with Live(picture, console=console, auto_refresh=False) as live:

        def redraw() -> None:
            view.take(supervisor.poll(REDRAW_S))
            live.update(view.render(supervisor.health, supervisor.failed), refresh=True)

        yield redraw


def _tell(
    supervisor: Supervisor, view: LiveView, console: Console, *, quiet: bool
) -> None:
    n_before = view.n_trials
    view.take(supervisor.poll(REDRAW_S))
    if view.n_trials > n_before and not quiet:
        console.print(view.line(), markup=False, highlight=False, soft_wrap=True)
