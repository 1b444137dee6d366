"""`m2m map`: the response map of a recorded or running session."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.errors import ConfigError

if TYPE_CHECKING:
    from m2m_rt.learning import Aim, AimLimits


SessionArgument = Annotated[Path, typer.Argument(help="A session's folder.")]
MuscleOption = Annotated[
    list[str] | None, typer.Option(help="Which; again for more. Default the first.")
]
IntensityOption = Annotated[
    float, typer.Option(min=1.0, max=300.0, help="Of the map, % of threshold.")
]
MostOption = Annotated[
    list[str] | None, typer.Option(help="A muscle that is to answer; again for more.")
]
LeastOption = Annotated[
    list[str] | None, typer.Option(help="A muscle that is not to; again for more.")
]
MaxIntensityOption = Annotated[
    float, typer.Option(min=1.0, max=100.0, help="Largest intensity to advise.")
]
MaxMoveOption = Annotated[
    float | None,
    typer.Option(min=0.1, help="From the last pulse, learnt or not, for the aim."),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the intervals' draws.")]
OutOption = Annotated[Path | None, typer.Option(help="Draw the maps here (PNG).")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the figures here.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("map")(map_command)


def map_command(  # noqa: PLR0913 - the options of a command are its parameters
    session: SessionArgument,
    *,
    muscle: MuscleOption = None,
    intensity_pct_rmt: IntensityOption = 120.0,
    most: MostOption = None,
    least: LeastOption = None,
    max_pct_mso: MaxIntensityOption = 100.0,
    max_move_mm: MaxMoveOption = None,
    seed: SeedOption = 0,
    out: OutOption = None,
    json_out: JsonOption = None,
) -> None:
    """Map muscles from what a session learnt: hotspot, size, next pulse, best pose.

    Works while the session runs, too, and changes nothing in it. Hotspot, centre of
    gravity and area come with 90 % intervals; poses are SimNIBS matsimnibs in the head
    frame. m2m_rt only advises.
    """
    from m2m_rt.adapters.session_folder import SessionFolder
    from m2m_rt.app.map_report import draw_map, map_figures, map_lines
    from m2m_rt.app.session_map import MapRequest, map_session
    from m2m_rt.app.session_trials import learn_session
    from m2m_rt.app.stage_bars import stage_bars, write_figures

    with stage_bars() as progress:
        learnt = learn_session(SessionFolder.open(session), progress)
        request = MapRequest(
            muscles=tuple(muscle or learnt.muscles[:1]),
            intensity_pct_rmt=intensity_pct_rmt,
            aim=_aim(most or [], least or []),
            limits=_limits(max_pct_mso, max_move_mm),
            seed=seed,
        )
        found = map_session(learnt, request, progress)
    for line in map_lines(found):
        typer.echo(line)
    if json_out is not None:
        write_figures(json_out, map_figures(found))
    if out is not None:
        draw_map(found, out)


def _aim(most: list[str], least: list[str]) -> "Aim | None":
    from m2m_rt.learning import Aim

    if not most:
        if least:
            raise ConfigError("--least", " ".join(least), "--most beside it")
        return None
    try:
        return Aim(most=tuple(most), least=tuple(least))
    except ValueError as err:
        raise ConfigError("--most, --least", str(err), "different muscles") from err


def _limits(max_pct_mso: float, max_move_mm: float | None) -> "AimLimits":
    from m2m_rt.learning import AimLimits

    if max_move_mm is None:
        return AimLimits(most_intensity_pct_mso=max_pct_mso)
    return AimLimits(most_intensity_pct_mso=max_pct_mso, most_move_mm=max_move_mm)
