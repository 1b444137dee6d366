from pathlib import Path

import msgspec
import pytest

from m2m_rt.errors import ConfigError
from m2m_rt.sim.lab_settings import (
    LabSettings,
    LabStream,
    lab_rng,
    read_lab_settings,
    write_lab_settings,
)
from tests.support.lab import lab_settings


def test_settings_survive_their_file(tmp_path: Path) -> None:
    settings = lab_settings(n_pulses=4)
    write_lab_settings(settings, tmp_path / "lab.json")
    assert read_lab_settings(tmp_path / "lab.json") == settings


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"pulses": []}, "pulses"),
        ({"interval_s": [1.0, 3.0]}, "interval_s"),
        ({"interval_s": [3.0, 2.6]}, "interval_s"),
        ({"first_pulse_s": 1.0}, "first_pulse_s"),
        ({"fs_hz": 0.0}, "fs_hz"),
        ({"seed": -1}, "seed"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"nastiness": {"preactivation_rate": 1.5}}, "preactivation_rate"),
    ],
)
def test_wrong_settings_are_refused_by_name(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    path = tmp_path / "lab.json"
    content = msgspec.to_builtins(lab_settings()) | change
    path.write_bytes(msgspec.json.encode(content))
    with pytest.raises(ConfigError, match=named):
        read_lab_settings(path)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_file_that_holds_no_settings_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lab.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"lab\.json"):
        read_lab_settings(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        read_lab_settings(tmp_path / "lab.json")


def test_streams_of_randomness_never_share_numbers() -> None:
    draws = {
        float(lab_rng(seed, stream, index).random())
        for seed in range(5)
        for stream in LabStream
        for index in range(5)
    }
    assert len(draws) == 5 * len(LabStream) * 5


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        lab_settings().seed = 1  # type: ignore[misc]  # frozen
    assert LabSettings.__struct_config__.frozen
