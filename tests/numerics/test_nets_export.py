"""Exported networks give what torch gives, and the same weights the same bytes."""

import hashlib

import numpy as np
import pytest
import torch

from m2m_rt.adapters.onnx_predictor import OnnxPredictor
from m2m_rt.errors import DataError
from m2m_rt.nets import Trials, refit
from m2m_rt.nets.onnx_file import export_onnx, read_weights, with_weights
from tests.support.models import (
    N_ROI,
    golden_efield,
    small_contract,
    small_model,
    small_net,
)


def load(model_bytes: bytes) -> OnnxPredictor:
    model_hash = hashlib.sha256(model_bytes).hexdigest()
    return OnnxPredictor(model_bytes, expected_hash=model_hash)


def draw_trials(seed: int, n_trials: int) -> Trials:
    rng = np.random.default_rng(seed)
    return Trials(
        relative_efield=rng.standard_normal((n_trials, N_ROI, 3)).astype(np.float32),
        log10_uv=1.8 + 0.4 * rng.standard_normal((n_trials, 15)),
        valid=rng.random((n_trials, 15)) < 0.9,
    )


def test_onnx_runtime_gives_what_torch_gives() -> None:
    net, _ = small_net()
    fields = draw_trials(1, 50).relative_efield
    with torch.no_grad():
        expected = net(torch.tensor(fields)).numpy()
    found = load(small_model()).features(fields)
    np.testing.assert_allclose(found, expected, atol=1e-5)  # float32 sums reordered


def test_the_same_weights_give_the_same_bytes_without_paths() -> None:
    net, prior = small_net()
    again = export_onnx(net, prior.as_arrays(20.0), small_contract(), golden_efield())
    assert again == small_model()
    assert b"site-packages" not in again
    assert b".py" not in again


def test_weights_survive_the_way_through_the_file() -> None:
    net, _ = small_net()
    stored = read_weights(small_model())
    for name, parameter in net.named_parameters():
        assert np.array_equal(stored[name], parameter.detach().numpy())


def test_new_weights_in_the_same_graph_are_the_new_network() -> None:
    other, prior = small_net(seed=5)
    changed = with_weights(
        small_model(),
        {name: p.detach().numpy() for name, p in other.named_parameters()},
        prior=prior.as_arrays(33.0),
        contract=small_contract(),
    )
    fields = draw_trials(2, 10).relative_efield
    with torch.no_grad():
        expected = other(torch.tensor(fields)).numpy()
    np.testing.assert_allclose(load(changed).features(fields), expected, atol=1e-5)
    assert load(changed).prior.scale_dof == 33.0


def test_a_refit_is_reproducible_and_names_its_parent() -> None:
    trials = draw_trials(3, 24)
    first, second = (
        refit(small_model(), trials, n_held_out=8, seed=1) for _ in range(2)
    )
    assert first == second
    candidate = load(first.model_bytes)
    parent = hashlib.sha256(small_model()).hexdigest()
    assert candidate.contract.parent_hash == parent
    assert first.n_scored == trials.valid[16:].sum()
    assert np.isfinite([first.candidate_score, first.incumbent_score]).all()


def test_a_candidate_never_sees_the_held_out_trials() -> None:
    trials = draw_trials(4, 20)
    other = Trials(
        relative_efield=trials.relative_efield,
        log10_uv=np.where(np.arange(20)[:, None] < 14, trials.log10_uv, 3.0),
        valid=trials.valid,
    )
    first = refit(small_model(), trials, n_held_out=6, seed=1)
    second = refit(small_model(), other, n_held_out=6, seed=1)
    assert first.model_bytes == second.model_bytes
    assert first.candidate_score != second.candidate_score


def test_a_refit_without_anything_to_score_is_refused() -> None:
    with pytest.raises(DataError):
        refit(small_model(), draw_trials(6, 5), n_held_out=5, seed=1)
