"""Plain regressors: exact where the answer is known, blind to what they may not see."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from m2m_rt.adapters.onnx_predictor import read_shipped_model
from m2m_rt.adapters.table_file import read_table
from m2m_rt.efield import EfieldLookup
from m2m_rt.nets import HeadField, head_field
from m2m_rt.nets.field_process import FieldProcess
from m2m_rt.nets.paper_data import PaperData, PaperDesign, draw_paper_data
from m2m_rt.nets.recruitment import RecruitmentSettings
from m2m_rt.nets.recruitment_graph import RecruitmentGraph
from m2m_rt.nets.recruitment_shared import SharedSettings
from m2m_rt.nets.refit import warm_start
from m2m_rt.nets.subject_net import SubjectNetSettings
from m2m_rt.studies.baselines import (
    NamedSystem,
    baselines,
    fit_mean,
    fit_process,
    fit_ridge,
)
from m2m_rt.studies.coefficients import field_coefficients
from m2m_rt.studies.committee import (
    STUDY_WEIGHTS,
    Committee,
    FittedCommittee,
    Remembered,
)
from m2m_rt.studies.committee_graph import (
    CommitteeGraph,
    PopulationGraph,
    ProcessGraph,
)
from m2m_rt.studies.paper_study import CEILING
from m2m_rt.studies.realtime_system import (
    FilterSystem,
    FittedExpectation,
    FittedRecruitment,
    LastLayer,
    PopulationSystem,
    RecruitmentSystem,
    SharedSystem,
    realtime_systems,
)
from m2m_rt.studies.rivals import RivalsPlan, figures, score_rivals
from m2m_rt.studies.rivals_report import draw_rivals, result_json, rivals_result
from m2m_rt.studies.simulators import SIMULATORS
from m2m_rt.studies.smearing import learn_smearing
from m2m_rt.studies.systems import Fitted, System
from m2m_rt.units import I64

TABLE = Path(__file__).parents[2] / "models" / "tables" / "demo" / "table.h5"
DESIGN = PaperDesign(n_pulses=(40, 20, 20, 20))


@functools.cache
def demo_head() -> HeadField:
    return head_field(EfieldLookup(read_table(TABLE)))


@functools.cache
def recording() -> PaperData:
    return draw_paper_data(demo_head(), DESIGN, seed=5)


def quiet(_stage: str, _done: int, _total: int) -> None: ...


def systems() -> tuple[System, ...]:
    quick = SubjectNetSettings(n_members=1, n_steps=30)
    filters = FilterSystem("filters", demo_head(), quick)
    magnitudes = RecruitmentSystem(
        "magnitudes", demo_head(), RecruitmentSettings(n_steps=30), has_direction=False
    )
    _, recruitment, shared = realtime_systems(demo_head())
    return (*baselines(demo_head()), filters, magnitudes, recruitment, shared)


@pytest.mark.parametrize("system", systems(), ids=lambda system: str(system.name))
def test_no_system_sees_the_answers_of_test_pulses(system: System) -> None:
    data, seen = recording(), recording().training
    changed_uv = data.amplitude_uv.copy()
    changed_uv[data.test] = 9999.0
    changed = PaperData(
        data.pulses,
        changed_uv,
        np.zeros_like(data.expected_uv),
        np.zeros_like(data.expected_log10_uv),
        data.training,
        data.test,
    )
    first = system.fit(data, seen, quiet).predict(data, data.test)
    again = system.fit(changed, seen, quiet).predict(changed, data.test)
    np.testing.assert_array_equal(first.log10_uv, again.log10_uv)
    np.testing.assert_array_equal(first.amplitude_uv, again.amplitude_uv)
    assert np.all(np.isfinite(first.amplitude_uv))
    assert np.all(first.amplitude_uv > 0.0)


def test_left_out_predictions_are_those_of_a_process_without_the_row() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((40, 2))
    log10_uv = np.stack((np.sin(inputs[:, 0]), inputs[:, 1] ** 2), axis=1)
    log10_uv = log10_uv + 0.1 * rng.standard_normal(log10_uv.shape)
    process = FieldProcess(inputs, log10_uv)
    settings, row = process.settings, 7
    others = np.delete(np.arange(40), row)
    scaled = inputs / settings.lengths
    kernel = np.exp(-0.5 * np.sum((scaled[:, None] - scaled) ** 2, axis=-1))
    mean, sd = log10_uv.mean(axis=0), log10_uv.std(axis=0)
    for muscle in range(2):
        gram = settings.signal[muscle] * kernel[np.ix_(others, others)]
        gram += settings.noise[muscle] * np.eye(39)
        standard = (log10_uv[others, muscle] - mean[muscle]) / sd[muscle]
        pull = settings.signal[muscle] * kernel[row, others]
        expected = mean[muscle] + sd[muscle] * pull @ np.linalg.solve(gram, standard)
        assert process.left_out_log10_uv[row, muscle] == pytest.approx(expected)


def test_smearing_of_log_normal_amplitudes_is_the_known_factor() -> None:
    rng = np.random.default_rng(0)
    log10_uv = rng.uniform(1.0, 3.0, (20000, 1))
    spread = 0.2
    drawn = 10.0 ** (log10_uv + spread * rng.standard_normal(log10_uv.shape))
    found = learn_smearing(log10_uv, drawn).amplitude_uv(log10_uv)
    exact = 10.0**log10_uv * np.exp(0.5 * (np.log(10.0) * spread) ** 2)
    large = log10_uv > 2.0
    np.testing.assert_allclose(found[large], exact[large], rtol=0.03)
    # small amplitudes hardly weigh in a mean amplitude
    np.testing.assert_allclose(found, exact, rtol=0.1)


def test_coefficients_keep_fields_whole() -> None:
    data, rows = recording(), np.arange(5)
    found = field_coefficients(demo_head(), data, rows).astype(np.float32)
    np.testing.assert_allclose(
        demo_head().fields(found), data.relative_efield[rows], atol=1e-5
    )


def test_figures_are_paired_and_the_ceiling_is_its_own(tmp_path: Path) -> None:
    plan = RivalsPlan(n_subjects=2, splits=(), n_training=(30,), design=DESIGN)
    chosen = tuple(s for s in baselines(demo_head()) if s.name in {"mean", "pca_gp"})
    scored = list(score_rivals(demo_head(), plan, chosen, quiet))
    (table,) = figures(scored).values()
    assert table[CEILING].r2_of_ceiling == 1.0
    assert table[CEILING].nrmse_above_ceiling.mean == 0.0
    assert table["pca_gp"].r2_minus_reference.mean == 0.0
    assert table["mean"].r2_minus_reference.mean < -0.1
    assert table["mean"].nrmse_above_ceiling.low < table["mean"].nrmse.mean
    result = rivals_result(plan, scored)
    assert list(json.loads(result_json(result))["by_simulator"]) == list(SIMULATORS)
    assert Path(draw_rivals(result, tmp_path)).stat().st_size > 10_000


def test_a_committee_is_the_weighted_mean_of_members_fitted_once() -> None:
    data, fits = recording(), []

    def learn(data: PaperData, rows: I64) -> Fitted:
        fits.append(len(rows))
        return fit_mean(data, rows)

    remembered = Remembered(NamedSystem("one", learn))
    other = NamedSystem("other", lambda d, r: fit_ridge(demo_head(), d, r))
    committee = Committee("both", (remembered, other), (3.0, 1.0))
    members = [s.fit(data, data.training, quiet) for s in (remembered, other)]
    found = committee.fit(data, data.training, quiet).predict(data, data.test)
    said = [member.predict(data, data.test).log10_uv for member in members]
    np.testing.assert_allclose(found.log10_uv, 0.75 * said[0] + 0.25 * said[1])
    assert fits == [len(data.training)]


def test_population_learns_the_subject() -> None:
    data = recording()
    shipped = read_shipped_model(TABLE.parents[2] / "m2mnet-rt" / "1")
    system = PopulationSystem("population", shipped)
    errors = []
    for seen in (data.training[:2], data.training):
        said = system.fit(data, seen, quiet).predict(data, data.test)
        error = said.log10_uv - data.expected_log10_uv[data.test]
        errors.append(float(np.sqrt(np.mean(error**2))))
    assert errors[1] < 0.7 * errors[0]


def test_graph_of_a_committee_says_what_its_members_say() -> None:
    data, head = recording(), demo_head()
    seen = data.training
    how = RecruitmentSettings(n_steps=30)
    shipped = read_shipped_model(TABLE.parents[2] / "m2mnet-rt" / "1")
    recruitment = Remembered(RecruitmentSystem("r", head, how))
    drives = recruitment.fit(data, seen, quiet)
    few = SharedSettings(n_steps=30)
    shared = SharedSystem("s", recruitment, few).fit(data, seen, quiet)
    layer = PopulationSystem("p", shipped).fit(data, seen, quiet)
    process = fit_process(head, data, seen)
    assert isinstance(drives, FittedRecruitment)
    assert isinstance(shared, FittedRecruitment)
    assert isinstance(layer, FittedExpectation)
    assert isinstance(layer.model, LastLayer)
    weights = np.array(STUDY_WEIGHTS) / sum(STUDY_WEIGHTS)
    fitted = FittedCommittee((drives, shared, layer, process), weights)
    expected = fitted.predict(data, data.test).log10_uv
    net, _ = warm_start(shipped, layer.model.network)
    graph = CommitteeGraph(
        (
            RecruitmentGraph(drives.model, head.basis),
            RecruitmentGraph(shared.model, head.basis),
            PopulationGraph(net, layer.model.posterior),
            ProcessGraph(process.parts, process.process, head.basis),
        )
    )
    with torch.no_grad():
        found = graph(torch.tensor(data.relative_efield[data.test])).numpy()
    np.testing.assert_allclose(found, expected, atol=5e-3)  # float32 distances
