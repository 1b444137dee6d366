"""`m2m mep` on made and on real sweeps."""

import json
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.app.cli import main


@pytest.fixture
def sweeps_path(tmp_path: Path) -> Path:
    """Return 5 sweeps at 5 kHz, pulse at 100 ms: no MEP, then 200, 400, … µV."""
    sweeps_mv = np.random.default_rng(0).normal(0, 2e-3, (5, 1200))
    wave = np.sin(2 * np.pi * np.arange(60) / 60)
    sweeps_mv[:, 610:670] += 0.1 * np.arange(5)[:, None] * wave  # onset at 22 ms
    np.save(tmp_path / "sweeps.npy", sweeps_mv)
    return tmp_path / "sweeps.npy"


def mep(path: Path, *more: str, **options: str) -> int:
    asked = {"fs": "5000", "unit": "mV", "trigger-s": "0.1", "window": "15 55"}
    asked |= {name.replace("_", "-"): value for name, value in options.items()}
    flags = [
        word for name, value in asked.items() for word in (f"--{name}", *value.split())
    ]
    return main(["mep", str(path), *flags, *more])


def test_sweeps_are_measured_drawn_and_stored(sweeps_path: Path) -> None:
    out, picture = sweeps_path.with_name("out.json"), sweeps_path.with_name("out.png")
    assert mep(sweeps_path, "--json", str(out), "--picture", str(picture)) == 0
    result = json.loads(out.read_text())
    assert result["amplitude_uv"][0] is None
    assert result["latency_ms"][0] is None
    assert result["amplitude_uv"][1:] == pytest.approx([200, 400, 600, 800], abs=12)
    assert result["latency_ms"][1:] == pytest.approx([22] * 4, abs=0.6)
    assert result["onset_definition"].startswith("noise_threshold")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_without_json_a_table_is_printed(
    sweeps_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mep(sweeps_path, filter="causal", onset="slope_tangent") == 0
    printed = capsys.readouterr().out
    assert "4 MEPs in 5 sweeps" in printed
    assert "slope_tangent" in printed


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": "volts"},
        {"window": "55 15"},
        {"window": "-5 15"},
        {"window": "15 900"},
        {"window": "15 nan"},
        {"var": "meps"},
        {"time_axis": "0"},
        {"time_axis": "7"},
        {"fs": "-1"},
        {"trigger_s": "9"},
        {"trigger_s": "-1"},
        {"trigger_s": "nan"},
        {"filter": "notch"},
        {"filter": "causal", "fs": "1900"},
        {"onset": "eye"},
        {"json": "/no/such/folder/out.json"},
        {"picture": "/no/such/folder/out.png"},
    ],
    ids=str,
)
def test_a_wrong_option_is_one_line_and_exit_2(
    sweeps_path: Path, wrong: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert mep(sweeps_path, **wrong) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("m2m: ")
    assert "\n" not in said


def test_the_published_sweeps_agree_with_their_published_features(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "mep-waveforms"
    reference = np.genfromtxt(folder / "ID10_1_features.csv", delimiter=",", names=True)
    out = tmp_path / "out.json"
    status = mep(
        folder / "ID10_1.mat",
        "--json",
        str(out),
        var="meps",
        fs="3000",
        unit="uV",
        trigger_s="0.05",
        window="13 62",
    )
    assert status == 0
    result = json.loads(out.read_text())
    amplitude_uv = np.array(result["amplitude_uv"], dtype=float)  # null becomes NaN
    latency_ms = np.array(result["latency_ms"], dtype=float)
    has_mep = reference["Amplitude"] > 0
    ratio = amplitude_uv[has_mep] / reference["Amplitude"][has_mep]
    late_ms = latency_ms[has_mep] - reference["Latency"][has_mep]

    assert has_mep.sum() == 55
    assert (np.abs(ratio - 1) <= 0.02).sum() >= 53
    assert np.isnan(amplitude_uv[~has_mep]).sum() >= 12
    assert np.isnan(latency_ms[~has_mep]).sum() >= 12
    assert (np.abs(late_ms) <= 1.0).mean() >= 0.9


def test_the_oxford_sweeps_grow_with_intensity(
    shared_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    path = shared_data / "mep-oxford" / "S1.mat"
    assert mep(path, "--json", str(out), var="mep", fs="10000", trigger_s="0.1") == 0
    result = json.loads(out.read_text())
    p2p_uv = np.array(result["window_p2p_uv"]).reshape(15, 10)
    median_uv = np.median(p2p_uv, axis=0)
    assert median_uv[0] < 30
    assert median_uv[-1] > 3000
    assert (np.diff(median_uv[[0, 2, 4, 6, 9]]) > 0).all()
