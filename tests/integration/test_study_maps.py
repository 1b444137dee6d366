"""`m2m study maps` on real maps, and on files of the same form by others."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from support.maps import map_arrays, write_maps

from m2m_rt.adapters.motor_map_file import SubjectMaps, find_motor_maps, read_subject
from m2m_rt.app.cli import main
from m2m_rt.learning import ActiveSettings
from m2m_rt.studies.maps import study_maps
from m2m_rt.studies.maps_active import protocol_of, run_active
from m2m_rt.studies.maps_truth import fit_truth

LEAST_R2 = {"AS": (0.47, 0.52, 0.53), "CCL": (0.29, 0.34, 0.36)}
MOST_NMSE = {"AS": 0.05, "CCL": 0.12}
TRUTH_LENGTH_CM = {"AS": 0.2757, "CCL": 0.2388}


def silent(_stage: str, _done: int, _total: int) -> None:
    """Take a report of progress."""


@pytest.fixture(scope="module")
def real(shared_data: Path) -> dict[str, SubjectMaps]:
    paths = find_motor_maps(shared_data / "motor-maps")
    return {each.subject: each for each in map(read_subject, paths)}


def test_real_maps_are_predicted_from_what_the_other_subject_taught(
    real: dict[str, SubjectMaps],
) -> None:
    without = [
        SubjectMaps(each.subject, each.maps, combined=None) for each in real.values()
    ]
    for result in study_maps(without, silent):
        name = result.subject.subject
        position, position_map, progressive = LEAST_R2[name]
        assert result.r2["position"] >= position
        assert result.r2["position_map"] >= position_map
        assert result.progressive.r2 >= progressive
        assert 0.88 <= result.progressive.coverage_90 <= 0.94
        assert result.progressive.crps <= 0.19
        assert result.learnt_from == tuple(other for other in real if other != name)


@pytest.mark.parametrize(("name", "other"), [("AS", "CCL"), ("CCL", "AS")])
def test_active_mapping_needs_a_hundred_pulses(
    real: dict[str, SubjectMaps], name: str, other: str
) -> None:
    truth, taught = (fit_truth(real[each].combined) for each in (name, other))
    assert truth.length_mm / 10.0 == pytest.approx(TRUTH_LENGTH_CM[name], abs=5e-4)
    settings = msgspec.structs.replace(ActiveSettings(), length_mm=taught.length_mm)
    run = run_active(protocol_of(real[name], truth), settings, silent, name)
    assert (run.pulses[0], run.pulses[-1]) == (16, 100)
    assert run.nmse[-1] <= MOST_NMSE[name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two subjects, one without the USER map."""
    place = tmp_path_factory.mktemp("maps")
    rng = np.random.default_rng(0)
    write_maps(place, "S1", map_arrays(rng, 50))
    arrays = map_arrays(rng, 40)
    del arrays["NavDataUSER"], arrays["MEPampUSER"]
    write_maps(place, "S2", arrays)
    return place


def test_other_peoples_files_get_figures_and_pictures(
    folder: Path, tmp_path: Path
) -> None:
    figures, report = tmp_path / "f.json", tmp_path / "report"
    command = ["study", "maps", str(folder), "--json", str(figures)]
    assert main([*command, "--report", str(report)]) == 0
    found = json.loads(figures.read_text(encoding="utf-8"))
    assert list(found) == ["S1", "S2"]
    assert found["S2"]["n_pulses"] == {"GRID": 40, "RAND": 40}
    for each in found.values():
        assert each["r2"]["position"] > 0.5 > 0.1 > each["r2"]["mean"]
        assert {"knn", "kernel_mean", "cubic_ridge", "spline"} <= set(each["r2"])
        assert set(each["ceiling"]) == {"repeats", "noise_model"}
        assert {"r2", "crps", "coverage_90"} == set(each["progressive"])
        assert each["active"]["nmse"] is None
        assert "_COMB.mat" in each["active"]["reason"]
    assert (report / "S1.png").stat().st_size > 10_000


def test_the_same_figures_come_from_m2m_fit(folder: Path, tmp_path: Path) -> None:
    study, fit = tmp_path / "study.json", tmp_path / "fit.json"
    assert main(["study", "maps", str(folder), "--json", str(study)]) == 0
    data = str(folder / "S1_3MAPs.mat")
    assert main(["fit", data, "--out", str(tmp_path / "m"), "--json", str(fit)]) == 0
    of_study = json.loads(study.read_text(encoding="utf-8"))["S1"]
    of_fit = json.loads(fit.read_text(encoding="utf-8"))
    for model in ("position", "position_map"):
        assert of_fit["r2"][model] == pytest.approx(of_study["r2"][model], abs=1e-9)
    assert of_fit["progressive"] == pytest.approx(of_study["progressive"], abs=1e-9)
    assert of_fit["learnt_from"] == ["S2"]


def test_wrong_folders_and_files_end_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "maps", str(tmp_path / "none")]) == 2
    arrays = map_arrays(np.random.default_rng(0), 30)
    arrays["MEPampRAND"][4] = np.inf
    write_maps(tmp_path, "S9", arrays)
    assert main(["study", "maps", str(tmp_path)]) == 2
    first, second = capsys.readouterr().err.strip().splitlines()
    assert "no such folder" in first
    assert "S9_3MAPs.mat: MEPampRAND" in second


def test_one_person_with_one_map_and_lost_pulses_gets_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = map_arrays(np.random.default_rng(5), 60)
    only = {name: rows for name, rows in arrays.items() if "RAND" in name}
    only["MEPampRAND"][[3, 9]] = np.nan
    write_maps(tmp_path, "S7", only)
    out = tmp_path / "f.json"
    assert main(["study", "maps", str(tmp_path), "--json", str(out)]) == 0
    assert "S7: RAND: 2 pulses with NaN left out" in capsys.readouterr().err
    found = json.loads(out.read_text(encoding="utf-8"))["S7"]
    assert (found["n_pulses"], found["n_left_out"]) == ({"RAND": 58}, {"RAND": 2})
    assert found["r2"]["position"] > 0.5
    assert "unjudged" in found["settings"]["learnt_from"]
