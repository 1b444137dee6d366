"""Training of the published autoencoder: cached, and resumed where it was killed.

It learns from fields alone, so one training serves all subjects that share the poses.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from m2m_rt.nets.npz import npz_bytes
from m2m_rt.nets.paper import Autoencoder
from m2m_rt.nets.paper_settings import EncoderSettings
from m2m_rt.nets.paper_sparse import DenseAutoencoder, SparseAutoencoder
from m2m_rt.nets.sessions import Progress
from m2m_rt.units import F32

_FORMAT = 1
"""Of what is stored, and of the arithmetic behind it: part of every file's name."""

_SAVE_EVERY_EPOCHS = 2
_ENCODE_BATCH = 32


@dataclass(frozen=True, slots=True)
class EncoderTask:
    """One training: values at the mask's voxels, and how to learn them."""

    values: F32
    """(n, n_voxels), scaled."""

    mask: Tensor
    """(1, 1, side, side, side)"""

    settings: EncoderSettings
    seed: int

    @property
    def key(self) -> str:
        """Name of what comes out: a hash of all that goes in, but how long it lasts.

        A shorter training with the same rate is the beginning of a longer one.
        """
        step = msgspec.structs.replace(self.settings, epochs=1)
        digest = hashlib.sha256(str(_FORMAT).encode())
        digest.update(msgspec.json.encode((step, self.seed)))
        digest.update(np.ascontiguousarray(self.values).tobytes())
        digest.update(self.mask.numpy().tobytes())
        return digest.hexdigest()[:24]


@dataclass(slots=True)
class EncoderTraining:
    """A training under way: everything that its next step depends on."""

    net: Autoencoder
    optimizer: torch.optim.SGD
    draws: torch.Generator
    epoch: int = 0

    def arrays(self) -> dict[str, F32]:
        """Return the state, exactly."""
        kept = {
            f"weight {at}": parameter.detach().cpu().numpy()
            for at, parameter in enumerate(self.net.parameters())
        }
        for at, parameter in enumerate(self.net.parameters()):
            momentum = self.optimizer.state.get(parameter, {}).get("momentum_buffer")
            if momentum is not None:
                kept[f"momentum {at}"] = momentum.cpu().numpy()
        kept["draws"] = self.draws.get_state().numpy().astype(np.float32)
        kept["epoch"] = np.array(self.epoch, np.float32)
        return kept

    def restore(self, arrays: Mapping[str, F32]) -> None:
        """Go on from a state."""
        for at, parameter in enumerate(self.net.parameters()):
            parameter.data.copy_(torch.tensor(arrays[f"weight {at}"]))
            if f"momentum {at}" in arrays:
                momentum = torch.tensor(arrays[f"momentum {at}"])
                self.optimizer.state[parameter]["momentum_buffer"] = momentum.to(
                    parameter.device
                )
        self.draws.set_state(torch.tensor(arrays["draws"].astype(np.uint8)))
        self.epoch = int(arrays["epoch"])


def train_encoder(
    task: EncoderTask, cache: Path | None, progress: Progress
) -> Autoencoder:
    """Return the trained autoencoder, from the cache folder if it is there.

    With a cache the state is stored every few epochs, so that a killed training goes on
    and ends with the very weights of an unbroken one.
    """
    training, n_epochs = _begin(task), task.settings.epochs
    stored = _latest(cache, task)
    if stored is not None:
        training.restore(_read(stored))
    train_epoch = _Epoch(task, training, evaluator(training.net))
    while training.epoch < n_epochs:
        train_epoch()
        progress("autoencoder", training.epoch, n_epochs)
        ended = training.epoch == n_epochs
        if cache is not None and (ended or training.epoch % _SAVE_EVERY_EPOCHS == 0):
            _write(_file(cache, task, training.epoch, ended=ended), training)
            for older in _unfinished(cache, task, up_to=training.epoch - 1):
                older.unlink(missing_ok=True)
    return training.net.cpu().eval()


def evaluator(net: Autoencoder) -> SparseAutoencoder | DenseAutoencoder:
    """Return the quickest way to apply an autoencoder where its weights are."""
    return DenseAutoencoder(net) if net.mask.is_cuda else SparseAutoencoder(net)


def encode(autoencoder: Autoencoder, values: F32) -> Tensor:
    """Return unscaled codes (n, 1, side/4, side/4, side/4) of voxel values."""
    sparse = SparseAutoencoder(autoencoder)
    with torch.no_grad():
        parts = [sparse.code(part) for part in _chunks(torch.tensor(values))]
    return torch.cat(parts)


def rebuild(autoencoder: Autoencoder, values: F32) -> F32:
    """Return reconstructions (n, n_voxels) of voxel values."""
    sparse = SparseAutoencoder(autoencoder)
    with torch.no_grad():
        parts = [sparse.rebuild(part) for part in _chunks(torch.tensor(values))]
    rebuilt: F32 = torch.cat(parts).numpy()
    return rebuilt


def _begin(task: EncoderTask) -> EncoderTraining:
    with torch.random.fork_rng():
        torch.manual_seed(task.seed)
        net = Autoencoder(task.mask)
    if torch.cuda.is_available():
        net = net.cuda()
    settings = task.settings
    optimizer = torch.optim.SGD(
        net.parameters(), lr=settings.learning_rate, momentum=settings.momentum
    )
    draws = torch.Generator()
    draws.manual_seed(task.seed)
    return EncoderTraining(net, optimizer, draws)


@dataclass(frozen=True, slots=True)
class _Epoch:
    """One pass over the pulses.

    The paper's error is the mean over the whole box; outside the mask there is none.
    """

    task: EncoderTask
    training: EncoderTraining
    applied: SparseAutoencoder | DenseAutoencoder

    def __call__(self) -> None:
        values = torch.tensor(self.task.values, device=self.training.net.mask.device)
        settings, training = self.task.settings, self.training
        for rows in batches(len(values), settings.batch, training.draws):
            batch = values[rows]
            squared = torch.sum((self.applied.rebuild(batch) - batch) ** 2)
            error = squared / (len(batch) * self.applied.side**3)
            loss = error + settings.penalty * training.net.penalty()
            training.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation
            training.optimizer.step()
        training.epoch += 1


def batches(n_rows: int, size: int, draws: torch.Generator) -> Iterator[Tensor]:
    """Give random batches of at least two rows: batch norm needs a spread."""
    order = torch.randperm(n_rows, generator=draws)
    for at in range(0, n_rows - 1, size):
        yield order[at : at + size]


def _chunks(values: Tensor) -> Iterator[Tensor]:
    return iter(torch.split(values, _ENCODE_BATCH))


def _file(cache: Path, task: EncoderTask, epoch: int, *, ended: bool) -> Path:
    kind = "encoder" if ended else "unfinished"
    return cache / f"{kind}-{task.key}-{epoch:04d}.npz"


def _latest(cache: Path | None, task: EncoderTask) -> Path | None:
    """Return the state of this training that has come furthest, not beyond its end."""
    if cache is None:
        return None
    n_epochs = task.settings.epochs
    stored = [
        *cache.glob(f"encoder-{task.key}-*.npz"),
        *_unfinished(cache, task, up_to=n_epochs),
    ]
    usable = [path for path in stored if _epoch_of(path) <= n_epochs]
    return max(usable, key=_epoch_of, default=None)


def _unfinished(cache: Path, task: EncoderTask, *, up_to: int) -> list[Path]:
    found = cache.glob(f"unfinished-{task.key}-*.npz")
    return [path for path in found if _epoch_of(path) <= up_to]


def _epoch_of(path: Path) -> int:
    return int(path.stem.rsplit("-", 1)[1])


def _read(path: Path) -> dict[str, F32]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _write(path: Path, training: EncoderTraining) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(npz_bytes(training.arrays()))
    os.replace(unfinished, path)
