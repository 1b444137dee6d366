"""The recruitment model finds what made the data, and its graph says the same."""

import functools

import numpy as np
import pytest
import torch

from m2m_rt.nets.recruitment import Recruited, RecruitmentSettings, fit_recruitment
from m2m_rt.nets.recruitment_graph import RecruitmentGraph
from m2m_rt.nets.shape_features import ShapeFeatures, ShapeSettings
from m2m_rt.nets.subject_net import SubjectNetSettings, fit_subject_net
from m2m_rt.units import F32, F64

N_ROI, RANK, N_MUSCLES = 40, 6, 4


@functools.cache
def fields() -> tuple[F64, F32]:
    """Coefficients (400, RANK) of fields of many shapes and sizes, and a basis."""
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.standard_normal((3 * N_ROI, RANK)))
    shapes = np.array((3.0, 1.0, 0.0, 0.0, 0.0, 0.0))
    shapes = shapes + 0.5 * rng.standard_normal((400, RANK))
    return shapes * rng.uniform(0.8, 1.5, (400, 1)), basis.astype(np.float32)


@functools.cache
def truth() -> tuple[F64, F64]:
    """Expected log10 MEPs (400, N_MUSCLES) by a sigmoid of one filter a muscle, and
    measured ones."""
    rows, _ = fields()
    rng = np.random.default_rng(1)
    filters = np.array((1.0, 0.3, 0.0, 0.0, 0.0, 0.0))
    filters = filters + 0.3 * rng.standard_normal((N_MUSCLES, RANK))
    drive = np.maximum(rows @ filters.T, 0.1) / 3.5
    expected = 0.9 + 2.6 / (1.0 + drive**-6.0)
    return expected, expected + 0.2 * rng.standard_normal(expected.shape)


@functools.cache
def fitted() -> Recruited:
    rows, _ = fields()
    _, measured = truth()
    return fit_recruitment(rows[:300], measured[:300])


def test_new_pulses_are_expected_as_they_were_made() -> None:
    rows, _ = fields()
    expected, _ = truth()
    found = fitted().expected(rows[300:])
    error = np.sqrt(np.mean((found.log10_uv - expected[300:]) ** 2))
    assert error < 0.2 * expected.std()
    assert np.all(found.amplitude_uv > 10.0**found.log10_uv)  # a mean is above


def test_intensity_needs_no_learning() -> None:
    rows, _ = fields()
    size = np.linalg.norm(rows, axis=1)
    features = ShapeFeatures(rows[:200], ShapeSettings())
    found, log_size = features.of(1.7 * rows[200:])
    same, log_same = features.of(rows[200:])
    np.testing.assert_allclose(found, same, atol=1e-9)
    np.testing.assert_allclose(log_size - log_same, np.log(1.7), atol=1e-12)
    assert features.typical_size == pytest.approx(size[:200].mean())


def test_same_rows_give_the_same_model() -> None:
    rows, _ = fields()
    _, measured = truth()
    how = RecruitmentSettings(n_steps=20)
    first, again = (
        fit_recruitment(rows[:100], measured[:100], how).expected(rows[:5])
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.log10_uv, again.log10_uv)


def test_few_pulses_make_few_features() -> None:
    rows, _ = fields()
    _, measured = truth()
    how = RecruitmentSettings(n_steps=20)
    found = fit_recruitment(rows[:7], measured[:7], how).expected(rows[7:20])
    assert np.all(np.isfinite(found.log10_uv))


def test_graph_says_what_the_model_says() -> None:
    rows, basis = fields()
    efield = (rows[300:] @ basis.T.astype(np.float64)).reshape(100, N_ROI, 3)
    example = efield.astype(np.float32)
    with torch.no_grad():
        found = RecruitmentGraph(fitted(), basis)(torch.tensor(example)).numpy()
    assert found.shape == (100, 2, N_MUSCLES)
    # float32 fields, and distances as differences of squares
    np.testing.assert_allclose(
        found[:, 0], fitted().expected(rows[300:]).log10_uv, atol=2e-3
    )
    assert 0.15 < np.median(found[:, 1]) < 0.25  # noise was 0.2


@pytest.mark.parametrize("likelihood", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_nets_from_scratch_beat_the_mean_by_far(
    *, likelihood: bool, shared: bool
) -> None:
    rows, _ = fields()
    expected, measured = truth()
    how = SubjectNetSettings(
        n_members=2, n_hidden=16, n_steps=150, likelihood=likelihood, shared=shared
    )
    filters = 0.3 * np.random.default_rng(2).standard_normal((2, RANK, 8))
    net = fit_subject_net(rows[:300], measured[:300], filters, how, seed=0)
    error = net.log10_uv(rows[300:]) - expected[300:]
    assert np.sqrt(np.mean(error**2)) < 0.4 * expected.std()


def test_no_filter_moves_where_its_response_is_fixed() -> None:
    rows, _ = fields()
    _, measured = truth()
    how = SubjectNetSettings(n_members=1, n_steps=3, learns_response=False)
    filters = 0.3 * np.random.default_rng(2).standard_normal((1, RANK, 8))
    net = fit_subject_net(rows[:50], measured[:50], filters, how, seed=0)
    slopes = net.members.log_slope.detach()
    assert torch.all(slopes == slopes[0, 0, 0])
