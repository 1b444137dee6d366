"""The operator's line: only who knows the secret, only what is allowed, only once."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zmq

from m2m_rt.adapters.operator_line import (
    MAX_COMMAND_BYTES,
    OperatorLine,
    tell_supervisor,
)
from m2m_rt.adapters.rendezvous import Meeting, Rendezvous
from m2m_rt.errors import ConfigError, DataError, LinkLost
from m2m_rt.messages import SessionEventKind

PATIENCE_S = 20.0
SECRET = "the secret"
NOTE = {"request_id": "1", "secret": SECRET, "kind": "note", "text": "coil warm"}

Taken = list[tuple[SessionEventKind, str]]


@pytest.fixture
def line() -> Iterator[OperatorLine]:
    with zmq.Context() as context:
        line = OperatorLine(context, SECRET)
        yield line
        line.close()


def ask(line: OperatorLine, *frames: bytes) -> tuple[str, Taken]:
    """Send one request; return the answer and what was taken."""
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(line.endpoint)
        socket.send_multipart(frames)
        taken: Taken = []
        until_s = time.monotonic() + PATIENCE_S
        while not socket.poll(5):
            assert time.monotonic() < until_s, "no answer"
            taken += line.take()
        return socket.recv_string(), taken


def packed(**changes: str) -> bytes:
    return msgspec.msgpack.encode({**NOTE, **changes})


def test_a_command_is_taken_and_answered(line: OperatorLine) -> None:
    assert ask(line, packed()) == ("done", [(SessionEventKind.NOTE, "coil warm")])


def test_the_same_request_twice_is_carried_out_once(line: OperatorLine) -> None:
    assert len(ask(line, packed())[1]) == 1
    assert ask(line, packed()) == ("done", [])
    assert len(ask(line, packed(request_id="2"))[1]) == 1


@pytest.mark.parametrize(
    "frame",
    [
        packed(secret="wrong"),
        packed(secret=""),
        packed(secret="gehëim"),
        packed(kind="stopping"),
        packed(kind="started"),
        packed(kind="fire"),
        packed(colour="red"),
        packed().replace(b"warm", b"\xff\xfe\xfd\xfc"),
        b"",
        b"\xc1",
        msgspec.msgpack.encode([1, 2]),
    ],
)
def test_anything_else_is_refused_and_the_line_goes_on(
    line: OperatorLine, frame: bytes
) -> None:
    assert ask(line, frame) == ("refused", [])
    assert ask(line, packed())[0] == "done"


def test_a_request_in_parts_does_not_block_the_line(line: OperatorLine) -> None:
    assert ask(line, packed(), b"more") == ("refused", [])
    assert ask(line, packed())[0] == "done"


def told(line: OperatorLine, secret: str) -> Taken:
    """Tell a note from another thread, as another process would."""
    meeting = Meeting(endpoint=line.endpoint, pid=0, secret=secret)
    errors: list[Exception] = []

    def tell() -> None:
        try:
            tell_supervisor(meeting, SessionEventKind.NOTE, "hello")
        except DataError as err:
            errors.append(err)

    thread = threading.Thread(target=tell)
    thread.start()
    taken: Taken = []
    while thread.is_alive():
        taken += line.take()
        thread.join(0.005)
    if errors:
        raise errors[0]
    return taken


def test_what_is_told_is_heard(line: OperatorLine) -> None:
    assert told(line, SECRET) == [(SessionEventKind.NOTE, "hello")]


def test_who_does_not_know_the_secret_is_told_so(line: OperatorLine) -> None:
    with pytest.raises(DataError, match="refused"):
        told(line, "guess")


@pytest.mark.parametrize("text", ["caf\udce9", "x" * MAX_COMMAND_BYTES])
def test_a_note_that_cannot_be_sent_is_refused_before(text: str) -> None:
    nobody = Meeting(endpoint="tcp://127.0.0.1:1", pid=0)
    with pytest.raises(DataError, match="note: "):
        tell_supervisor(nobody, SessionEventKind.NOTE, text)


@pytest.mark.parametrize("content", [b"", b"{", b'{"pid": 1}', b'{"endpoint": "\xff"}'])
def test_a_damaged_announcement_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "control.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"control\.json"):
        Rendezvous(tmp_path).find(["control"], 1.0)


def test_a_session_that_is_gone_does_not_answer(
    line: OperatorLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m2m_rt.adapters.operator_line.ANSWER_TIMEOUT_MS", 50)
    with pytest.raises(LinkLost, match="no answer"):
        tell_supervisor(
            Meeting(endpoint=line.endpoint, pid=0), SessionEventKind.NOTE, ""
        )
