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
        first = answer_of(fits, request("answers"))
        assert first.model_hash == "b" * 64
        assert fits.poll(0.0) == ()
        second = answer_of(fits, request("answers", 1))
        assert second.model_hash == "b" * 64
        assert first.t_ns == second.t_ns  # the process's number: it waits between fits


def test_a_process_is_ready_before_it_is_asked(tmp_path: Path) -> None:
    with FitProcess("tests.support.fits", tmp_path) as fits:
        assert fits.wait_until_ready(PATIENCE_S)
        assert answer_of(fits, request("answers")).model_hash == "b" * 64


def test_a_process_that_cannot_start_is_not_waited_for(tmp_path: Path) -> None:
    with FitProcess("tests.support.no_such_module", tmp_path) as fits:
        assert not fits.wait_until_ready(PATIENCE_S)
        answer = answer_of(fits, request("answers"))
    assert "no_such_module" in answer.error


@pytest.mark.parametrize(
    ("what", "limit_s", "error"),
    [
        ("fails", LIMIT_S, "ArithmeticError: the loss is not finite"),
        ("says nothing", LIMIT_S, "status 0"),
        ("writes trash", LIMIT_S, "refused"),
        ("answers another", LIMIT_S, "something else"),
        ("hangs", 0.2, "longer than 0.2 s"),
    ],
)
def test_a_fit_that_goes_wrong_is_an_answer_without_a_model(
    tmp_path: Path, what: str, limit_s: float, error: str
) -> None:
    with FitProcess("tests.support.fits", tmp_path, limit_s=limit_s) as fits:
        answer = answer_of(fits, request(what))
        assert answer.model_hash is None
        assert error in answer.error
        if limit_s == LIMIT_S:
            assert answer_of(fits, request("answers", 1)).model_hash == "b" * 64


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
import sys, threading, types
work = types.ModuleType("m2m_rt.app.refit_work")
work.prepare_refits = lambda _: threading.Event().wait()
sys.modules[work.__name__] = work
from m2m_rt.app import refit_process
refit_process.main(sys.argv[1:])
"""


def test_the_refit_watches_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", REFIT_THAT_LASTS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as refit:
        assert refit.stdin is not None
        refit.stdin.close()
        try:
            assert refit.wait(PATIENCE_S) == 1
        finally:
            refit.kill()
