"""Progress bars on stderr, one a stage; and the figures of a report as a file."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from m2m_rt.errors import ConfigError

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@contextmanager
def stage_bars() -> Iterator[Progress]:
    """Give a function that draws one bar a stage."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskID,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield show


def write_figures(path: Path, figures: Mapping[str, object]) -> None:
    """Write figures as JSON; what is not a number becomes null.

    Raises
    ------
    ConfigError
        If there can be no such file.
    """
    try:
        path.write_text(json.dumps(_plain(figures), indent=1) + "\n", "utf-8")
    except OSError as err:
        raise ConfigError(str(path), str(err.strerror), "a file to write") from err


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
