"""The folder of a session: never written over, and its models cannot be swapped."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from m2m_rt.adapters.session_folder import SessionFolder, unused_session_path
from m2m_rt.errors import ConfigError, ModelRefused

STARTED = datetime(2026, 3, 14, 9, 15, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    return SessionFolder.create(tmp_path / "session", {"subject": "s01"})


def test_settings_come_back(folder: SessionFolder) -> None:
    opened = SessionFolder.open(folder.root)
    assert opened.settings() == {"subject": "s01"}


def test_a_session_is_never_written_over(folder: SessionFolder) -> None:
    with pytest.raises(ConfigError, match="a new session"):
        SessionFolder.create(folder.root, {})


def test_an_empty_folder_may_become_a_session(tmp_path: Path) -> None:
    assert SessionFolder.create(tmp_path, {}).settings() == {}


def test_a_folder_without_settings_is_no_session(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"session\.toml"):
        SessionFolder.open(tmp_path)


def test_settings_that_are_no_toml_are_refused(folder: SessionFolder) -> None:
    folder.settings_path.write_text("subject = ", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"session\.toml"):
        folder.settings()


def test_names_are_unique_and_sort_by_time(tmp_path: Path) -> None:
    first = unused_session_path(tmp_path, started=STARTED, subject="s01")
    first.mkdir()
    second = unused_session_path(tmp_path, started=STARTED, subject="s01")
    assert first.name == "20260314T091500Z-s01"
    assert second.name == "20260314T091500Z-s01-2"


@pytest.mark.parametrize("subject", ["", "Jane Doe", "../s01", "x" * 41])
def test_a_subject_is_a_plain_pseudonym(tmp_path: Path, subject: str) -> None:
    with pytest.raises(ConfigError, match="subject"):
        unused_session_path(tmp_path, started=STARTED, subject=subject)


def test_each_start_of_a_daemon_has_its_own_journal(folder: SessionFolder) -> None:
    made = []
    for _ in range(3):
        path = folder.new_journal_path("posed")
        path.touch()
        made.append(path)
    assert [path.name for path in made] == [
        "posed.mcap",
        "posed.2.mcap",
        "posed.3.mcap",
    ]
    assert folder.journal_paths("posed") == made
    assert folder.journal_paths("acquired") == []


def test_a_model_is_named_by_its_content(folder: SessionFolder) -> None:
    model_hash = folder.store_model(b"a network")
    assert folder.store_model(b"a network") == model_hash
    assert folder.model_bytes(model_hash) == b"a network"
    assert [path.name for path in folder.models.iterdir()] == [f"{model_hash}.onnx"]


def test_a_changed_model_is_refused(folder: SessionFolder) -> None:
    model_hash = folder.store_model(b"a network")
    folder.model_path(model_hash).write_bytes(b"a netwosk")
    with pytest.raises(ModelRefused, match="sha256"):
        folder.model_bytes(model_hash)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "AB" * 32, "ab" * 31])
def test_a_model_is_asked_for_by_a_hash_only(folder: SessionFolder, name: str) -> None:
    with pytest.raises(ModelRefused, match="no sha256"):
        folder.model_bytes(name)


def test_a_model_that_is_not_there_is_refused(folder: SessionFolder) -> None:
    with pytest.raises(ModelRefused, match="no such model"):
        folder.model_bytes("ab" * 32)
