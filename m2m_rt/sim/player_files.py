"""Files that can be played: XDF recordings, and sweeps with their intensities."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.adapters.recording import Recording
from m2m_rt.adapters.sweep_file import SweepLayout, read_sweeps, read_values
from m2m_rt.adapters.xdf_file import read_xdf
from m2m_rt.errors import ConfigError
from m2m_rt.sim.player_sweeps import SweepsToPlay, sweeps_recording
from m2m_rt.units import F64

XDF_SUFFIXES = (".xdf", ".xdfz")
SWEEP_SUFFIXES = (".mat", ".npz")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFile:
    """What a file of sweeps and intensities is like; the defaults are Oxford's S1.mat.

    That is the layout of Sorkhabi et al. (2022): FDI in mV, artefact at 100 ms.
    """

    variable: str = "mep"
    """The sweeps; the longest axis is time."""

    intensities: str = "intensities"
    """In % MSO, as many as another axis of the sweeps is long."""

    fs_variable: str = "fs"
    """Samples a second; used where `fs_hz` is None."""

    fs_hz: float | None = None
    unit: str = "mV"
    muscle: str = "FDI"
    trigger_s: float = 0.1
    """From a sweep's first sample to its pulse."""


def open_recording(
    path: Path, layout: SweepFile, *, n_sweeps: int | None = None
) -> Recording:
    """Return what a file holds, ready to be played.

    Parameters
    ----------
    path
        An XDF recording, or a .mat or .npz of sweeps.
    layout
        Of a file of sweeps.
    n_sweeps
        Only the first of them; None: all.

    Raises
    ------
    ConfigError
        If the file is not there, or not as the layout says.
    DataError
        If it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in XDF_SUFFIXES:
        return read_xdf(path)
    if suffix not in SWEEP_SUFFIXES:
        expected = ", ".join((*XDF_SUFFIXES, *SWEEP_SUFFIXES))
        raise ConfigError(str(path), f"a {suffix or 'nameless'} file", expected)
    return sweeps_recording(read_sweeps_to_play(path, layout, n_sweeps=n_sweeps))


def read_sweeps_to_play(
    path: Path, layout: SweepFile, *, n_sweeps: int | None = None
) -> SweepsToPlay:
    """Return the sweeps of a file with the intensity of each.

    Raises
    ------
    ConfigError
        If the file is not as the layout says.
    DataError
        If it cannot be read.
    """
    fs_hz = layout.fs_hz or _rate(path, layout.fs_variable)
    sweeps = read_sweeps(
        path, SweepLayout(fs_hz=fs_hz, unit=layout.unit, variable=layout.variable)
    )
    intensities = read_values(path, layout.intensities).ravel()
    where = f"{path}: {layout.intensities}"
    each = _of_each_sweep(intensities, sweeps.other_shape, where)
    return SweepsToPlay(
        samples_uv=sweeps.samples_uv[:n_sweeps],
        intensity_pct_mso=each[:n_sweeps],
        fs_hz=fs_hz,
        muscle=layout.muscle,
        trigger_s=layout.trigger_s,
    )


def _rate(path: Path, variable: str) -> float:
    values = read_values(path, variable)
    if values.size != 1:
        raise ConfigError(f"{path}: {variable}", f"{values.size} numbers", "one rate")
    return float(values.ravel()[0])


def _of_each_sweep(values: F64, sweeps_shape: tuple[int, ...], where: str) -> F64:
    """Return the values along the one axis of the sweeps that they fit, flattened."""
    fitting = [axis for axis, n in enumerate(sweeps_shape) if n == len(values)]
    if len(fitting) != 1:
        expected = f"as many as one axis of {sweeps_shape}"
        raise ConfigError(where, f"{len(values)} intensities", expected)
    along = [1] * len(sweeps_shape)
    along[fitting[0]] = len(values)
    each: F64 = np.broadcast_to(values.reshape(along), sweeps_shape).ravel()
    return each
