"""`m2m streams` and `m2m play`: what is on the network, and putting something there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from m2m_rt.adapters.recording import Recording
    from m2m_rt.adapters.stream_header import StreamHeader
    from m2m_rt.sim.player import PlaySettings

_RIG_FAULT_STATUS = 2

LoopbackOption = Annotated[
    str | None,
    typer.Option(
        "--loopback",
        metavar="SESSION",
        help="On this machine only, in the LSL session of this name.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands `streams` and `play`."""
    app.command()(streams)
    app.command()(play)


def streams(
    *,
    rig: Annotated[
        Path | None, typer.Option(help="Check this rig file's choices instead.")
    ] = None,
    wait_s: Annotated[
        float, typer.Option(min=0.1, help="How long streams may take to answer.")
    ] = 2.0,
    loopback: LoopbackOption = None,
) -> None:
    """List the LSL streams on the network and what a rig file would take."""
    _use_loopback(loopback)
    if rig is None:
        _print_streams(_find(wait_s))
    else:
        _check_rig(rig, wait_s)


def play(  # noqa: PLR0913 - the options of a command are its parameters
    file: Annotated[Path, typer.Argument(help="XDF, or .mat/.npz of MEP sweeps.")],
    *,
    speed: Annotated[
        float, typer.Option(min=0.01, help="1: as it was. Stamps keep their spacing.")
    ] = 1.0,
    chunk_ms: Annotated[
        float, typer.Option(min=0.1, max=1000.0, help="Of the recording in one push.")
    ] = 4.0,
    wait_s: Annotated[
        float, typer.Option(min=0.0, help="Wait so long for listeners to all streams.")
    ] = 0.0,
    sweeps: Annotated[
        int | None, typer.Option(min=1, help="Only the first of a file of sweeps.")
    ] = None,
    var: Annotated[str, typer.Option(help="The sweeps in a .mat or .npz.")] = "mep",
    intensities: Annotated[
        str, typer.Option(help="Their intensities in % MSO, likewise.")
    ] = "intensities",
    fs: Annotated[
        float | None, typer.Option(min=1.0, help="Samples a second; else variable fs.")
    ] = None,
    unit: Annotated[str, typer.Option(help="Of the sweeps: V, mV, uV or nV.")] = "mV",
    muscle: Annotated[str, typer.Option(help="Label of the EMG channel.")] = "FDI",
    trigger_s: Annotated[
        float, typer.Option(help="From a sweep's first sample to its pulse, s.")
    ] = 0.1,
    loopback: LoopbackOption = None,
) -> None:
    """Stream a recording over LSL as a lab would.

    The defaults for sweeps are those of the Oxford recordings (Sorkhabi et al. 2022).
    """
    _use_loopback(loopback)
    from m2m_rt.sim.player import PlaySettings
    from m2m_rt.sim.player_files import SweepFile, open_recording

    layout = SweepFile(
        variable=var,
        intensities=intensities,
        fs_hz=fs,
        unit=unit,
        muscle=muscle,
        trigger_s=trigger_s,
    )
    recording = open_recording(file, layout, n_sweeps=sweeps)
    settings = PlaySettings(chunk_ms=chunk_ms, speed=speed, wait_s=wait_s)
    _play(recording, settings)


def _use_loopback(session_id: str | None) -> None:
    """Write liblsl's configuration for this process, before it is first used."""
    if session_id is None:
        return
    import atexit
    import tempfile

    from m2m_rt.adapters.lsl_config import use_config, write_loopback_config
    from m2m_rt.errors import ConfigError

    folder = tempfile.TemporaryDirectory(prefix="m2m-lsl-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "lsl_api.cfg"
    try:
        write_loopback_config(path, session_id)
    except ValueError as err:
        raise ConfigError(
            "--loopback", repr(session_id), "letters, digits, - and _"
        ) from err
    use_config(path)


def _play(recording: Recording, settings: PlaySettings) -> None:
    from rich.progress import Progress

    from m2m_rt.sim.player import play as play_recording

    for stream in recording.streams:
        n_samples = len(stream.stamps_s)
        typer.echo(f"{stream.name} (type {stream.type}): {n_samples} samples", err=True)
    with Progress(transient=True) as progress:
        task = progress.add_task("playing", total=recording.length_s)
        play_recording(
            recording,
            settings,
            on_progress=lambda played_s: progress.update(task, completed=played_s),
        )
    typer.echo(f"played {recording.length_s:.1f} s", err=True)


def _find(wait_s: float) -> list[StreamHeader]:
    """Return every stream with its description, showing that it takes a while."""
    from rich.console import Console
    from rich.progress import track

    from m2m_rt.adapters.lsl_discovery import describe, list_streams

    console = Console(stderr=True)
    with console.status(f"asking the network for {wait_s:g} s"):
        infos = list_streams(wait_s=wait_s)
    asked = track(infos, "reading descriptions", console=console, transient=True)
    return [describe(info) for info in asked]


def _print_streams(headers: Sequence[StreamHeader]) -> None:
    from m2m_rt.adapters.stream_check import use_of
    from m2m_rt.app.rig_snippet import header_line, rig_snippet

    for header in headers:
        use = use_of(header)
        typer.echo(str(header))
        typer.echo(f"    channels: {header_line(header)}")
        typer.echo(f"    use: {use.role or 'none that m2m_rt knows'}")
        if use.fault:
            typer.echo(f"    but: {use.fault}")
        elif use.registration is not None:
            said = " ".join(f"{key} {word}" for key, word in use.registration.items())
            typer.echo(f"    needs: a rig's [pose.registration] with {said}")
    if not headers:
        typer.echo("no stream answered (firewall? another LSL session id?)")
    typer.echo(f"\n# what a rig file would take\n{rig_snippet(headers)}", nl=False)


def _check_rig(path: Path, wait_s: float) -> None:
    """Say one line a stream of the rig; exit 2 if one cannot be used."""
    from m2m_rt.adapters.stream_check import check_choice
    from m2m_rt.app.config import read_rig
    from m2m_rt.app.rig_streams import rig_streams
    from m2m_rt.errors import ConfigError

    needed = rig_streams(read_rig(path))
    headers = _find(wait_s)
    n_faults = 0
    for reader, choice in needed:
        try:
            header = check_choice(reader, choice, headers)
        except ConfigError as err:
            n_faults += 1
            typer.echo(f"m2m: {path}: {err}", err=True)
        else:
            typer.echo(f"{reader.stream}: ok, {header}")
    if n_faults:
        raise typer.Exit(_RIG_FAULT_STATUS)
