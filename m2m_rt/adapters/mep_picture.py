"""A picture of measured sweeps: every sweep with its window, onset and peaks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m2m_rt.emg import MeasuredSweeps
from m2m_rt.errors import ConfigError
from m2m_rt.units import F64

MOST_PANELS = 150
"""More would not be readable; the title says how many are left out."""

_LEGEND = (
    "grey band: window, which sets the scale; red: onset; dots: peaks; "
    "grey sweep: no MEP"
)
_COLUMNS = 10
_MARGIN_MS = 15.0


@dataclass(frozen=True, slots=True)
class SweepAxis:
    """Where the samples of a sweep lie."""

    fs_hz: float
    trigger_s: float
    window_ms: tuple[float, float]
    """From the trigger."""

    def from_trigger_ms(self, n_samples: int) -> F64:
        """Return each sample's time after the trigger, shape (n_samples,)."""
        rows = np.arange(n_samples) - round(self.trigger_s * self.fs_hz)
        return rows * 1000 / self.fs_hz


def draw_sweeps(
    measured: MeasuredSweeps, axis: SweepAxis, *, title: str, path: Path
) -> None:
    """Write the picture; its format follows from the path's ending.

    Raises
    ------
    ConfigError
        If the picture cannot be written there.
    """
    n_all = len(measured.meps)
    n_shown = min(n_all, MOST_PANELS)
    n_rows = -(-n_shown // _COLUMNS)
    height_in = 1.5 * n_rows + 0.8
    figure = Figure(figsize=(16, height_in))
    # Fixed margins: matplotlib's own layout takes seconds on 150 panels.
    top, bottom = 1 - 0.75 / height_in, 0.25 / height_in
    figure.subplots_adjust(0.03, bottom, 0.99, top, wspace=0.3, hspace=0.3)
    left_out = f", first {n_shown} of {n_all} sweeps" if n_shown < n_all else ""
    figure.suptitle(f"{title}{left_out}\n{_LEGEND}", fontsize=10, y=1 - 0.1 / height_in)
    panels = figure.subplots(n_rows, _COLUMNS, squeeze=False).ravel()
    for panel in panels[n_shown:]:
        panel.set_axis_off()
    for sweep, panel in enumerate(panels[:n_shown]):
        _draw_sweep(panel, measured, axis, sweep)
    try:
        figure.savefig(path, dpi=100)
    except (OSError, ValueError) as err:
        raise ConfigError(f"picture {path}", str(err), "a .png, .svg or .pdf") from err


def _draw_sweep(
    panel: Axes, measured: MeasuredSweeps, axis: SweepAxis, sweep: int
) -> None:
    mep = measured.meps[sweep]
    wave_uv = measured.filtered_uv[sweep]
    at_ms = axis.from_trigger_ms(len(wave_uv))
    start_ms, end_ms = axis.window_ms
    inside = (at_ms >= start_ms - 1e-6) & (at_ms <= end_ms + 1e-6)
    shown = (at_ms >= start_ms - _MARGIN_MS) & (at_ms <= end_ms + _MARGIN_MS)
    is_present = mep.is_present[0]
    panel.axvspan(start_ms, end_ms, color="0.95")
    panel.plot(at_ms[shown], wave_uv[shown], lw=0.8, c="C0" if is_present else "0.6")
    window_ms, window_uv = at_ms[inside], wave_uv[inside]
    if is_present:
        peaks = [int(window_uv.argmax()), int(window_uv.argmin())]
        panel.plot(window_ms[peaks], window_uv[peaks], "o", ms=2.5, c="C1")
    if mep.latency_ms[0] is not None:
        panel.axvline(mep.latency_ms[0], c="C3", lw=0.8)
    _scale(panel, window_uv)
    panel.set_title(_caption(sweep, mep.amplitude_uv[0]), fontsize=7, pad=2)
    panel.tick_params(labelsize=5, length=2, pad=1)


def _scale(panel: Axes, window_uv: F64) -> None:
    """Scale to the window, so that the artefact does not hide the MEP."""
    finite_uv = window_uv[np.isfinite(window_uv)]
    if len(finite_uv):
        margin_uv = max(5.0, 0.1 * float(np.ptp(finite_uv)))
        panel.set_ylim(finite_uv.min() - margin_uv, finite_uv.max() + margin_uv)


def _caption(sweep: int, amplitude_uv: float | None) -> str:
    size = "not finite" if amplitude_uv is None else f"{amplitude_uv:.0f} µV"
    return f"sweep {sweep}: {size}"
