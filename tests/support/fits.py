"""A fitting process for tests: what it does stands in the request's parent hash."""

import os
import socket
import sys
import threading
from pathlib import Path

from m2m_rt.adapters.fit_worker import CarryOut, fit_file, serve_fits
from m2m_rt.messages import FitFinished, FitRequest, encode
from m2m_rt.units import RigNs


def prepare(session: Path) -> CarryOut:
    def carry_out(request: FitRequest) -> FitFinished:
        answer_path = fit_file(session, request.fit_id, "answer")
        match request.parent_hash:
            case "says nothing":
                sys.exit(0)
            case "writes trash":
                answer_path.write_bytes(b"\xc1 trash")
                threading.Event().wait()
            case "answers another":
                answer_path.write_bytes(encode(request))
                threading.Event().wait()
            case "hangs":
                threading.Event().wait()
            case "calls home":
                port = int((session / "fits" / "port").read_text())
                with socket.create_connection(("127.0.0.1", port)):
                    threading.Event().wait()
            case "fails":
                raise ArithmeticError("the loss is not finite")
        return FitFinished(
            t_ns=RigNs(os.getpid()), fit_id=request.fit_id, model_hash="b" * 64
        )

    return carry_out


if __name__ == "__main__":
    serve_fits(Path(sys.argv[1]), prepare)
