"""Stored outcomes of fits, so that a study goes on where it was killed."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.nets.npz import npz_bytes
from m2m_rt.studies.systems import Predicted


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fitted system says of its test pulses, and how large it is."""

    predicted: Predicted
    n_parameters: float
    n_effective: float
    hat_trace: float


@dataclass(frozen=True, slots=True)
class OutcomeStore:
    """A folder of outcomes by the hash of all that they depend on; None keeps none."""

    folder: Path | None

    def read(self, key: str) -> Outcome | None:
        """Return what is stored under a key."""
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as stored:
            sizes = stored["sizes"].tolist()
            predicted = Predicted(stored["amplitude_uv"], stored["log10_uv"])
        return Outcome(predicted, *sizes)

    def write(self, key: str, outcome: Outcome) -> None:
        """Store an outcome; a reader sees all of it or nothing."""
        path = self._path(key)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        sizes = (outcome.n_parameters, outcome.n_effective, outcome.hat_trace)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(
            npz_bytes(
                {
                    "amplitude_uv": outcome.predicted.amplitude_uv,
                    "log10_uv": outcome.predicted.log10_uv,
                    "sizes": np.array(sizes, np.float64),
                }
            )
        )
        os.replace(unfinished, path)

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / f"outcome-{key}.npz"
