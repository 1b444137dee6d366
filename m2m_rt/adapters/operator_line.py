"""The operator's line to a running session: `m2m note` speaks, the supervisor hears.

A command carries the secret that only readers of the session's folder know, and an id:
the same id twice is carried out once.
"""

import secrets
from collections.abc import Sequence

import msgspec
import zmq

from m2m_rt.adapters.rendezvous import Meeting
from m2m_rt.errors import DataError, LinkLost
from m2m_rt.messages import SessionEventKind

MAX_COMMAND_BYTES = 64 * 1024
ANSWER_TIMEOUT_MS = 3000
ALLOWED = (
    SessionEventKind.NOTE,
    SessionEventKind.MARK_LAST_BAD,
    SessionEventKind.ROLL_BACK,
)


class _Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    request_id: str
    secret: str
    kind: SessionEventKind
    text: str = ""


class OperatorLine:
    """The supervisor's end."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], secret: str) -> None:
        """Listen on loopback for commands that know the secret."""
        self.secret = secret
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_COMMAND_BYTES)
        self._socket.setsockopt(zmq.LINGER, 0)
        port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self._done: set[str] = set()

    def take(self) -> Sequence[tuple[SessionEventKind, str]]:
        """Return the commands that came, each answered."""
        accepted = []
        while self._socket.poll(0):
            command = self._read(b"".join(self._socket.recv_multipart()))
            self._socket.send_string("refused" if command is None else "done")
            if command is not None and command.request_id not in self._done:
                self._done.add(command.request_id)
                accepted.append((command.kind, command.text))
        return accepted

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def _read(self, frame: bytes) -> _Command | None:
        try:
            command = msgspec.msgpack.decode(frame, type=_Command)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        is_known = secrets.compare_digest(command.secret.encode(), self.secret.encode())
        return command if is_known and command.kind in ALLOWED else None


def tell_supervisor(meeting: Meeting, kind: SessionEventKind, text: str) -> None:
    """Give one command and wait until it is acknowledged.

    Raises
    ------
    LinkLost
        If there is no answer.
    DataError
        If it is refused.
    """
    command = _Command(
        request_id=secrets.token_hex(8), secret=meeting.secret, kind=kind, text=text
    )
    try:
        frame = msgspec.msgpack.encode(command)
    except UnicodeEncodeError as err:
        raise DataError(f"{kind.value}: no text in UTF-8 ({err})") from err
    if len(frame) > MAX_COMMAND_BYTES:
        found = f"{kind.value}: {len(frame)} bytes"
        raise DataError(f"{found}; expected at most {MAX_COMMAND_BYTES}")
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(meeting.endpoint)
        socket.send(frame)
        if not socket.poll(ANSWER_TIMEOUT_MS):
            raise LinkLost(f"no answer from the session at {meeting.endpoint}")
        answer = socket.recv_string()
    if answer != "done":
        raise DataError(f"{kind.value}: the session answered {answer!r}")
