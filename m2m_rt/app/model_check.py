"""Tries whether damage to a model's files is seen before the model is used."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.adapters.onnx_predictor import read_shipped_model
from m2m_rt.app.stage_bars import Progress
from m2m_rt.errors import ModelRefused


@dataclass(frozen=True, slots=True)
class Damage:
    """What became of files with one flipped bit each."""

    flips: int
    refused: int


def flip_bits(
    folder: Path, *, n_flips: int, seed: int, progress: Progress
) -> dict[str, Damage]:
    """Flip single bits of every file of a model, and count what is refused.

    The folder itself is left alone: a copy is damaged, and mended after each try.
    """
    rng, found = np.random.default_rng(seed), {}
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copytree(folder, Path(temporary) / "model"))
        for name in names:
            found[name] = _flip_file(copy, copy / name, n_flips, rng)
            progress("flipping bits", names.index(name) + 1, len(names))
    return found


def _flip_file(
    folder: Path, path: Path, n_flips: int, rng: np.random.Generator
) -> Damage:
    good, n_refused = path.read_bytes(), 0
    for place in rng.integers(0, 8 * len(good), n_flips).tolist():
        bad = bytearray(good)
        bad[place // 8] ^= 1 << (place % 8)
        path.write_bytes(bytes(bad))
        try:
            read_shipped_model(folder)
        except ModelRefused:
            n_refused += 1
    path.write_bytes(good)
    return Damage(flips=n_flips, refused=n_refused)
