"""A refit's process for tests: what it does stands in the request's parent hash."""

import socket
import sys
import threading
from pathlib import Path

from m2m_rt.adapters.parent_watch import exit_with_parent
from m2m_rt.messages import FitFinished, FitRequest, decode, encode
from m2m_rt.units import RigNs


def main(request_path: str, answer_path: str) -> None:
    request = decode(Path(request_path).read_bytes())
    assert isinstance(request, FitRequest)
    answer = FitFinished(t_ns=RigNs(1), fit_id=request.fit_id, model_hash="b" * 64)
    match request.parent_hash:
        case "answers":
            Path(answer_path).write_bytes(encode(answer))
        case "writes trash":
            Path(answer_path).write_bytes(b"\xc1 trash")
        case "answers another":
            Path(answer_path).write_bytes(encode(request))
        case "hangs":
            threading.Event().wait()
        case "calls home":
            exit_with_parent()
            port = int(Path(request_path).with_name("port").read_text())
            with socket.create_connection(("127.0.0.1", port)):
                threading.Event().wait()
        case "fails":
            raise ArithmeticError("the loss is not finite")


if __name__ == "__main__":
    main(*sys.argv[2:])
