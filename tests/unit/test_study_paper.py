"""The study of the published design: its splits, scores and answers."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from m2m_rt.efield import EfieldLookup
from m2m_rt.nets.paper import PaperHead, PaperInput
from m2m_rt.nets.paper_data import PaperData, PaperDesign
from m2m_rt.nets.paper_settings import EncoderSettings, MapperSettings
from m2m_rt.nets.paper_training import PaperRun
from m2m_rt.nets.sessions import HeadField, Progress, head_field
from m2m_rt.studies.mean_interval import mean_interval
from m2m_rt.studies.paper_networks import fit_networks
from m2m_rt.studies.paper_outcomes import QUICK, Study
from m2m_rt.studies.paper_report import write_report
from m2m_rt.studies.paper_results import encoder_results, result_json, study_result
from m2m_rt.studies.paper_scores import (
    ScoredPulses,
    Sizes,
    criteria,
    score,
    score_muscles,
)
from m2m_rt.studies.paper_splits import SplitName, paper_split
from m2m_rt.studies.paper_study import (
    Answer,
    answers,
    draw_subject_data,
    plan_study,
    split_of,
)
from m2m_rt.studies.paper_tables import comparisons
from m2m_rt.studies.realtime_system import PopulationSystem
from m2m_rt.studies.systems import Predicted
from m2m_rt.units import F64, I64
from tests.support.efield import make_synthetic_table

TINY = replace(
    QUICK,
    encoder=EncoderSettings(epochs=1, batch=16),
    mapper=MapperSettings(epochs=1),
    design=PaperDesign(n_pulses=(16, 10, 10, 8)),
    splits=(SplitName.RANDOM, SplitName.SITE_BLOCKED),
)


class RunningMean:
    """The mean of the training MEPs, counting how often it is asked."""

    name = "mean"
    n_fits = 0

    def __repr__(self) -> str:
        return "RunningMean()"

    def fit(self, data: PaperData, training: I64, progress: Progress) -> "RunningMean":
        progress("mean", 1, 1)
        type(self).n_fits += 1
        self._mean_uv = data.amplitude_uv[training].mean(axis=0)
        return self

    n_parameters = n_effective = 15
    hat_trace = 15.0

    def predict(self, _data: PaperData, rows: I64) -> Predicted:
        uv = np.tile(self._mean_uv, (len(rows), 1)).astype(np.float64)
        return Predicted(uv, np.log10(uv))


def silent(_stage: str, _done: int, _total: int) -> None:
    pass


def small_head() -> HeadField:
    return head_field(EfieldLookup(make_synthetic_table(n_roi=80)))


@pytest.fixture(scope="module")
def head() -> HeadField:
    return small_head()


def study(head: HeadField, cache: Path | None = None) -> Study:
    return plan_study(head, TINY, (RunningMean(),), cache)


def scored(predicted: F64, measured: F64) -> ScoredPulses:
    return ScoredPulses(predicted, measured, np.log10(predicted), np.log10(measured))


def test_no_split_tests_what_it_teaches_nor_anything_twice(head: HeadField) -> None:
    for name in SplitName:
        split = split_of(study(head), name)
        for fold in split.folds:
            assert not set(fold.training) & set(fold.test)
        every = np.concatenate([fold.test for fold in split.folds])
        assert len(set(every)) == len(every)


def test_each_intensity_is_left_out_whole(head: HeadField) -> None:
    asked = study(head)
    level = asked.pulses.intensity_pct_rmt
    folds = split_of(asked, SplitName.LEAVE_ONE_INTENSITY_OUT).folds
    assert [set(level[fold.test]) for fold in folds] == [{110}, {120}, {130}, {140}]
    for fold in folds:
        assert not set(level[fold.test]) & set(level[fold.training])


def test_blocked_sites_are_farther_from_training_than_random_ones(
    head: HeadField,
) -> None:
    asked = plan_study(head, replace(TINY, design=PaperDesign()), (), None)
    centres = asked.pulses.head_from_coil[:, :3, 3]

    def nearest_mm(name: SplitName) -> float:
        (fold,) = split_of(asked, name).folds
        apart = np.linalg.norm(
            centres[fold.test][:, None] - centres[fold.training], axis=-1
        )
        return float(np.median(apart.min(axis=1)))

    assert nearest_mm(SplitName.SITE_BLOCKED) > 1.5 * nearest_mm(SplitName.RANDOM)


def test_every_site_is_held_out_once(head: HeadField) -> None:
    asked = plan_study(head, replace(TINY, design=PaperDesign()), (), None)
    every = paper_split(
        SplitName.SITE_BLOCKED,
        asked.pulses,
        PaperDesign(),
        planned_head_from_coil=head.lookup.table.region.planned_head_from_coil,
        seed=TINY.seed,
    ).folds
    tested = np.concatenate([fold.test for fold in every])
    assert np.array_equal(np.sort(tested), np.arange(699))
    for fold in every:
        assert not set(fold.training) & set(fold.test)
    (first,) = split_of(asked, SplitName.SITE_BLOCKED).folds
    assert np.array_equal(first.test, every[0].test)


def test_no_network_sees_the_answers_of_test_pulses(head: HeadField) -> None:
    asked = study(head)
    data = draw_subject_data(asked, "goetz", 0).pulses
    (fold,) = split_of(asked, SplitName.RANDOM).folds
    coded = asked.bank.coded(PaperInput.NRP, fold.seen_fields, silent)
    run = PaperRun(PaperHead.BOTH, TINY.settings, 1, silent)
    other_uv = data.amplitude_uv.copy()
    other_uv[fold.test] = 9999.0
    other = dataclasses.replace(data, amplitude_uv=other_uv)
    first, again = (
        fit_networks(coded, one, fold.training, run) for one in (data, other)
    )
    for kind in (PaperHead.SYNERGY, PaperHead.BOTH):
        said = (fitted[kind].predict(data, fold.test) for fitted in (first, again))
        one, same = (predicted.log10_uv for predicted in said)
        np.testing.assert_array_equal(one, same)


def test_subjects_share_pulses_and_have_their_own_answers(head: HeadField) -> None:
    asked = study(head)
    one, other = (draw_subject_data(asked, "goetz", n).pulses for n in (0, 1))
    assert one.pulses is other.pulses
    assert not np.allclose(one.amplitude_uv, other.amplitude_uv)
    assert np.all(np.log10(one.expected_uv) >= one.expected_log10_uv - 1e-9)  # Jensen


def test_scores_of_known_errors() -> None:
    measured = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])
    off = scored(measured + 0.5, measured)
    assert score(off).mse == pytest.approx(0.25)
    assert score(off).nrmse == pytest.approx(math.sqrt(0.25 / np.mean(measured**2)))
    assert score(scored(2 * measured, measured)).cosine == pytest.approx(1.0)
    mean = np.broadcast_to(measured.mean(axis=0), measured.shape)
    assert score(scored(mean, measured)).r2 == pytest.approx(0.0)
    assert score_muscles(off).mse == pytest.approx([0.25, 0.25])
    sizes = Sizes(k_all=10, k_effective=4, k_readout=math.nan)
    found = criteria(off, sizes)
    assert found.aic - found.aic_effective == pytest.approx(12)
    assert found.bic - found.bic_effective == pytest.approx(6 * math.log(6))
    assert math.isnan(found.aic_readout)


@pytest.mark.parametrize("n_subjects", [2, 3, 10])
def test_intervals_of_few_subjects_hold_what_they_say(n_subjects: int) -> None:
    drawn = np.random.default_rng(0).normal(1.0, 0.1, (2000, n_subjects))
    intervals = np.array([mean_interval(values) for values in drawn])
    held = np.mean((intervals[:, 0] <= 1.0) & (intervals[:, 1] >= 1.0))
    assert held == pytest.approx(0.95, abs=0.015)  # three standard errors of 2000
    assert mean_interval(drawn[0, :1]) is None


def said(system: str, subject: int, error: float) -> Answer:
    rng = np.random.default_rng(subject)
    measured = rng.gamma(1.0, 0.2, (30, 15)) + 0.01
    return Answer(
        simulator="goetz",
        subject=subject,
        split=SplitName.RANDOM,
        system=system,
        tested=scored(measured + error * (1 + 0.1 * rng.random()), measured),
        intensity_pct_rmt=np.full(30, 110.0),
        sizes=Sizes(k_all=1, k_effective=1, k_readout=1),
    )


def test_who_beats_whom_follows_from_paired_differences() -> None:
    errors = {"nrp": 0.1, "efield": 0.3}
    every = [
        said(f"{kind}.{name}", subject, error + (name == "both") * 0.001)
        for kind, error in errors.items()
        for name in ("direct", "synergy", "both")
        for subject in range(6)
    ]
    every += [said("pca_gp", subject, 0.2) for subject in range(6)]
    verdicts = {
        (found.better, found.worse): found.verdict
        for found in comparisons(every)
        if found.score == "nrmse"
    }
    assert verdicts["nrp.direct", "efield.direct"] == "yes"
    assert verdicts["nrp.both", "nrp.direct"] == "no"
    assert verdicts["pca_gp", "nrp.both"] == "no"
    assert verdicts["pca_gp", "efield.both"] == "yes"


def test_a_small_study_answers_goes_on_and_writes_its_page(
    head: HeadField, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = list(answers(study(head, cache), silent))
    n_fits = RunningMean.n_fits
    written = sorted(cache.glob("outcome-*"), key=lambda path: path.stat().st_mtime_ns)
    for outcome in written[len(written) // 2 :]:
        outcome.unlink()  # as if it had been killed half-way
    again = list(answers(study(head, cache), silent))
    assert n_fits < RunningMean.n_fits < 2 * n_fits
    for one, other in zip(first, again, strict=True):
        assert one.system == other.system
        assert np.array_equal(one.tested.predicted, other.tested.predicted)
    encoders = encoder_results(study(head, cache), silent)
    assert {(found.input, found.n_fields) for found in encoders} >= {("nrp", 39)}
    result = study_result(TINY, again, encoders)
    tree = json.loads(result_json(result))
    for split in (tree, *(tree["splits"][name.value] for name in TINY.splits)):
        for kind in ("efield", "nrp"):
            for name in ("direct", "synergy", "both"):
                keys = {"mse", "nrmse", "cosine", "r2", "aic", "bic"}
                assert keys <= set(split[kind][name])
        assert split["ceiling"]["nrmse"] < split["baselines"]["mean"]["nrmse"]
    page = write_report(result, tmp_path / "report").read_text(encoding="utf-8")
    assert "Does NRP beat E?" in page
    assert (tmp_path / "report" / "scores.png").stat().st_size > 1000


def test_stored_fits_of_one_model_are_not_taken_for_anothers() -> None:
    systems = [PopulationSystem("realtime.population", one) for one in (b"a", b"b")]
    assert len({repr(system) for system in systems}) == 2  # part of a stored fit's name


def test_one_input_alone_is_told_as_such(head: HeadField, tmp_path: Path) -> None:
    plan = replace(TINY, inputs=(PaperInput.NRP,), splits=(SplitName.RANDOM,))
    asked = plan_study(head, plan, (RunningMean(),), tmp_path / "cache")
    found = list(answers(asked, silent))
    names = {answer.system for answer in found}
    assert names == {"nrp.direct", "nrp.synergy", "nrp.both", "mean", "ceiling"}
    result = study_result(plan, found, encoder_results(asked, silent))
    tree = json.loads(result_json(result))
    assert tree["efield"] == {}
    assert set(tree["nrp"]) == {"direct", "synergy", "both"}
    assert all(
        "NRP beat E" not in one.question for one in result.splits["random"].answers
    )
    assert write_report(result, tmp_path / "report").is_file()
