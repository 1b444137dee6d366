"""MEPs of stored sweeps: one muscle, the pulse at the same place in each."""

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from m2m_rt.emg.epochs import Epoch
from m2m_rt.emg.filters import CausalFilter
from m2m_rt.emg.mep import MepMeter, PulseMeps
from m2m_rt.emg.settings import EmgSettings
from m2m_rt.emg.windows import EpochRows
from m2m_rt.errors import ConfigError
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class MeasuredSweeps:
    """What was measured, and on which samples."""

    meps: tuple[PulseMeps, ...]
    """One entry a sweep, each of one muscle; rows count from the sweep's start."""

    filtered_uv: F64
    """Shape (n_sweeps, n_samples)."""


def measure_sweeps(
    samples_uv: F64, *, fs_hz: float, trigger_s: float, settings: EmgSettings
) -> MeasuredSweeps:
    """Measure each sweep by itself, with the filter and the rules of the live path.

    Parameters
    ----------
    samples_uv
        Shape (n_sweeps, n_samples).
    trigger_s
        From a sweep's first sample to the pulse; the nearest sample is the edge.
    settings
        Of one muscle. A background that would begin before the sweep begins with it.

    Raises
    ------
    ConfigError
        If the sweeps do not hold the pulse, a background and the window.
    """
    if not math.isfinite(trigger_s):
        raise ConfigError("trigger", f"{trigger_s} s", "a time in the sweep")
    edge_row = round(trigger_s * fs_hz)
    fitting = _fit_background(settings, edge_row * 1000 / fs_hz)
    meter = MepMeter(fitting, fs_hz)
    _check_span(meter.rows, edge_row, samples_uv.shape[1])
    filtered_uv = np.stack(
        [_filter(sweep_uv, edge_row, fs_hz, fitting) for sweep_uv in samples_uv]
    )
    epochs = (
        _epoch(meter.rows, edge_row, raw_uv, clean_uv)
        for raw_uv, clean_uv in zip(samples_uv, filtered_uv, strict=True)
    )
    return MeasuredSweeps(tuple(meter.measure(epoch) for epoch in epochs), filtered_uv)


def _fit_background(settings: EmgSettings, before_ms: float) -> EmgSettings:
    start_ms = max(settings.mep.background_start_ms, -before_ms)
    if start_ms >= settings.mep.background_end_ms:
        raise ConfigError(
            "trigger",
            f"{before_ms:g} ms after the sweep's start",
            f"more than {-settings.mep.background_end_ms:g} ms, for a background",
        )
    mep = msgspec.structs.replace(settings.mep, background_start_ms=start_ms)
    return msgspec.structs.replace(settings, mep=mep)


def _check_span(rows: EpochRows, edge_row: int, n_samples: int) -> None:
    ms_per_row = 1000 / rows.fs_hz
    if edge_row + rows.after_rows >= n_samples:
        raise ConfigError(
            "window",
            f"an end {(edge_row + rows.after_rows) * ms_per_row:g} ms after the "
            f"sweep's start (trigger at {edge_row * ms_per_row:g} ms)",
            f"at most {(n_samples - 1) * ms_per_row:g} ms, where the sweeps of "
            f"{n_samples} samples end; is it the right time axis and rate?",
        )


def _filter(sweep_uv: F64, edge_row: int, fs_hz: float, settings: EmgSettings) -> F64:
    """Return one sweep after the live filter, shape (n_samples,)."""
    causal = CausalFilter(settings.filter, fs_hz=fs_hz, n_muscles=1)
    # The filter gives a row when the ones after it are in: repeat the last.
    padded_uv = np.pad(sweep_uv, (0, causal.delay_rows), mode="edge")
    return causal.push(padded_uv[:, np.newaxis], [edge_row]).filtered_uv[:, 0]


def _epoch(rows: EpochRows, edge_row: int, raw_uv: F64, filtered_uv: F64) -> Epoch:
    span = slice(edge_row - rows.before_rows, edge_row + rows.after_rows + 1)
    return Epoch(
        edge_row=edge_row,
        edge_at=rows.before_rows,
        raw_uv=raw_uv[span, np.newaxis],
        filtered_uv=filtered_uv[span, np.newaxis],
        n_missing=0,
        gap_at=(),
        other_edges_at=(),
    )
