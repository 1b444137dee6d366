"""`m2m replay`: what a session holds, and whether it can be reproduced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from m2m_rt.adapters.session_folder import SessionFolder
    from m2m_rt.replay import ReplayReport, SessionCheck, SessionSummary


def register(app: typer.Typer) -> None:
    """Add the command `replay`."""
    app.command()(replay)


def replay(
    session: Annotated[Path, typer.Argument(help="A session's folder.")],
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Recompute every deciding daemon's outputs; exit 1 if one differs.",
        ),
    ] = False,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write the result here.")
    ] = None,
    rtol: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="On another machine than the recording one, 1e-5; 0: byte for byte.",
        ),
    ] = 0.0,
    rebuild_trials: Annotated[
        bool,
        typer.Option(
            "--rebuild-trials",
            help="First make trials.csv anew from messages.mcap, after the session.",
        ),
    ] = False,
) -> None:
    """Summarise a recorded session, or check that it is reproduced exactly."""
    from m2m_rt.adapters.session_folder import SessionFolder
    from m2m_rt.app.threads import restore_numeric_settings

    folder = SessionFolder.open(session)
    recorded = folder.settings().get("versions")
    if isinstance(recorded, dict):
        # Before anything loads numpy, which reads them once.
        restore_numeric_settings(recorded)
    if rebuild_trials:
        _rebuild_trials(folder)
    if check:
        _check(folder, rtol, json_out)
    else:
        _summarise(folder, json_out)


def _check(folder: SessionFolder, rtol: float, json_out: Path | None) -> None:
    from m2m_rt.app.compose import build_node
    from m2m_rt.app.daemons import DAEMONS
    from m2m_rt.app.provenance import provenance_of
    from m2m_rt.replay import check_session, n_bytes_to_replay

    daemons = [daemon.name for daemon in DAEMONS if daemon.has_journal]
    with _bar("replaying", n_bytes_to_replay(folder, daemons)) as progress:
        done: dict[str, int] = {}

        def on_progress(journal: str, n_bytes: int) -> None:
            done[journal] = n_bytes
            progress(sum(done.values()))

        result = check_session(
            folder,
            daemons,
            lambda daemon: build_node(daemon, folder),
            rtol=rtol,
            progress=on_progress,
        )
    recorded_with = provenance_of(folder)
    _print_check(result, recorded_with.notes())
    if json_out is not None:
        stored = _as_json(result) | {"recorded_with": recorded_with.as_json()}
        _write_json(json_out, stored)
    if result.differences:
        raise typer.Exit(1)


def _rebuild_trials(folder: SessionFolder) -> None:
    from rich.console import Console

    from m2m_rt.adapters.trials_csv import rebuild_trials

    console = Console(stderr=True)
    with console.status("reading messages.mcap"):
        n_rows = rebuild_trials(
            folder.messages_path, folder.trials_path, _muscles(folder)
        )
    console.print(f"{folder.trials_path}: {n_rows} rows", markup=False)


def _muscles(folder: SessionFolder) -> tuple[str, ...]:
    from m2m_rt.app.config import read_session

    return tuple(muscle.name for muscle in read_session(folder).rig.emg.muscles)


def _summarise(folder: SessionFolder, json_out: Path | None) -> None:
    from m2m_rt.adapters.mcap_reader import LogReader
    from m2m_rt.replay import summarise

    n_bytes = LogReader(folder.messages_path).n_bytes
    with _bar("reading", n_bytes) as progress:
        summary = summarise(folder.messages_path, progress)
    _print_summary(folder, summary)
    if json_out is not None:
        _write_json(json_out, _summary_as_json(summary))


@contextmanager
def _bar(what: str, n_bytes: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; give the function that is told how many bytes are done."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = *Progress.get_default_columns()[:3], DownloadColumn()
    remaining = TextColumn("left"), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, *remaining, console=console, transient=True) as bar:
        task = bar.add_task(what, total=n_bytes)
        yield lambda n_done: bar.update(task, completed=n_done)


def _print_check(result: SessionCheck, notes: list[str]) -> None:
    from rich.console import Console

    console = Console()
    for note in notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    for report in result.reports:
        console.print(_line(report), markup=False, highlight=False, soft_wrap=True)
    for difference in result.differences:
        console.print(str(difference), markup=False, highlight=False, soft_wrap=True)
    verdict = "not reproduced" if result.differences else "reproduced exactly"
    console.print(f"{len(result.reports)} journals: {verdict}")


def _line(report: ReplayReport) -> str:
    verdict = "equal" if report.difference is None else "equal before the difference"
    parts = [
        f"{report.daemon} ({report.journal}): {report.n_inputs} inputs, "
        f"{report.n_outputs} outputs {verdict}"
    ]
    if report.end is not None:
        parts.append(report.end.value)
    if report.n_unrecorded:
        parts.append(f"{report.n_unrecorded} outputs to the last input not recorded")
    if report.failed_as_recorded:
        parts.append(f"its last input makes the node fail: {report.failed_as_recorded}")
    return "; ".join(parts)


def _print_summary(folder: SessionFolder, summary: SessionSummary) -> None:
    from rich.console import Console

    from m2m_rt.app.gap_line import gap_line
    from m2m_rt.app.live_change import change_line

    muscles = _muscles(folder) if summary.changes else ()
    lead_ms = summary.median_lead_ms
    n_trials = len(summary.trials)
    lines = [
        f"{folder.root}: {summary.duration_s:.1f} s, "
        f"{summary.messages_by_topic.total()} messages"
        f"{f', {summary.n_damaged} damaged' if summary.n_damaged else ''}; "
        f"{summary.end.value if summary.end else 'not read'}",
        f"{n_trials} trials: {summary.n_predicted} predicted before the pulse"
        f"{f' (median {lead_ms:.0f} ms before)' if lead_ms is not None else ''}, "
        f"{summary.n_valid} valid",
    ]
    lines += [
        f"model {one.generation}: {one.model_hash[:12]} ({one.reason})"
        for one in summary.models
    ]
    lines += [
        f"model {one.generation} not used: {one.reason}" for one in summary.refused
    ]
    lines += [f"change: {change_line(one, muscles)}" for one in summary.changes]
    lines += [
        f"{'gap in ' if one.n_lost else ''}{gap_line(one)}" for one in summary.gaps
    ]
    lines += [f"{one.kind.value}: {one.text}" for one in summary.words]
    lines += [
        f"{topic}: {n_messages} messages{_hole(summary, topic)}"
        for topic, n_messages in sorted(summary.messages_by_topic.items())
    ]
    console = Console()
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _hole(summary: SessionSummary, topic: str) -> str:
    n_missing = summary.missing_by_topic[topic]
    return f", {n_missing} missing" if n_missing else ""


def _as_json(result: SessionCheck) -> dict[str, Any]:
    """Return what is stored: keys as in the reports, enums by their meaning."""
    import msgspec

    return {
        "equal": not result.differences,
        "journals": msgspec.to_builtins(result.reports),
        "differences": msgspec.to_builtins(result.differences),
    }


def _summary_as_json(summary: SessionSummary) -> dict[str, Any]:
    import msgspec

    return {
        "duration_s": summary.duration_s,
        "end": summary.end.value if summary.end else None,
        "messages": dict(summary.messages_by_topic),
        "messages_damaged": summary.n_damaged,
        "messages_missing": dict(summary.missing_by_topic),
        "trials": len(summary.trials),
        "trials_predicted_before_pulse": summary.n_predicted,
        "trials_valid": summary.n_valid,
        "lead_ms_p50": summary.median_lead_ms,
        "models_refused": msgspec.to_builtins(summary.refused),
        "models": msgspec.to_builtins(summary.models),
        "changes": msgspec.to_builtins(summary.changes),
        "gaps": msgspec.to_builtins(summary.gaps),
        "words": msgspec.to_builtins(summary.words),
    }


def _write_json(path: Path, result: dict[str, Any]) -> None:
    import json

    from m2m_rt.errors import ConfigError

    try:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    except OSError as err:
        raise ConfigError(f"json {path}", str(err), "a file to write") from err
