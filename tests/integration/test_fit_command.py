"""`m2m fit`: a table becomes a mapper, which answers new poses; damage is refused."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from support.maps import draw_recording, expected_log10_uv

from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.cli import main
from m2m_rt.app.table_path import table_path
from m2m_rt.efield import EfieldLookup
from m2m_rt.geometry import quaternion_from_matrix
from m2m_rt.sim import (
    Cortex,
    SeedStream,
    demo_design,
    draw_subject,
    measure_rmt_pct_mso,
    subject_rng,
)
from m2m_rt.sim.population import DIDT_AT_100_PCT_MSO_A_PER_US


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of two muscles, the second half as large."""
    rng = np.random.default_rng(0)
    recording = draw_recording(rng, 150)
    lines = ["x_mm,y_mm,z_mm,block,FDI_uv,ADM_uv"]
    rows = zip(
        recording.pulses.position_mm,
        recording.pulses.map_index,
        10.0**recording.log10_uv,
        strict=True,
    )
    for (x, y, z), block, uv in rows:
        small = "" if rng.random() < 0.1 else f"{uv / 2:.2f}"
        lines.append(f"{x:.3f},{y:.3f},{z:.3f},{block},{uv:.2f},{small}")
    path = tmp_path_factory.mktemp("data") / "lab.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def mapper(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mapper")
    command = ["fit", str(data), "--out", str(folder), "--json", str(folder / "f.json")]
    assert main(command) == 0
    return folder


def test_a_table_becomes_a_scored_mapper(mapper: Path) -> None:
    figures = json.loads((mapper / "f.json").read_text(encoding="utf-8"))
    assert set(figures["muscles"]) == {"FDI", "ADM"}
    for each in figures["muscles"].values():
        assert each["r2"]["position"] > 0.6
        assert each["progressive"]["r2"] > 0.5
        assert 0.8 <= each["progressive"]["coverage_90"] <= 1.0
    assert figures["muscles"]["ADM"]["n"] < figures["muscles"]["FDI"]["n"] == 150
    names = {path.name for path in mapper.iterdir()}
    files = {"mapper.npz", "manifest.toml", "card.md", "predictions.csv"}
    assert {*files, "FDI.png", "ADM.png"} <= names
    rows = (mapper / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 151


def test_a_dead_electrode_is_named_with_the_options_that_leave_it_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = data.read_text(encoding="utf-8").splitlines()
    table, out = tmp_path / "lab.csv", tmp_path / "m"
    rows = [f"{line.rsplit(',', 1)[0]}," for line in lines[1:41]]
    table.write_text("\n".join((lines[0], *rows)), encoding="utf-8")
    command = ["fit", str(table), "--out", str(out)]
    assert main(command) == 2
    refused = capsys.readouterr().err.strip()
    assert refused.startswith("m2m: ADM: 0 rows with a pose and a valid MEP")
    remedy = refused.rsplit(" or only ", 1)[1].split()
    assert main([*command, *remedy]) == 0
    assert (out / "FDI.png").exists()


def test_a_mapper_answers_new_poses(mapper: Path, tmp_path: Path) -> None:
    new = draw_recording(np.random.default_rng(7), 60).pulses.position_mm
    poses, answers = tmp_path / "poses.csv", tmp_path / "answers.csv"
    lines = [f"{x:.4f},{y:.4f},{z:.4f}" for x, y, z in new]
    poses.write_text("\n".join(("x_mm,y_mm,z_mm", *lines)), encoding="utf-8")
    command = ["fit", str(poses), "--apply", str(mapper), "--out", str(answers)]
    assert main(command) == 0
    with answers.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = np.array([float(row["FDI_mean_log10_uv"]) for row in rows])
    error = found - expected_log10_uv(new)
    assert np.sqrt(np.mean(error**2)) < 0.2  # the trial spread
    inside = [
        float(row["FDI_p05_log10_uv"]) < at < float(row["FDI_p95_log10_uv"])
        for row, at in zip(rows, expected_log10_uv(new), strict=True)
    ]
    assert np.mean(inside) > 0.9


@pytest.mark.parametrize(
    "option",
    [
        *(("--json", "f.json"), ("--muscle", "FDI"), ("--others", "other.csv")),
        *(("--alone",), ("--own",), ("--no-own",), ("--table", "demo")),
        *(("--model", "another"), ("--rmt", "50")),
    ],
)
def test_options_of_a_fit_are_refused_where_a_mapper_is_applied(
    mapper: Path, data: Path, tmp_path: Path, option: tuple[str, ...]
) -> None:
    command = ["fit", str(data), "--apply", str(mapper), "--out", str(tmp_path / "a")]
    assert main([*command, *option]) == 2
    assert not (tmp_path / "a").exists()


def test_poses_of_another_kind_are_refused(
    mapper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poses = tmp_path / "poses.csv"
    poses.write_text("x_mm,y_mm\n1,2\n3,4\n", encoding="utf-8")
    command = ["fit", str(poses), "--apply", str(mapper), "--out", str(tmp_path / "a")]
    assert main(command) == 2
    assert "coordinates: found 2, expected 3 as fitted" in capsys.readouterr().err


def test_a_flipped_bit_is_refused(
    mapper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poses = tmp_path / "poses.csv"
    poses.write_text("x_mm,y_mm,z_mm\n1,2,3\n", encoding="utf-8")
    whole = (mapper / "mapper.npz").read_bytes()
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "manifest.toml").write_bytes((mapper / "manifest.toml").read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 20):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << int(rng.integers(8))
        (damaged / "mapper.npz").write_bytes(bytes(flipped))
        out = str(tmp_path / "a.csv")
        assert main(["fit", str(poses), "--apply", str(damaged), "--out", out]) == 2
        assert "sha256" in capsys.readouterr().err


def test_settings_come_from_other_tables_and_a_muscle_can_be_named(
    data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    recording = draw_recording(np.random.default_rng(3), 60, 1)
    lines = ["x_mm,y_mm,z_mm,mep_mv"]
    lines += [
        f"{x:.3f},{y:.3f},{z:.3f},{10.0**level / 1000.0:.6f}"
        for (x, y, z), level in zip(
            recording.pulses.position_mm, recording.log10_uv, strict=True
        )
    ]
    other.write_text("\n".join(lines), encoding="utf-8")
    figures = tmp_path / "f.json"
    command = ["fit", str(other), "--out", str(tmp_path / "m"), "--json", str(figures)]
    assert main([*command, "--muscle", "APB"]) == 0
    assert list(json.loads(figures.read_text(encoding="utf-8"))["muscles"]) == ["APB"]
    command = ["fit", str(data), "--out", str(tmp_path / "n"), "--json", str(figures)]
    assert main([*command, "--muscle", "FDI", "--others", str(other)]) == 0
    assert json.loads(figures.read_text(encoding="utf-8"))["learnt_from"] == [
        "other.csv"
    ]
    assert main([*command, "--muscle", "TA"]) == 2


def test_the_networks_last_layer_learns_a_virtual_subject(tmp_path: Path) -> None:
    lab, rmt_pct_mso = virtual_lab(80)
    data, figures, out = tmp_path / "lab.csv", tmp_path / "f.json", tmp_path / "m"
    data.write_text("\n".join(lab) + "\n", encoding="utf-8")
    command = ["fit", str(data), "--out", str(out), "--json", str(figures)]
    head = ["--table", "demo", "--rmt", str(rmt_pct_mso), "--no-own"]
    assert main([*command, *head]) == 0
    each = json.loads(figures.read_text(encoding="utf-8"))["muscles"]["FDI"]
    assert each["head_model"]["r2"] > max(0.5, each["r2"]["position"])
    assert each["head_model"]["progressive"]["r2"] > each["progressive"]["r2"]
    answers = tmp_path / "answers.csv"
    apply = ["fit", str(data), "--apply", str(out), "--out", str(answers)]
    assert main(apply) == 0
    with answers.open(encoding="utf-8") as file:
        found = [float(row["FDI_mean_log10_uv"]) for row in csv.DictReader(file)]
    measured = [np.log10(float(line.split(",")[-1])) for line in lab[1:]]
    assert np.corrcoef(found, measured)[0, 1] > 0.8


def virtual_lab(n_pulses: int) -> tuple[list[str], float]:
    """Return a table of a virtual subject on the demo head, and its threshold."""
    lookup = EfieldLookup(read_table(table_path("demo")))
    region = lookup.table.region
    planned = lookup.query(region.planned_head_from_coil).unit_efield_v_per_m
    rng = subject_rng(5, SeedStream.EVALUATION)
    cortex = Cortex(lookup.table.roi.points_mm, planned)
    subject = draw_subject(rng, cortex)
    per_pct = np.float32(DIDT_AT_100_PCT_MSO_A_PER_US / 100.0)
    rmt_pct_mso = measure_rmt_pct_mso(subject, planned * per_pct, rng)
    pulses = demo_design(
        rng,
        lookup.guard,
        planned_head_from_coil=region.planned_head_from_coil,
        n_pulses=n_pulses,
    )
    lines = ["x_mm,y_mm,z_mm,qw,qx,qy,qz,intensity_pct_mso,FDI_uv"]
    for pulse in pulses:
        pose, level = pulse.head_from_coil, 1.2 * rmt_pct_mso
        field = lookup.query(pose).unit_efield_v_per_m * np.float32(level) * per_pct
        numbers = (
            *pose[:3, 3],
            *quaternion_from_matrix(pose),
            level,
            subject.draw_uv(field, rng)[0],
        )
        lines.append(",".join(f"{number:.6f}" for number in numbers))
    return lines, rmt_pct_mso


def test_the_head_model_needs_orientations_and_its_muscles(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fit", str(data), "--out", str(tmp_path / "m"), "--table", "demo"]
    assert main(command) == 2
    assert "poses without orientation" in capsys.readouterr().err
    assert main([*command, "--muscle", "FDI", "--muscle", "XYZ"]) == 2
