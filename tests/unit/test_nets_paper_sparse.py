"""The published autoencoder on a few voxels: the dense one's results, and its state."""

from pathlib import Path

import numpy as np
import pytest
import torch

from m2m_rt.nets.paper import Autoencoder, FieldVolume, PaperInput
from m2m_rt.nets.paper_box import box_grid, halved, point_voxels
from m2m_rt.nets.paper_encoder import (
    EncoderTask,
    encode,
    rebuild,
    train_encoder,
)
from m2m_rt.nets.paper_settings import EncoderSettings
from m2m_rt.nets.paper_sparse import DenseAutoencoder, SparseAutoencoder
from m2m_rt.units import F32
from tests.support.efield import make_synthetic_table

SIDE = 16


def cortex(n_voxels: int, *, seed: int = 0, side: int = SIDE) -> torch.Tensor:
    """Return a mask with a sheet of voxels and some at the box's very corners."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((side,) * 3, np.float32)
    mask.ravel()[rng.choice(side**3, n_voxels, replace=False)] = 1.0
    mask[0, 0, 0] = mask[-1, -1, -1] = mask[0, -1, 5] = 1.0
    return torch.tensor(mask)[None, None]


def trained_by_chance(mask: torch.Tensor) -> Autoencoder:
    torch.manual_seed(3)
    net = Autoencoder(mask)
    for parameter in net.parameters():  # biases too: far from cortex they are all
        parameter.data += 0.05 * torch.randn_like(parameter)
    return net


def volumes(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    flat = torch.zeros(len(values), mask.numel())
    flat[:, mask.ravel() > 0] = values
    return flat.reshape(-1, *mask.shape[1:])


@pytest.mark.parametrize("n_voxels", [3, 60, 2000])
def test_sparse_results_and_gradients_are_the_dense_ones(n_voxels: int) -> None:
    mask = cortex(n_voxels)
    net = trained_by_chance(mask)
    values = torch.rand(3, int(mask.sum()))
    dense = volumes(values, mask)
    inside = mask.ravel() > 0
    sparse, written = SparseAutoencoder(net), DenseAutoencoder(net)
    assert torch.equal(written.code(values), net.encoder(dense))
    torch.testing.assert_close(
        sparse.code(values), net.encoder(dense), rtol=1e-4, atol=1e-5
    )
    net.zero_grad()
    torch.nn.functional.mse_loss(net(dense), dense).backward()
    expected = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    rebuilt = sparse.rebuild(values)
    torch.testing.assert_close(
        rebuilt, net(dense).reshape(3, -1)[:, inside], rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(rebuilt, written.rebuild(values), rtol=1e-4, atol=1e-5)
    (torch.sum((rebuilt - values) ** 2) / dense.numel()).backward()
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        scale = float(gradient.abs().max())
        torch.testing.assert_close(
            parameter.grad,
            gradient,
            rtol=1e-3,
            atol=1e-4 * scale,  # float32 sums
        )


def fields(n: int = 9, seed: int = 1) -> tuple[F32, torch.Tensor]:
    mask = cortex(50)
    rng = np.random.default_rng(seed)
    patterns = rng.random((2, int(mask.sum())))
    return (rng.random((n, 2)) @ patterns / 2).astype(np.float32), mask


def silent(_stage: str, _done: int, _total: int) -> None:
    pass


class KilledError(Exception):
    pass


def killer(at: int):  # noqa: ANN201 - a progress that stops the training
    def progress(_stage: str, done: int, _total: int) -> None:
        if done == at:
            raise KilledError

    return progress


def weights(net: Autoencoder) -> torch.Tensor:
    return torch.cat([parameter.detach().ravel() for parameter in net.parameters()])


def test_a_killed_training_ends_as_an_unbroken_one_to_the_bit(tmp_path: Path) -> None:
    values, mask = fields()
    task = EncoderTask(values, mask, EncoderSettings(epochs=7), seed=5)
    whole = train_encoder(task, None, silent)
    for at in (3, 6):
        with pytest.raises(KilledError):
            train_encoder(task, tmp_path, killer(at))
    resumed = train_encoder(task, tmp_path, silent)
    assert torch.equal(weights(whole), weights(resumed))
    assert [path.name[:8] for path in tmp_path.iterdir()] == ["encoder-"]


def test_a_finished_training_is_read_and_a_longer_one_goes_on(tmp_path: Path) -> None:
    values, mask = fields()
    short = EncoderTask(values, mask, EncoderSettings(epochs=2), seed=5)
    longer = EncoderTask(values, mask, EncoderSettings(epochs=4), seed=5)
    first = train_encoder(short, tmp_path, silent)
    again = train_encoder(short, tmp_path, killer(1))  # it would stop if it trained
    assert torch.equal(weights(first), weights(again))
    went_on = train_encoder(longer, tmp_path, silent)
    assert torch.equal(weights(went_on), weights(train_encoder(longer, None, silent)))
    unlike = EncoderTask(values + 1.0, mask, EncoderSettings(epochs=2), seed=5)
    with pytest.raises(KilledError):
        train_encoder(unlike, tmp_path, killer(1))


def test_training_lowers_the_error_of_what_is_rebuilt() -> None:
    values, mask = fields(40)
    settings = EncoderSettings(epochs=15, penalty=0.0)
    net = train_encoder(EncoderTask(values, mask, settings, seed=1), None, silent)
    left = np.mean((rebuild(net, values) - values) ** 2)
    assert left < 0.5 * np.mean(values**2)
    assert encode(net, values).shape == (40, 1, SIDE // 4, SIDE // 4, SIDE // 4)


@pytest.mark.parametrize("kind", list(PaperInput))
def test_a_finer_box_holds_the_same_field(kind: PaperInput) -> None:
    roi = make_synthetic_table(n_roi=80).roi
    coarse = FieldVolume(box_grid(roi, 32), kind)
    fine = FieldVolume(box_grid(roi, 64), kind)
    uniform = torch.ones(1, 80, 3) * 0.4
    assert fine.values(uniform).shape[1] == 8 * coarse.values(uniform).shape[1]
    expected = coarse.values(uniform)[0, 0].item()
    assert torch.allclose(fine.values(uniform), torch.tensor(expected))


def test_a_finer_box_interpolates_between_neighbouring_points() -> None:
    line = point_voxels(np.array([[1, 2, 2], [2, 2, 2]]), 4)
    grid = halved(line)
    fields_of_points = torch.tensor([[[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]])
    along = FieldVolume(grid, PaperInput.EFIELD)(fields_of_points)[0, 0, :, 4, 4]
    assert along.tolist() == pytest.approx([0, 0, 1, 1.25, 1.75, 2, 0, 0])
