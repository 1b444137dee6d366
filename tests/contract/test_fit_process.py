"""Whatever a fit does, traind gets one answer and goes on."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from m2m_rt.adapters.fit_process import LIMIT_S, FitProcess
from m2m_rt.errors import DataError
from m2m_rt.messages import FitFinished, FitRequest
from m2m_rt.units import RigNs

PATIENCE_S = 60.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _tests_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def request(what: str, fit_id: int = 0) -> FitRequest:
    return FitRequest(
        t_ns=RigNs(0),
        fit_id=fit_id,
        parent_hash=what,
        n_trials=0,
        n_held_out=0,
        rng_seed=0,
        trials=(),
    )


def answer_of(fits: FitProcess, asked: FitRequest) -> FitFinished:
    fits.start(asked)
    until_s = time.monotonic() + PATIENCE_S
    while not (got := fits.poll(0.02)):
        assert time.monotonic() < until_s, "no answer"
    (answer,) = got
    assert isinstance(answer, FitFinished)
    assert answer.fit_id == asked.fit_id
    return answer


def test_a_fit_that_answers_is_handed_on_and_another_may_follow(
    tmp_path: Path,
) -> None:
    with FitProcess("tests.support.fits", tmp_path) as fits:
        assert fits.poll(0.0) == ()
        assert answer_of(fits, request("answers")).model_hash == "b" * 64
        assert fits.poll(0.0) == ()
        assert answer_of(fits, request("answers", 1)).model_hash == "b" * 64


@pytest.mark.parametrize(
    ("what", "limit_s", "error"),
    [
        ("fails", LIMIT_S, "ArithmeticError: the loss is not finite"),
        ("says nothing", LIMIT_S, "status 0"),
        ("writes trash", LIMIT_S, "refused"),
        ("answers another", LIMIT_S, "something else"),
        ("hangs", 0.2, "status"),
    ],
)
def test_a_fit_that_goes_wrong_is_an_answer_without_a_model(
    tmp_path: Path, what: str, limit_s: float, error: str
) -> None:
    with FitProcess("tests.support.fits", tmp_path, limit_s=limit_s) as fits:
        answer = answer_of(fits, request(what))
    assert answer.model_hash is None
    assert error in answer.error


def test_a_second_fit_beside_a_running_one_is_refused(tmp_path: Path) -> None:
    with FitProcess("tests.support.fits", tmp_path) as fits:
        fits.start(request("hangs"))
        with pytest.raises(DataError, match="another is running"):
            fits.start(request("answers", 1))


ORPHANED = """\
import sys
from pathlib import Path
from m2m_rt.adapters.fit_process import FitProcess
from tests.contract.test_fit_process import request
with FitProcess("tests.support.fits", Path(sys.argv[1])) as fits:
    fits.start(request("calls home"))
    sys.stdin.read()
"""


def test_a_fit_ends_with_its_trainer_even_if_that_is_killed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as home:
        home.settimeout(PATIENCE_S)
        (tmp_path / "fits").mkdir()
        (tmp_path / "fits" / "port").write_text(str(home.getsockname()[1]))
        command = [sys.executable, "-c", ORPHANED, str(tmp_path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT) as trainer:
            fit, _ = home.accept()
            trainer.kill()
        with fit:
            fit.settimeout(PATIENCE_S)
            assert fit.recv(1) == b""  # its end is the connection's


REFIT_THAT_LASTS = """\
import sys, threading
from m2m_rt.app import refit_process
refit_process.decode = lambda _: threading.Event().wait()
refit_process.main(sys.argv[1:])
"""


def test_the_refit_watches_its_parent(tmp_path: Path) -> None:
    (tmp_path / "request").touch()
    paths = [str(tmp_path / name) for name in ("", "request", "answer")]
    command = [sys.executable, "-c", REFIT_THAT_LASTS, *paths]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as refit:
        assert refit.stdin is not None
        refit.stdin.close()
        try:
            assert refit.wait(PATIENCE_S) == 1
        finally:
            refit.kill()
