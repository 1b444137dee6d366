"""`m2m register`: the head frame against a navigator's, from named points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from m2m_rt.adapters.fiducial_file import Fiducials
    from m2m_rt.geometry import Registration, RegistrationRefused
    from m2m_rt.units import F64


FiducialsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FIDUCIALS", help="Points in the head's and the navigator's frame."
    ),
]
MaxNoiseOption = Annotated[
    float, typer.Option(min=0.1, help="Refuse noisier points, mm per axis.")
]
CoplanarOption = Annotated[
    bool,
    typer.Option(help="Accept points that cannot show left and right exchanged."),
]
ConventionOption = Annotated[
    str, typer.Option(help="Whose coil axes the pose stream declares.")
]
UnitOption = Annotated[
    str, typer.Option(help="What the pose stream declares: mm or m.")
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the figures here.")
]
PictureOption = Annotated[
    Path | None, typer.Option(help="Draw what is left at each point.")
]


def register(app: typer.Typer) -> None:
    """Add the command `register`."""
    app.command("register")(register_fiducials)


def register_fiducials(  # noqa: PLR0913 - the options of a command are its parameters
    fiducials: FiducialsArgument,
    *,
    max_noise: MaxNoiseOption = 5.0,
    coplanar: CoplanarOption = False,
    convention: ConventionOption = "simnibs",
    unit: UnitOption = "mm",
    json_out: JsonOption = None,
    picture: PictureOption = None,
) -> None:
    """Fit head_from_navigator to named points, and print it for a rig file.

    What is printed goes into the rig file as it is. The pose stream must then declare
    the same frame, convention and unit; its poses are converted once, in posed.

    FIDUCIALS is a CSV with the columns name, navigator_x_mm, navigator_y_mm,
    navigator_z_mm, head_x_mm, head_y_mm, head_z_mm (or mri_ or tracker_ instead of
    navigator_), or TOML with unit = "mm" and tables `point` of name, navigator and
    head. Rows without a navigator's place are targets whose error is told.
    """
    from m2m_rt.adapters.fiducial_file import read_fiducials
    from m2m_rt.errors import DataError
    from m2m_rt.geometry import (
        MM_PER_UNIT,
        CoilConvention,
        RegistrationRefused,
        RegistrationSettings,
        register_points,
    )

    _check_declared("--convention", convention, [one.value for one in CoilConvention])
    _check_declared("--unit", unit, list(MM_PER_UNIT))
    read = read_fiducials(fiducials)
    settings = RegistrationSettings(max_noise_mm=max_noise, allow_coplanar=coplanar)
    answer = register_points(read.pairs, settings)
    if isinstance(answer, RegistrationRefused):
        _write(json_out, _refusal(answer))
        raise DataError(f"{fiducials}: not registered: {answer}")
    declared = {"convention": convention, "unit": unit}
    typer.echo(_snippet(read, answer, declared))
    _write(json_out, _figures(read, answer) | declared)
    if picture is not None:
        from m2m_rt.app.register_picture import draw_registration

        draw_registration(answer, picture)


def _check_declared(option: str, found: str, known: list[str]) -> None:
    from m2m_rt.errors import ConfigError

    if found not in known:
        raise ConfigError(option, repr(found), f"one of {' '.join(known)}")


def _refusal(refused: RegistrationRefused) -> dict[str, object]:
    findings = [
        {"fault": finding.fault.value, "detail": finding.detail}
        for finding in refused.findings
    ]
    return {"accepted": False, "findings": findings}


def _figures(read: Fiducials, found: Registration) -> dict[str, object]:
    import numpy as np

    from m2m_rt.geometry import left_out_errors_mm

    noise, names = found.fit.noise, found.pairs.names
    left_mm = np.linalg.norm(found.fit.residual_mm, axis=1)
    figures: dict[str, object] = {
        "accepted": True,
        f"head_from_{read.frame}": found.fit.a_from_b.tolist(),
        "points": len(names),
        "residual_mm": dict(zip(names, left_mm.tolist(), strict=True)),
        "residual_rms_mm": found.fit.residual_rms_mm,
        "noise_mm": noise.noise_mm,
        "noise_95_mm": [noise.low_mm, noise.high_mm],
        "fle_rms_mm": 3**0.5 * noise.noise_mm,
        "target_error_mm": _target_errors(read, found),
        "scale": found.scale,
        "notes": list(found.notes),
    }
    if len(names) > 3:
        errors = left_out_errors_mm(found.pairs).tolist()
        figures["left_out_error_mm"] = dict(zip(names, errors, strict=True))
    return figures


def _target_errors(read: Fiducials, found: Registration) -> dict[str, dict[str, float]]:
    """Return the expected error at the points' centre and at each target.

    Its uncertainty is that of the noise: both ends of the 95 % interval.
    """
    import numpy as np

    from m2m_rt.geometry import target_error_mm

    places: F64 = np.vstack((found.pairs.a_mm.mean(axis=0), read.targets_mm))
    noise = found.fit.noise
    rms, low, high = (
        target_error_mm(found.pairs.a_mm, places, noise_mm=mm).tolist()
        for mm in (noise.noise_mm, noise.low_mm, noise.high_mm)
    )
    names = ("centre of the points", *read.target_names)
    return {
        name: {"rms": rms[place], "low": low[place], "high": high[place]}
        for place, name in enumerate(names)
    }


def _snippet(read: Fiducials, found: Registration, declared: dict[str, str]) -> str:
    """Return TOML that a rig file takes as it is, with its errors as comments."""
    import numpy as np

    noise = found.fit.noise
    left_mm = np.linalg.norm(found.fit.residual_mm, axis=1)
    left = zip(found.pairs.names, left_mm, strict=True)
    errors = _target_errors(read, found).items()
    comments = [
        f"into the rig file as it is; the pose stream must declare frame {read.frame},",
        f"{', '.join(f'{key} {word}' for key, word in declared.items())}",
        f"left over, mm: {', '.join(f'{name} {mm:.1f}' for name, mm in left)}",
        f"noise per axis, mm: {noise.noise_mm:.1f} "
        f"(95 %: {noise.low_mm:.1f} to {noise.high_mm:.1f})",
        *(
            f"expected error at {name}, mm: {e['rms']:.1f} "
            f"(95 %: {e['low']:.1f} to {e['high']:.1f})"
            for name, e in errors
        ),
        *(f"note: {note}" for note in found.notes),
    ]
    rows = "".join(f"    {row},\n" for row in np.round(found.fit.a_from_b, 9).tolist())
    return (
        "".join(f"# {comment}\n" for comment in comments)
        + "[pose.registration]\n"
        + f"head_from_{read.frame} = [\n{rows}]\n"
        + "".join(f'{name} = "{word}"\n' for name, word in declared.items())
        + f"noise_mm = {noise.noise_mm:.3f}\n"
        + f"points = {json.dumps(found.pairs.names, ensure_ascii=False)}\n"
        + f"residual_mm = {np.round(left_mm, 3).tolist()}"
    )


def _write(json_out: Path | None, figures: dict[str, object]) -> None:
    if json_out is not None:
        json_out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
