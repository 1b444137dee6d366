"""A session's map as figures and as a picture."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from m2m_rt.app.session_map import AimedPose, MappedMuscle, SessionMap, Unmet
from m2m_rt.errors import ConfigError
from m2m_rt.learning import Place
from m2m_rt.units import F64

_FINE = 60


def map_figures(found: SessionMap) -> dict[str, object]:
    """Return what `--json` writes; poses are SimNIBS matsimnibs, head frame, mm."""
    session = found.session
    figures: dict[str, object] = {
        "trials_learnt": len(session.trials.log10_uv),
        "model_hash": session.predictor.model_hash,
        "table_hash": session.config.table_hash,
        "rmt_pct_mso": session.config.protocol.rmt_pct_mso,
        "state": _state(found),
        "muscles": {one.name: _muscle_figures(found, one) for one in found.muscles},
    }
    following = found.next_for_maps
    figures["next_pulse_for_maps"] = None
    if following is not None:
        figures["next_pulse_for_maps"] = {
            "head_from_coil": _pose(found, following.row),
            "intensity_pct_mso": _pct_mso(found, following.intensity_pct_rmt),
        }
    if found.aimed is not None:
        figures["aim"] = _aim_figures(found, found.aimed)
    return figures


def map_lines(found: SessionMap) -> list[str]:
    """Return what a person reads."""
    session = found.session
    lines = [f"{len(session.trials.log10_uv)} trials learnt", *_change_lines(found)]
    for muscle in found.muscles:
        area, hotspot = muscle.found.area_mm2, muscle.found.hotspot
        lines.append(
            f"{muscle.name}: hotspot {_mm(hotspot)} ± {hotspot.radius_90_mm:.1f} mm; "
            f"area {area.mean / 100:.1f} cm² ({area.p05 / 100:.1f} to "
            f"{area.p95 / 100:.1f}); {_next_line(found, muscle)}"
        )
    match found.aimed:
        case AimedPose() as aimed:
            centre = Place(found.grid.centre_mm[aimed.row], 0.0)
            pct_mso = _pct_mso(found, aimed.intensity_pct_rmt)
            lines.append(f"for the aim: {_mm(centre)} at {pct_mso:g} % MSO")
        case Unmet() as why:
            lines.append(f"no allowed stimulus meets the aim: {why.value}")
    return lines


def _aim_figures(
    found: SessionMap, aimed: AimedPose | Unmet
) -> dict[str, object] | None:
    """Return what is said of the aim; None where no allowed stimulus meets it."""
    if isinstance(aimed, Unmet):
        return None
    muscles = found.session.muscles
    return {
        "head_from_coil": _pose(found, aimed.row),
        "intensity_pct_mso": _pct_mso(found, aimed.intensity_pct_rmt),
        "expected_uv": {
            name: round(float(10.0 ** aimed.log10_uv[column]), 1)
            for column, name in enumerate(muscles)
        },
        "presence": {
            name: round(float(aimed.presence[column]), 3)
            for column, name in enumerate(muscles)
        },
    }


def _state(found: SessionMap) -> dict[str, object]:
    """Return what all muscles share at the end, and the changes found on the way."""
    session, state = found.session, found.session.forecaster.shared_state
    return {
        "excitability_log10": round(state.mean_log10, 4),
        "excitability_sd_log10": round(state.sd_log10, 4),
        "noise_scale": round(state.noise_scale, 4),
        "shift_mm": list(session.forecaster.shift_mm),
        "changes": [
            {
                "kind": str(one.kind),
                "muscle": None if one.muscle is None else session.muscles[one.muscle],
                "log10_gain": round(one.log10_gain, 4),
                "shift_mm": list(one.shift_mm),
                "since_trial": one.since_trial,
            }
            for one in session.changes
        ],
    }


def _change_lines(found: SessionMap) -> list[str]:
    return [
        f"since trial {one.since_trial + 1}: coil "
        f"{math.hypot(*one.shift_mm):.0f} mm off"
        if one.muscle is None
        else f"since trial {one.since_trial + 1}: {found.session.muscles[one.muscle]} "
        f"answers × {10.0**one.log10_gain:g}"
        for one in found.session.changes
    ]


def _next_line(found: SessionMap, muscle: MappedMuscle) -> str:
    if muscle.stop is not None:
        return f"mapped well enough ({muscle.stop})"
    if muscle.next_pulse is None:
        return "no intensity left to try"
    pulse = muscle.next_pulse
    centre = Place(found.grid.centre_mm[pulse.row], 0.0)
    pct_mso = _pct_mso(found, 100.0 * pulse.level)
    return (
        f"next pulse {_mm(centre)} at {pct_mso:g} % MSO, expected to gain "
        f"{pulse.gain_log10:.3f} of at most {pulse.gain_at_most_log10:.3f} log10"
    )


def _mm(place: Place) -> str:
    return "(" + " ".join(f"{one:.1f}" for one in place.mean_mm) + ")"


def _muscle_figures(found: SessionMap, muscle: MappedMuscle) -> dict[str, object]:
    area, row = muscle.found.area_mm2, muscle.found.hotspot_row
    figures: dict[str, object] = {
        "pulses": muscle.sources.n_pulses,
        "hotspot": _place(muscle.found.hotspot) | {"head_from_coil": _pose(found, row)},
        "gravity": (
            None if muscle.found.gravity is None else _place(muscle.found.gravity)
        ),
        "area_mm2": {
            "mean": round(area.mean),
            "p05": round(area.p05),
            "p95": round(area.p95),
        },
        "source": _source(found, muscle),
        "stop": None if muscle.stop is None else str(muscle.stop),
        "next_pulse": None,
    }
    pulse = muscle.next_pulse
    if pulse is not None:
        figures["next_pulse"] = {
            "head_from_coil": _pose(found, pulse.row),
            "intensity_pct_mso": _pct_mso(found, 100.0 * pulse.level),
            "expected_gain_log10": round(pulse.gain_log10, 5),
            "gain_at_most_log10": round(pulse.gain_at_most_log10, 5),
        }
    return figures


def _source(found: SessionMap, muscle: MappedMuscle) -> dict[str, object]:
    """Return the likely cortical source: mean and 90 % radius over its points."""
    points_mm = found.session.lookup.table.roi.points_mm
    probability = muscle.sources.probability
    mean_mm = probability @ points_mm
    apart_mm = np.linalg.norm(points_mm - mean_mm, axis=1)
    order = np.argsort(apart_mm)
    within = np.searchsorted(np.cumsum(probability[order]), 0.9)
    last = order[min(int(within), len(order) - 1)]
    return _place(Place(mean_mm=mean_mm, radius_90_mm=float(apart_mm[last])))


def _place(place: Place) -> dict[str, object]:
    return {
        "head_mm": [round(float(one), 2) for one in place.mean_mm],
        "radius_90_mm": round(place.radius_90_mm, 2),
    }


def _pose(found: SessionMap, row: int) -> list[list[float]]:
    pose: list[list[float]] = found.grid.head_from_coil[row].round(6).tolist()
    return pose


def _pct_mso(found: SessionMap, intensity_pct_rmt: float) -> float:
    rmt = found.session.config.protocol.rmt_pct_mso
    return round(intensity_pct_rmt * rmt / 100.0, 1)


def draw_map(found: SessionMap, path: Path) -> None:
    """Write a PNG: each muscle's map in the planned direction of the handle."""
    n_muscles = len(found.muscles)
    n_columns = min(n_muscles, 4)
    n_rows = -(-n_muscles // n_columns)
    figure = Figure(figsize=(4.4 * n_columns, 4.2 * n_rows + 0.8), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for one, muscle in zip(axes, found.muscles, strict=False):
        _draw_muscle(one, found, muscle)
    for empty in axes[n_muscles:]:
        empty.set_axis_off()
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        fontsize="small",
        facecolor="0.55",  # white marks are seen on it
    )
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as err:
        raise ConfigError(f"picture {path}", str(err), "a .png, .svg or .pdf") from err


def _draw_muscle(axes: Axes, found: SessionMap, muscle: MappedMuscle) -> None:
    flat = found.grid.yaw_deg == 0.0
    x_sites, y_sites = found.grid.offset_mm[flat].T
    size = found.answers.mean[flat, muscle.column]
    filled = axes.tricontourf(x_sites, y_sites, size, levels=20, cmap="viridis")
    axes.tricontour(x_sites, y_sites, size, levels=[np.log10(50.0)], colors="w")
    axes.plot([], [], "w-", label="50 µV")
    given = _offsets(found, found.session.trials.head_from_coil[:, :3, 3])
    axes.plot(*given.T, ".", color="0.8", markersize=3, label="pulses given")
    hotspot = muscle.found.hotspot
    _circle(axes, found, hotspot, "C3", "hotspot, 90 %")
    if muscle.found.gravity is not None:
        _circle(axes, found, muscle.found.gravity, "C1", "centre of gravity, 90 %")
    if muscle.next_pulse is not None:
        (x_mm, y_mm), yaw = _where(found, muscle.next_pulse.row)
        axes.quiver(x_mm, y_mm, -np.sin(yaw), np.cos(yaw), color="w", scale=14)
        axes.plot(x_mm, y_mm, "w^", markersize=6, label="next pulse")
    area = muscle.found.area_mm2
    axes.set(
        title=f"{muscle.name}: {area.mean / 100:.1f} cm² "
        f"({area.p05 / 100:.1f} to {area.p95 / 100:.1f})",
        xlabel="along the planned coil's x (mm)",
        ylabel="along its y (mm)",
        aspect="equal",
    )
    axes.figure.colorbar(filled, ax=axes, label="expected log10 MEP (µV)", shrink=0.8)


def _circle(
    axes: Axes, found: SessionMap, place: Place, colour: str, label: str
) -> None:
    ((x_mm, y_mm),) = _offsets(found, place.mean_mm[np.newaxis])
    axes.plot(x_mm, y_mm, "o", color=colour, markersize=4, label=label)
    if np.isfinite(place.radius_90_mm):
        radius_mm = min(place.radius_90_mm, float(_FINE))
        circle = Circle((x_mm, y_mm), radius_mm, fill=False, edgecolor=colour)
        axes.add_patch(circle)


def _where(found: SessionMap, row: int) -> tuple[F64, float]:
    return found.grid.offset_mm[row], float(np.radians(found.grid.yaw_deg[row]))


def _offsets(found: SessionMap, head_mm: F64) -> F64:
    """Return places (n, 3) along the planned coil's x and y axes, (n, 2)."""
    planned = found.session.lookup.table.region.planned_head_from_coil
    offsets: F64 = (head_mm - planned[:3, 3]) @ planned[:3, :2]
    return offsets
