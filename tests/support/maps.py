"""Motor maps and pose tables of a subject whose map is known."""

from pathlib import Path

import numpy as np
import scipy.io

from m2m_rt.learning import MapPulses, Recording
from m2m_rt.units import F64

HOTSPOT_CM = np.array((-3.0, -5.0, 9.0))


def expected_log10_uv(position_mm: F64) -> F64:
    """Return the map: 10 µV, and 600 µV at a hotspot 15 mm wide."""
    away_mm = np.linalg.norm(position_mm - 10.0 * HOTSPOT_CM, axis=1)
    return np.asarray(1.0 + 1.8 * np.exp(-0.5 * (away_mm / 15.0) ** 2))


def draw_recording(rng: np.random.Generator, n: int, n_maps: int = 2) -> Recording:
    """Return pulses around the hotspot, in several maps, with a trial spread of 0.2."""
    position_mm = 10.0 * HOTSPOT_CM + rng.normal(0.0, 18.0, (n, 3)) * (1.0, 1.0, 0.2)
    index = np.sort(rng.integers(0, n_maps, n))
    places = np.concatenate([np.arange((index == m).sum()) for m in range(n_maps)])
    log10_uv = expected_log10_uv(position_mm) + rng.normal(0.0, 0.2, n)
    pulses = MapPulses(position_mm, index.astype(np.int64), places.astype(np.float64))
    return Recording(pulses, log10_uv)


def map_arrays(rng: np.random.Generator, n: int) -> dict[str, F64]:
    """Return the variables of a `_3MAPs.mat` with n pulses a map."""
    arrays: dict[str, F64] = {}
    for name in ("GRID", "RAND", "USER"):
        recording = draw_recording(rng, n, 1)
        arrays[f"NavData{name}"] = recording.pulses.position_mm / 10.0
        arrays[f"MEPamp{name}"] = 10.0 ** recording.log10_uv[:, np.newaxis]
    return arrays


def write_maps(folder: Path, subject: str, arrays: dict[str, F64]) -> Path:
    """Write `<subject>_3MAPs.mat` and return its path."""
    path = folder / f"{subject}_3MAPs.mat"
    scipy.io.savemat(path, arrays)
    return path
