"""The published network: its sizes, and the flaws that are not repeated."""

import numpy as np
import pytest
import torch

from m2m_rt.efield import EfieldLookup
from m2m_rt.nets.paper import (
    Autoencoder,
    DirectNet,
    FieldVolume,
    PaperHead,
    PaperInput,
    ResidualNet,
    SynergyNet,
    n_parameters,
)
from m2m_rt.nets.paper_box import point_voxels
from m2m_rt.nets.paper_data import PaperDesign, draw_paper_data
from m2m_rt.nets.paper_export import export_paper_net
from m2m_rt.nets.paper_settings import EncoderSettings, MapperSettings
from m2m_rt.nets.paper_training import (
    PaperRun,
    PaperSettings,
    fit_paper_net,
    paper_scores,
    synergies_of,
)
from m2m_rt.nets.sessions import HeadField, head_field
from m2m_rt.units import F32
from tests.support.efield import make_synthetic_table

SMALL = PaperSettings(
    encoder=EncoderSettings(epochs=1),
    mapper=MapperSettings(epochs=1),
    design=PaperDesign(n_pulses=(5, 3, 3, 3)),
)


def silent(_stage: str, _done: int, _total: int) -> None:
    pass


def small_head() -> HeadField:
    return head_field(EfieldLookup(make_synthetic_table(n_roi=80)))


def draw_meps(seed: int = 0) -> F32:
    rng = np.random.default_rng(seed)
    scaled = rng.gamma(1.0, 0.1, (60, 9)) @ rng.gamma(1.0, 0.2, (9, 15))
    return (scaled / scaled.max(axis=0)).astype(np.float32)


def test_sizes_are_the_published_ones() -> None:
    autoencoder = Autoencoder(torch.ones(1, 1, 64, 64, 64))
    assert n_parameters(autoencoder) == 115_970
    assert n_parameters(autoencoder.encoder) == 57_985
    synergies = np.ones((9, 15), np.float32)
    for net in (DirectNet(16, 15), SynergyNet(16, synergies), ResidualNet(16, 15)):
        assert 139_000 < n_parameters(net) < 141_000


def test_code_is_a_quarter_of_the_volume_and_masked_again() -> None:
    mask = torch.zeros(1, 1, 32, 32, 32)
    mask[..., 8:24, 8:24, 8:24] = 1.0
    autoencoder = Autoencoder(mask)
    volume = torch.rand(2, 1, 32, 32, 32)
    assert autoencoder.encoder(volume).shape == (2, 1, 8, 8, 8)
    rebuilt = autoencoder(volume)
    assert rebuilt.shape == volume.shape
    assert torch.all(rebuilt[(mask == 0).expand_as(rebuilt)] == 0)


@pytest.mark.parametrize("kind", list(PaperInput))
def test_volume_holds_each_points_value_at_its_place(kind: PaperInput) -> None:
    index = np.array([[0, 1, 2], [3, 3, 3]])
    fields = torch.tensor([[[0.0, 3.0, 4.0], [0.0, 0.0, 0.0]]])
    filled = FieldVolume(point_voxels(index, 4), kind)(fields)
    assert filled.shape == (1, 1, 4, 4, 4)
    assert torch.count_nonzero(filled > 1e-6) == 1
    expected = 5.0 if kind is PaperInput.EFIELD else 1.0  # saturated, from 0
    assert filled[0, 0, 0, 1, 2].item() == pytest.approx(expected, abs=1e-4)


def test_synergy_activations_and_synergies_are_not_negative() -> None:
    net = SynergyNet(8, synergies_of(draw_meps())).eval()
    assert torch.all(net.synergy_weights >= 0)
    assert torch.all(net(torch.randn(20, 1, 8, 8, 8)) >= 0)


def test_test_pulses_come_from_every_intensity_and_not_from_training() -> None:
    design = PaperDesign()
    data = draw_paper_data(small_head(), design, seed=1)
    assert (len(data.training), len(data.test)) == (629, 70)
    assert not set(data.training) & set(data.test)
    stops = np.cumsum((0, *design.n_pulses))
    assert np.histogram(data.test, stops)[0].tolist() == [30, 15, 15, 10]


@pytest.mark.parametrize("kind", [PaperHead.DIRECT, PaperHead.BOTH])
def test_a_small_training_gives_a_network_that_exports(kind: PaperHead) -> None:
    head = small_head()
    data = draw_paper_data(head, SMALL.design, seed=1)
    net = fit_paper_net(head, data, PaperRun(kind, SMALL, 1, silent))
    with torch.no_grad():
        predicted = net(torch.tensor(data.relative_efield)).numpy()
    assert predicted.shape == data.amplitude_uv.shape
    assert np.all(predicted >= 0)
    assert export_paper_net(net, data.relative_efield[:2])


def test_scalers_come_from_training_pulses_only() -> None:
    head = small_head()
    data = draw_paper_data(head, SMALL.design, seed=1)
    data.amplitude_uv[data.test] *= 1000.0
    data.relative_efield[data.test] *= 1000.0
    net = fit_paper_net(head, data, PaperRun(PaperHead.DIRECT, SMALL, 1, silent))
    largest = data.amplitude_uv[data.training].max(axis=0)
    assert np.array_equal(net.largest_uv.numpy(), largest)
    training = torch.tensor(data.relative_efield[data.training])
    with torch.no_grad():
        code = net.autoencoder.scaled_code(net.volume(training))
    assert code.min().item() == pytest.approx(0.0, abs=1e-5)
    assert code.max().item() == pytest.approx(1.0, abs=1e-5)


def test_scores_of_a_perfect_prediction() -> None:
    data = draw_paper_data(small_head(), SMALL.design, seed=2)
    almost = data.amplitude_uv * np.float32(1.0001)
    scores = paper_scores(almost, data, k=10)
    assert scores["nrmse"] < 1e-3
    assert scores["cosine"] == pytest.approx(1.0)
    assert scores["r2_log10"] > 0.999
    assert scores["bic"] - scores["aic"] == pytest.approx(
        10 * (np.log(data.amplitude_uv[data.test].size) - 2)
    )
