"""`m2m demo`, `m2m run` and the operator's words to a running session."""

from pathlib import Path
from typing import Annotated

import typer

SessionOption = Annotated[
    Path | None, typer.Option("--session", help="The session's folder.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(demo)
    app.command()(run)
    app.command()(note)
    app.command("mark-bad")(mark_bad)
    app.command("roll-back")(roll_back)


def demo(
    *,
    pulses: Annotated[int, typer.Option(min=1, help="Pulses that the lab gives.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Of the virtual subject.")] = 1,
    session: SessionOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the report here, as JSON.")
    ] = None,
    quiet: Annotated[bool, typer.Option(help="Only the summary.")] = False,
) -> None:
    """Run a session with a virtual lab on this machine's real streams."""
    from rich.console import Console

    from m2m_rt.adapters.host import stop_on_request
    from m2m_rt.app.cli import announce
    from m2m_rt.app.demo import DemoSettings, loopback_only
    from m2m_rt.app.places import make_places

    announce()
    make_places(report, None)
    stop_on_request()
    settings = DemoSettings(n_pulses=pulses, seed=seed, session=session, quiet=quiet)
    console = Console()
    with loopback_only() as temporary:
        from m2m_rt.app.demo_session import run_demo_session
        from m2m_rt.app.demo_summary import print_summary, write_report

        made = run_demo_session(settings, temporary, console)
    print_summary(made.report, console)
    for line in made.lost:
        typer.echo(f"m2m: {line}", err=True)
    if report is not None:
        write_report(made.report, report)
    if not made.is_success:
        raise typer.Exit(1)


def run(
    *,
    rig: Annotated[Path, typer.Option(help="Which streams, table and model.")],
    protocol: Annotated[Path, typer.Option(help="Which subject and threshold.")],
    session: SessionOption = None,
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds; until Ctrl-C otherwise.")
    ] = None,
    quiet: Annotated[bool, typer.Option(help="Show nothing while it runs.")] = False,
) -> None:
    """Run a session on the streams that a rig file names. m2m_rt only advises."""
    from rich.console import Console

    from m2m_rt.adapters.host import stop_on_request
    from m2m_rt.app.cli import announce
    from m2m_rt.app.rig_session import run_rig_session

    announce()
    stop_on_request()
    folder = run_rig_session(
        rig,
        protocol,
        root=session,
        duration_s=duration,
        console=Console(quiet=quiet),
    )
    typer.echo(f"session: {folder}")


def note(
    text: Annotated[str, typer.Argument(help="What to write down.")],
    session: SessionOption = None,
) -> None:
    """Put a note into the running session's record."""
    _tell("note", text, session)


def mark_bad(session: SessionOption = None) -> None:
    """Mark the last pulse as bad: kept in the record, taken out of what is learnt."""
    _tell("mark_last_bad", "", session)


def roll_back(session: SessionOption = None) -> None:
    """Go back to the network that was in use before the last promotion."""
    _tell("roll_back", "", session)


def _tell(kind: str, text: str, session: Path | None) -> None:
    from m2m_rt.app.rig_session import tell_session
    from m2m_rt.messages import SessionEventKind

    folder = tell_session(SessionEventKind(kind), text, session)
    typer.echo(f"{folder}: done")
