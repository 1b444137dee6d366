"""`m2m map` on a recorded session: the hotspot, the size of the map, what is next."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from m2m_rt.adapters.mcap_reader import LogReader
from m2m_rt.adapters.recorder import Recorder
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.app.cli import main
from m2m_rt.app.map_report import map_figures, map_lines
from m2m_rt.app.session_map import (
    MappedMuscle,
    MapRequest,
    Unmet,
    map_session,
)
from m2m_rt.app.session_trials import learn_session
from m2m_rt.learning import Aim, AimLimits, StopReason, StopRule, first_belief, take
from m2m_rt.messages import Trial, decode, encode, pack_f64
from m2m_rt.model import MUSCLES
from m2m_rt.studies.target_person import Person
from m2m_rt.units import F64
from tests.support.mapped import demo_scene, record_session

N_PULSES = 60


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Person]:
    root = tmp_path_factory.mktemp("map") / "session"
    return root, record_session(root, demo_scene(), n_pulses=N_PULSES, seed=4)


def figures_of(root: Path, out: Path, *options: str) -> Any:  # noqa: ANN401 - JSON
    file = out / "map.json"
    assert main(["map", str(root), "--json", str(file), *options]) == 0
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_map_agrees_with_the_person(
    session: tuple[Path, Person], tmp_path: Path
) -> None:
    root, person = session
    picture = tmp_path / "map.png"
    figures = figures_of(
        root,
        tmp_path,
        *("--out", str(picture), "--most", "FDI", "--least", "ADM"),
    )
    assert figures["trials_learnt"] == N_PULSES
    found = figures["muscles"]["FDI"]
    assert set(figures["muscles"]) == {"FDI"}
    apart_mm = np.linalg.norm(
        np.array(found["hotspot"]["head_mm"]) - person.hotspot_mm(0)
    )
    assert apart_mm <= max(found["hotspot"]["radius_90_mm"], 3.0)
    gravity_mm = np.array(found["gravity"]["head_mm"])
    assert np.linalg.norm(gravity_mm - person.gravity_mm(0)) < 5.0
    assert 0.7 < found["area_mm2"]["mean"] / person.area_mm2(0) < 1.4
    assert picture.stat().st_size > 10_000
    aim = figures["aim"]
    assert aim["expected_uv"]["FDI"] > aim["expected_uv"]["ADM"]
    assert aim["presence"]["FDI"] >= 0.8
    pose = np.array(found["next_pulse"]["head_from_coil"])
    assert demo_scene().lookup.guard.fault(pose) is None
    for_maps = np.array(figures["next_pulse_for_maps"]["head_from_coil"])
    assert demo_scene().lookup.guard.fault(for_maps) is None


def test_the_map_stands_on_the_belief_that_the_session_ended_with(
    session: tuple[Path, Person],
) -> None:
    folder = SessionFolder.open(session[0])
    learnt = learn_session(folder, lambda *_: None)
    trials, belief = learnt.trials, first_belief(learnt.predictor.prior)
    rows = learnt.predictor.features(trials.relative_efield)
    for row, log10_uv, valid in zip(rows, trials.log10_uv, trials.valid, strict=True):
        belief = take(belief, row, log10_uv=log10_uv, valid=valid).belief
    assert learnt.changes == ()
    np.testing.assert_allclose(
        learnt.belief.layer.latent_mean, belief.layer.latent_mean, atol=1e-4
    )
    assert learnt.belief.common_scale == pytest.approx(belief.common_scale, rel=1e-4)
    state = learnt.belief.last_excitability.mean
    np.testing.assert_allclose(state, belief.last_excitability.mean, atol=1e-4)
    assert np.any(state != 0.0)


def moved_mm(figures: Any, from_mm: F64) -> float:  # noqa: ANN401 - JSON
    pose = np.array(figures["aim"]["head_from_coil"])
    return float(np.linalg.norm(pose[:3, 3] - from_mm))


def retold(root: Path, out: Path, change: Callable[[Trial], Trial]) -> None:
    """Write a session again with its trials changed."""
    record = SessionFolder.open(root).messages_path
    shutil.copytree(root, out, ignore=shutil.ignore_patterns("*.mcap", "trials.csv"))
    with Recorder(SessionFolder.open(out), MUSCLES) as recorder:
        for entry in LogReader(record):
            trial = decode(entry.frame)
            assert isinstance(trial, Trial)
            recorder.take(entry.topic, encode(change(trial)), trial.t_ns)


def not_learnt(trial: Trial) -> Trial:
    none = (False,) * len(trial.learnt)
    return replace(trial, learnt=none, valid=False, reason="marked_bad")


def last_mm(root: Path) -> F64 | None:
    return learn_session(SessionFolder.open(root), lambda *_: None).last_pulse_mm


SELECTIVE = ("--most", "FDI", "--least", "ADM")


def test_limits_hold_and_the_same_seed_gives_the_same_map(
    session: tuple[Path, Person], tmp_path: Path
) -> None:
    root, _ = session
    last = learn_session(SessionFolder.open(root), lambda *_: None).trials
    given_mm = last.head_from_coil[-1, :3, 3]
    free = figures_of(root, tmp_path, *SELECTIVE)
    assert free["aim"]["intensity_pct_mso"] > 60.0
    assert moved_mm(free, given_mm) > 5.0
    options = (*SELECTIVE, "--max-pct-mso", "60", "--max-move-mm", "5")
    one = figures_of(root, tmp_path, *options)
    assert one == figures_of(root, tmp_path, *options)
    assert one["muscles"]["FDI"]["next_pulse"]["intensity_pct_mso"] <= 60.0
    assert one["aim"]["intensity_pct_mso"] <= 60.0
    assert moved_mm(one, given_mm) <= 5.0


def test_the_move_is_limited_from_the_last_pulse_also_if_it_was_not_learnt(
    session: tuple[Path, Person], tmp_path: Path
) -> None:
    root, out = tmp_path / "session", tmp_path
    retold(session[0], root, lambda t: t if t.trial_index < 30 else not_learnt(t))
    learnt = learn_session(SessionFolder.open(root), lambda *_: None).trials
    given_mm = last_mm(root)
    assert given_mm is not None
    assert np.linalg.norm(learnt.head_from_coil[-1, :3, 3] - given_mm) > 10.0
    figures = figures_of(root, out, "--most", "FDI", "--max-move-mm", "5")
    assert figures["trials_learnt"] == 30
    assert moved_mm(figures, given_mm) <= 5.0


def test_a_limited_move_leaves_no_stimulus_where_the_last_pulse_was_not_tracked(
    session: tuple[Path, Person], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def untracked_at_last(trial: Trial) -> Trial:
        if trial.trial_index < N_PULSES - 1:
            return trial
        return replace(not_learnt(trial), prediction=None, prediction_seq=None)

    root = tmp_path / "session"
    retold(session[0], root, untracked_at_last)
    limited = ("--most", "FDI", "--max-move-mm", "30")
    assert figures_of(root, tmp_path, *limited)["aim"] is None
    said = capsys.readouterr().out
    assert "no allowed stimulus meets the aim: where the coil was" in said
    assert figures_of(root, tmp_path, "--most", "FDI")["aim"] is not None


def test_the_last_pulse_is_where_its_own_trial_says(
    session: tuple[Path, Person], tmp_path: Path
) -> None:
    root, planned = tmp_path / "session", demo_scene().planned
    retold(session[0], root, lambda t: replace(t, head_from_coil=pack_f64(planned)))
    np.testing.assert_array_equal(last_mm(root), planned[:3, 3])
    record = SessionFolder.open(root).messages_path
    (*_, last) = LogReader(record)
    content = bytearray(record.read_bytes())
    content[content.index(last.frame) + len(last.frame) // 2] ^= 1
    record.write_bytes(content)
    assert last_mm(root) is None


def test_an_aim_that_nothing_meets_is_said_to_be_unmet(
    session: tuple[Path, Person], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, _ = session
    assert "aim" not in figures_of(root, tmp_path)
    assert "aim" not in capsys.readouterr().out
    none_left = figures_of(root, tmp_path, "--most", "FDI", "--max-pct-mso", "10")
    assert none_left["aim"] is None
    said = capsys.readouterr().out
    assert "no allowed stimulus meets the aim: the limits leave none" in said
    aim = Aim(most=("FDI",), least_presence=1.0)
    learnt = learn_session(SessionFolder.open(root), lambda *_: None)
    request = MapRequest((), 120.0, aim, AimLimits(), seed=0)
    unsure = map_session(learnt, request, lambda *_: None)
    assert unsure.aimed is Unmet.UNSURE
    assert map_figures(unsure)["aim"] is None
    assert (
        "no allowed stimulus meets the aim: of none is it sure" in map_lines(unsure)[-1]
    )


def test_mapping_stops_by_the_hotspot_that_the_next_pulse_is_chosen_by(
    session: tuple[Path, Person],
) -> None:
    learnt = learn_session(SessionFolder.open(session[0]), lambda *_: None)

    def mapped(within_mm: float) -> MappedMuscle:
        rule = StopRule(hotspot_within_mm=within_mm, least_gain_log10=0.0)
        request = MapRequest(("FDI",), 120.0, None, AimLimits(), seed=0, rule=rule)
        (found,) = map_session(learnt, request, lambda *_: None).muscles
        return found

    never = mapped(0.1)
    assert never.stop is None
    assert never.next_pulse is not None
    believed_mm = never.next_pulse.hotspot.radius_90_mm
    between_mm = 0.5 * (never.found.hotspot.radius_90_mm + believed_mm)
    assert never.found.hotspot.radius_90_mm < between_mm < believed_mm
    assert mapped(between_mm).stop is None
    assert mapped(believed_mm + 0.01).stop is StopReason.HOTSPOT_KNOWN


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--muscle", "XYZ"], "XYZ"),
        (["--most", "XYZ", "--max-pct-mso", "10"], "XYZ"),
        (["--least", "ADM"], "--most"),
        (["--most", "FDI", "--least", "FDI"], "at once"),
        (["--most", "FDI", "--most", "FDI"], "more than once"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    session: tuple[Path, Person],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    wrong: str,
) -> None:
    assert main(["map", str(session[0]), *options]) == 2
    (line,) = [
        one for one in capsys.readouterr().err.splitlines() if one.startswith("m2m:")
    ]
    assert wrong in line


def test_a_session_of_one_muscle_has_its_map(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "session"
    record_session(root, demo_scene(), n_pulses=20, seed=5, muscles=("ADM",))
    options = ("--out", str(tmp_path / "map.png"), "--most", "ADM")
    figures = figures_of(root, tmp_path, *options)
    assert set(figures["muscles"]) == {"ADM"}
    assert figures["muscles"]["ADM"]["pulses"] == 20
    assert figures["aim"]["presence"]["ADM"] >= 0.8
    assert {"excitability_log10", "noise_scale", "changes"} <= set(figures["state"])
    said = capsys.readouterr().out
    assert "expected to gain" in said or "mapped well enough" in said
    assert main(["map", str(root), "--muscle", "FDI"]) == 2
    assert "ADM" in capsys.readouterr().err


def test_what_is_no_session_is_refused(tmp_path: Path) -> None:
    assert main(["map", str(tmp_path)]) == 2
