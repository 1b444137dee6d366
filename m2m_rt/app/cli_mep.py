"""`m2m mep`: amplitude and latency of the MEPs in a file of stored sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from m2m_rt.adapters.sweep_file import Sweeps
    from m2m_rt.emg import EmgSettings, MeasuredSweeps

_MUSCLE = "sweeps"


def register(app: typer.Typer) -> None:
    """Add the command `mep`."""
    app.command()(mep)


def mep(  # noqa: PLR0913 - the options of a command are its parameters
    file: Annotated[Path, typer.Argument(help="Sweeps: .mat, .npy, .npz or .csv.")],
    *,
    fs: Annotated[float, typer.Option(help="Samples a second.")],
    window: Annotated[
        tuple[float, float],
        typer.Option(help="Where the MEP is looked for, ms after the trigger."),
    ],
    unit: Annotated[str, typer.Option(help="Of the samples: V, mV, uV or nV.")],
    trigger_s: Annotated[
        float, typer.Option(help="From a sweep's first sample to the pulse, s.")
    ],
    var: Annotated[str | None, typer.Option(help="Array in a .mat or .npz.")] = None,
    time_axis: Annotated[
        int | None, typer.Option(help="Axis of time, from 0; default the longest.")
    ] = None,
    filter_kind: Annotated[
        str, typer.Option("--filter", help="none, or causal: the live filter.")
    ] = "none",
    onset: Annotated[
        str, typer.Option(help="noise_threshold or slope_tangent.")
    ] = "noise_threshold",
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write the result here.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the sweeps with onset and peaks.")
    ] = None,
) -> None:
    """Measure the MEPs of stored sweeps: amplitude and latency of each."""
    from m2m_rt.adapters.sweep_file import SweepLayout, read_sweeps
    from m2m_rt.emg import measure_sweeps

    settings = _settings(window, filter_kind, onset)
    layout = SweepLayout(fs_hz=fs, unit=unit, variable=var, time_axis=time_axis)
    sweeps = read_sweeps(file, layout)
    measured = measure_sweeps(
        sweeps.samples_uv, fs_hz=fs, trigger_s=trigger_s, settings=settings
    )
    if picture is not None:
        _draw(measured, picture, sweeps=sweeps, window=window, trigger_s=trigger_s)
    if json_out is not None:
        _write_json(json_out, measured, settings)
    else:
        _print_table(measured, settings)


def _settings(
    window_ms: tuple[float, float], filter_kind: str, onset: str
) -> EmgSettings:
    """Return the live settings for one muscle; wrong values are a ConfigError."""
    import msgspec

    from m2m_rt.emg import EmgSettings
    from m2m_rt.errors import ConfigError

    start_ms, end_ms = window_ms
    muscle = {"name": _MUSCLE, "window_start_ms": start_ms, "window_end_ms": end_ms}
    asked = {
        "muscles": [muscle],
        "filter": {"kind": filter_kind},
        "mep": {"onset": onset},
    }
    try:
        return msgspec.convert(asked, EmgSettings)
    except msgspec.ValidationError as err:
        found = f"{start_ms:g} {end_ms:g}, filter {filter_kind}, onset {onset}"
        raise ConfigError("window, filter or onset", found, str(err)) from err


def _write_json(path: Path, measured: MeasuredSweeps, settings: EmgSettings) -> None:
    import json

    from m2m_rt.errors import ConfigError

    result = _result(measured, settings)
    try:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    except OSError as err:
        raise ConfigError(f"json {path}", str(err), "a file to write") from err


def _result(measured: MeasuredSweeps, settings: EmgSettings) -> dict[str, Any]:
    """Return what is stored: one entry a sweep, None where there is no MEP."""
    meps = measured.meps
    return {
        "amplitude_uv": [m.amplitude_uv[0] if m.is_present[0] else None for m in meps],
        "latency_ms": [m.latency_ms[0] for m in meps],
        "onset_definition": _onset_definition(settings),
        "present_definition": _present_definition(settings),
        "filter": settings.filter.kind.value,
        "window_p2p_uv": [m.amplitude_uv[0] for m in meps],
        "background_rms_uv": [m.background_rms_uv[0] for m in meps],
        "reason": [m.reasons[0] for m in meps],
    }


def _onset_definition(settings: EmgSettings) -> str:
    from m2m_rt.emg import OnsetDefinition

    mep = settings.mep
    left = (
        f"leaves ±{mep.onset_noise_factor:g} × background RMS for "
        f"{mep.onset_hold_ms:g} ms"
    )
    meaning = {
        OnsetDefinition.NOISE_THRESHOLD: f"the wave {left} (crossing interpolated)",
        OnsetDefinition.SLOPE_TANGENT: (
            f"the tangent of the steepest flank of the first wave that {left} "
            "meets the baseline"
        ),
    }
    return f"{mep.onset.value}: {meaning[mep.onset]}"


def _present_definition(settings: EmgSettings) -> str:
    mep = settings.mep
    return (
        f"peak to peak without mains hum >= {mep.present_uv:g} uV and >= "
        f"{mep.present_noise_factor:g} x background RMS"
    )


def _print_table(measured: MeasuredSweeps, settings: EmgSettings) -> None:
    from rich.console import Console
    from rich.table import Table

    n_present = sum(mep.is_present[0] for mep in measured.meps)
    table = Table(title=f"{n_present} MEPs in {len(measured.meps)} sweeps")
    for name in ("sweep", "MEP µV", "latency ms", "window µV", "background µV"):
        table.add_column(name, justify="right")
    table.add_column("not valid")
    for sweep, mep in enumerate(measured.meps):
        size_uv = mep.amplitude_uv[0] if mep.is_present[0] else None
        numbers = (
            _text(size_uv, 1),
            _text(mep.latency_ms[0], 2),
            _text(mep.amplitude_uv[0], 1),
            _text(mep.background_rms_uv[0], 2),
        )
        table.add_row(str(sweep), *numbers, mep.reasons[0] or "")
    console = Console()
    console.print(table)
    console.print(f"Onset: {_onset_definition(settings)}", markup=False)
    console.print(f"MEP: {_present_definition(settings)}", markup=False)


def _text(number: float | None, digits: int) -> str:
    return "–" if number is None else f"{number:.{digits}f}"


def _draw(
    measured: MeasuredSweeps,
    path: Path,
    *,
    sweeps: Sweeps,
    window: tuple[float, float],
    trigger_s: float,
) -> None:
    from rich.console import Console

    from m2m_rt.adapters.mep_picture import SweepAxis, draw_sweeps

    axis = SweepAxis(sweeps.fs_hz, trigger_s, window)
    n_present = sum(mep.is_present[0] for mep in measured.meps)
    title = f"{n_present} MEPs in {len(measured.meps)} sweeps; µV over ms after pulse"
    with Console(stderr=True).status(f"drawing {path}"):
        draw_sweeps(measured, axis, title=title, path=path)
