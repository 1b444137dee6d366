"""`m2m demo` as a user runs it: one real session, its report, and its exact replay."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from m2m_rt.adapters.mcap_reader import LogReader
from m2m_rt.app.cli import main
from m2m_rt.messages import EmgReceived, ResponseMapMade, decode
from tests.support.sessions import Command, messages, trials

N_PULSES = 6
RECORD_HEAD_BYTES = 9 + 22
LOWPASS_HZ = "lowpass_hz = 1000.0"


@dataclass(frozen=True)
class Demo:
    status: int
    report: dict[str, Any]
    root: Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    report, root = folder / "report.json", folder / "session"
    command = Command(
        folder / "demo",
        *("demo", "--pulses", str(N_PULSES), "--seed", "1", "--quiet"),
        *("--session", root, "--report", report),
    )
    try:
        command.process.wait(240.0)
    finally:
        command.kill_if_running()
    assert report.is_file(), command.wrong
    return Demo(command.status(), json.loads(report.read_text("utf-8")), root)


def keys_of(report: dict[str, Any], prefix: str = "") -> set[str]:
    """Return the dotted keys of nested objects."""
    found: set[str] = set()
    for key, value in report.items():
        nested = isinstance(value, dict)
        found |= keys_of(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}"}
    return found


def copy_for_replay(demo: Demo, root: Path) -> Path:
    shutil.copytree(demo.root, root, ignore=shutil.ignore_patterns("messages.mcap"))
    return root


def differences(root: Path, out: Path) -> dict[str, dict[str, str]]:
    assert main(["replay", str(root), "--check", "--json", str(out)]) == 1
    found = json.loads(out.read_text(encoding="utf-8"))["differences"]
    return {one["daemon"]: one for one in found}


def test_every_pulse_is_predicted_before_it(demo: Demo) -> None:
    assert demo.status == 0
    assert demo.report["pulses"] == N_PULSES
    assert demo.report["predicted_before_pulse"] == N_PULSES
    leads_ms = [float(trial["lead_ms"]) for trial in trials(demo.root)]
    assert len(leads_ms) == N_PULSES
    assert min(leads_ms) > 0.0


def test_nothing_is_lost(demo: Demo) -> None:
    assert demo.report["emg_samples_lost"] == 0
    assert demo.report["messages_lost"] == 0


def test_the_report_has_the_keys_that_others_read(demo: Demo) -> None:
    wanted = {
        "pulses",
        "predicted_before_pulse",
        "lead_ms.p50",
        "meps_valid",
        "emg_samples_lost",
        "messages_lost",
        "latency_ms.pose_to_prediction.p50",
        "latency_ms.pose_to_prediction.p99",
        "latency_ms.transport_floor.p50",
        "latency_ms.transport_floor.p99",
        "score.r2_log10.prior",
        "score.r2_log10.online",
        "score.r2_log10.ceiling",
        "score.coverage_90",
        "model_generations",
        "session",
    }
    assert wanted <= keys_of(demo.report)
    assert Path(demo.report["session"]) == demo.root


def test_computing_costs_at_most_twice_the_transport(demo: Demo) -> None:
    latency = demo.report["latency_ms"]
    floor_ms = latency["transport_floor"]["p50"]
    assert latency["pose_to_prediction"]["p50"] <= 3.0 * floor_ms


def test_the_session_folder_is_complete(demo: Demo) -> None:
    there = {path.name for path in demo.root.iterdir()}
    assert there >= {"session.toml", "messages.mcap", "trials.csv", "report.png"}
    settings = (demo.root / "session.toml").read_text(encoding="utf-8")
    for named in ("table_hash", "model_hash", "protocol_hash", "code_hash", "numpy"):
        assert f"{named} = " in settings
    assert messages(demo.root, "health/acquired")[-1].state == "stopped"


def test_response_maps_follow_what_is_learnt(demo: Demo) -> None:
    made = messages(demo.root, "response_map/predictd")
    beliefs = [one.posterior_seq for one in made if isinstance(one, ResponseMapMade)]
    assert beliefs == sorted(set(beliefs))
    assert beliefs[-1] >= N_PULSES // 2


def test_every_deciding_daemon_is_reproduced_byte_for_byte(demo: Demo) -> None:
    assert main(["replay", str(demo.root), "--check"]) == 0


def test_it_is_reproduced_whatever_kernels_the_shell_asks_numpy_for(demo: Demo) -> None:
    command = [sys.executable, "-m", "m2m_rt.app.cli", "replay", str(demo.root)]
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Prescott"}
    ended = subprocess.run(
        [*command, "--check"], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout
    assert "reproduced exactly" in ended.stdout


def test_one_flipped_bit_of_the_emg_is_named(demo: Demo, tmp_path: Path) -> None:
    root = copy_for_replay(demo, tmp_path / "session")
    path = root / "journal" / "acquired.mcap"
    emg = [one for one in LogReader(path) if _is_emg(one.topic, one.frame)][1000]
    changed = bytearray(path.read_bytes())
    at = emg.frame.index(decode(emg.frame).samples.data)
    changed[emg.offset + RECORD_HEAD_BYTES + at + 5] ^= 1
    path.write_bytes(changed)
    found = differences(root, tmp_path / "check.json")
    assert list(found) == ["acquired"]
    assert ": emg_received.v1, seq " in found["acquired"]["message"]
    assert found["acquired"]["field"] == "samples[0, 1]"


def test_one_changed_filter_coefficient_is_named(demo: Demo, tmp_path: Path) -> None:
    root = copy_for_replay(demo, tmp_path / "session")
    path = root / "session.toml"
    settings = path.read_text(encoding="utf-8")
    assert LOWPASS_HZ in settings
    path.write_text(settings.replace(LOWPASS_HZ, "lowpass_hz = 999.0"))
    found = differences(root, tmp_path / "check.json")
    assert list(found) == ["acquired"]
    assert ": mep.v1, seq 0, " in found["acquired"]["message"]
    assert found["acquired"]["field"].startswith("mep_p2p_uv[")


def _is_emg(topic: str, frame: bytes) -> bool:
    return topic == "in" and isinstance(decode(frame), EmgReceived)
