"""Shows a build: a line for all of it with the time left, and a bar a step."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from m2m_rt.app.build_plan import PlannedStep, WholeBuild

WHOLE = "whole build"

Report = Callable[[str, float], None]
Tell = Callable[[int, str, float], None]


@contextmanager
def build_progress(plan: Sequence[PlannedStep]) -> Iterator[Report]:
    """Yield the function that a build's steps report to.

    On a terminal there are bars; in a log, a line a step.
    """
    whole = WholeBuild(plan, time.monotonic())
    if not sys.stderr.isatty():
        yield _logged(whole)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description:<40}"), BarColumn())
    bars = Progress(
        *columns, TimeElapsedColumn(), _Left(whole), console=Console(stderr=True)
    )
    all_of_it = bars.add_task(WHOLE, total=1.0)
    steps: dict[str, TaskID] = {}

    def report(step: str, done: float) -> None:
        for before in whole.report(step, done, time.monotonic()):
            bars.console.print(f"done before: {before}")
        bars.update(all_of_it, completed=whole.fraction)
        if step not in steps:
            for earlier in steps.values():
                bars.update(earlier, completed=1.0)
            steps[step] = bars.add_task(step, total=1.0)
        bars.update(steps[step], completed=done)

    with bars:
        yield report
        whole.finish()
        for task in (*steps.values(), all_of_it):
            bars.update(task, completed=1.0)


@contextmanager
def heads_progress(heads: Sequence[str]) -> Iterator[Tell]:
    """Yield the function that many heads' builds report to: number, step, fraction."""
    names = [Path(head).name for head in heads]
    if not sys.stderr.isatty():
        yield _logged_heads(names)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description:<56}"), BarColumn())
    bars = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))
    tasks = [bars.add_task(name, total=1.0, start=False) for name in names]

    def tell(place: int, step: str, fraction: float) -> None:
        bars.start_task(tasks[place])
        shown = f"{names[place][-24:]}: {step}" if step else names[place]
        bars.update(tasks[place], description=shown, completed=fraction)

    with bars:
        yield tell


def spoken(seconds: float) -> str:
    """Return a time left in words, no more exact than an estimate is."""
    minutes = seconds / 60.0
    if minutes < 1.0:
        return "less than a minute left"
    return f"about {round(minutes)} min left"


class _Left(ProgressColumn):
    """Time left, on the whole build's line only."""

    def __init__(self, whole: WholeBuild) -> None:
        super().__init__()
        self._whole = whole

    def render(self, task: Task) -> Text:
        if task.description != WHOLE or task.finished:
            return Text("")
        return Text(spoken(self._whole.remaining_s(time.monotonic())))


def _logged(whole: WholeBuild) -> Report:
    begun: set[str] = set()

    def report(step: str, done: float) -> None:
        now_s = time.monotonic()
        for before in whole.report(step, done, now_s):
            typer.echo(f"         done before: {before}", err=True)
        if step not in begun:
            begun.add(step)
            minutes, seconds = divmod(int(now_s - whole.started_s), 60)
            left = spoken(whole.remaining_s(now_s))
            typer.echo(f"{minutes:4}:{seconds:02} {step}; {left}", err=True)

    return report


def _logged_heads(names: Sequence[str]) -> Tell:
    started_s, latest = time.monotonic(), [""] * len(names)

    def tell(place: int, step: str, fraction: float) -> None:
        if step != latest[place]:
            latest[place] = step
            minutes, seconds = divmod(int(time.monotonic() - started_s), 60)
            said = step or "ended"
            typer.echo(
                f"{minutes:4}:{seconds:02} {names[place]} {fraction:.0%}: {said}",
                err=True,
            )

    return tell
