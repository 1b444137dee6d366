"""Pictures of a subject's maps: the field, progressive predictions, active mapping."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m2m_rt.learning import (
    MapPulses,
    PoseMapSettings,
    Progress,
    Recording,
    fit_map,
    predict_map,
)
from m2m_rt.studies.maps import ActiveResult, SubjectResult
from m2m_rt.studies.maps_baselines import kernel_mean
from m2m_rt.studies.maps_data import POSITION
from m2m_rt.units import F64

_N_SIDE = 80
_WINDOW = 50
_SMOOTH_MM = 8.0
"""Of the surface that a map is drawn on; less than a head's curvature shows."""


def draw_subject(result: SubjectResult, folder: Path) -> Path:
    """Write `<subject>.png` and return its path."""
    figure = Figure(figsize=(14, 9), layout="constrained")
    (top_left, top_right), (low_left, low_right) = figure.subplots(2, 2)
    recording = result.recording
    draw_field(top_left, recording, result.settings[POSITION])
    _draw_baselines(top_right, result)
    draw_progress(low_left, recording, result.progress)
    _draw_active(low_right, result.active)
    figure.suptitle(f"{result.subject.subject}: {len(recording.log10_uv)} pulses")
    path = folder / f"{result.subject.subject}.png"
    figure.savefig(path, dpi=110)
    return path


def draw_field(axes: Axes, recording: Recording, settings: PoseMapSettings) -> None:
    """Draw the expected response over the coil's first two coordinates."""
    position_mm = recording.pulses.position_mm
    grid_mm, shape = _seen_grid(position_mm)
    n = len(grid_mm)
    at = MapPulses(
        grid_mm,
        np.zeros(n, dtype=np.int64),
        np.zeros(n),
        _constant_rotation(recording.pulses, n),
        _middle_level(recording.pulses, n),
    )
    field = predict_map(
        fit_map(recording.pulses, recording.log10_uv, settings), at
    ).mean_log10_uv
    x, y = (grid_mm[:, axis].reshape(shape) for axis in (0, 1))
    colours = axes.contourf(x, y, field.reshape(shape), 20, cmap="viridis")
    axes.plot(position_mm[:, 0], position_mm[:, 1], "w.", markersize=2)
    axes.set(xlabel="x (mm)", ylabel="y (mm)", aspect="equal")
    axes.set_title("expected log10 MEP (µV), pulses in white")
    axes.figure.colorbar(colours, ax=axes)


def draw_progress(axes: Axes, recording: Recording, progress: Progress) -> None:
    """Draw measured over predicted, and the 90 % interval."""
    mean, sd = progress.mean_log10_uv, progress.sd_log10_uv
    order = np.argsort(mean)
    axes.plot(mean, recording.log10_uv, ".", markersize=3, color="tab:blue")
    for sign in (-1.0, 1.0):
        edge = _smooth((mean + sign * 1.645 * sd)[order])
        axes.plot(_smooth(mean[order]), edge, color="tab:orange")
    low, high = float(recording.log10_uv.min()), float(recording.log10_uv.max())
    axes.plot([low, high], [low, high], "k:", linewidth=1)
    axes.set(xlabel="predicted from past pulses, log10 µV", ylabel="measured")
    axes.set_title("progressive predictions, 90 % interval (running mean)")


def _draw_baselines(axes: Axes, result: SubjectResult) -> None:
    scores = {k: v for k, v in result.r2.items() if v is not None}
    axes.barh(list(scores), list(scores.values()), color="tab:blue")
    for name, ceiling in result.ceiling.items():
        if ceiling is not None:
            axes.axvline(ceiling, color="0.4", linestyle="--")
            axes.text(ceiling, len(scores) - 0.4, name, ha="center", fontsize="small")
    axes.set_xlabel("R² of single pulses, 10 folds")
    axes.margins(y=0.12)


def _draw_active(axes: Axes, active: ActiveResult | str) -> None:
    axes.set_title("active mapping: error of the map")
    if isinstance(active, str):
        axes.text(0.5, 0.5, active, ha="center", transform=axes.transAxes)
        return
    for run, label in (
        (active.active, "active"),
        (active.noisy, "active, noisy answers"),
        (active.random, "random sites"),
    ):
        axes.semilogy(run.pulses, run.nmse, label=label)
    axes.set(xlabel="pulses", ylabel="|z − ẑ|² / |z|²")
    axes.legend()


def _seen_grid(position_mm: F64) -> tuple[F64, tuple[int, int]]:
    """Return a grid over x and y, at the pulses' smoothed heights."""
    low, high = position_mm.min(axis=0), position_mm.max(axis=0)
    x, y = np.meshgrid(
        np.linspace(low[0], high[0], _N_SIDE), np.linspace(low[1], high[1], _N_SIDE)
    )
    flat = np.column_stack((x.ravel(), y.ravel()))
    heights = [
        kernel_mean(position_mm[:, :2], height, flat, _SMOOTH_MM)
        for height in position_mm[:, 2:].T
    ]
    return np.column_stack((flat, *heights)), (_N_SIDE, _N_SIDE)


def _constant_rotation(pulses: MapPulses, n: int) -> F64 | None:
    """Return the recording's most central rotation, n times."""
    if pulses.rotation is None:
        return None
    mean = pulses.rotation.mean(axis=0)
    central = int(np.argmax(np.einsum("nij,ij->n", pulses.rotation, mean)))
    return np.tile(pulses.rotation[central], (n, 1, 1))


def _middle_level(pulses: MapPulses, n: int) -> F64 | None:
    if pulses.intensity_pct is None:
        return None
    return np.full(n, float(np.median(pulses.intensity_pct)))


def _smooth(values: F64) -> F64:
    width = min(_WINDOW, len(values))
    return np.asarray(np.convolve(values, np.full(width, 1.0 / width), mode="valid"))
