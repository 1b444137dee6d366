"""A refit that is killed at any moment costs its candidate and nothing else."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.fit_process import LIMIT_S, FitProcess
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.messages import FitFinished, FitRequest, encode
from m2m_rt.units import RigNs
from tests.support.mapped import demo_scene, record_session
from tests.support.sessions import messages, wait_until

N_PULSES = 24
REFIT = "m2m_rt.app.refit_process"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> SessionFolder:
    root = tmp_path_factory.mktemp("killed") / "session"
    record_session(root, demo_scene(), n_pulses=N_PULSES, seed=2)
    return SessionFolder.open(root)


def request(session: SessionFolder, fit_id: int) -> FitRequest:
    return FitRequest(
        t_ns=RigNs(0),
        fit_id=fit_id,
        parent_hash=str(session.settings()["model_hash"]),
        n_trials=N_PULSES,
        n_held_out=8,
        rng_seed=fit_id,
        trials=tuple(map(encode, messages(session.root, "trial/predictd"))),
    )


def run_fit(session: SessionFolder, fit_id: int, limit_s: float) -> FitFinished:
    answers: list[FitFinished] = []

    def look() -> bool:
        for one in fits.poll(0.02):
            assert isinstance(one, FitFinished)
            answers.append(one)
        return bool(answers)

    with FitProcess(REFIT, session.root, limit_s=limit_s) as fits:
        fits.start(request(session, fit_id))
        wait_until(look, "the fit's answer")
    return answers[0]


def stored(session: SessionFolder) -> set[str]:
    """Return the models of a session; each must be whole."""
    names = set()
    for path in session.models.glob("*.onnx"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
        names.add(path.stem)
    return names


def test_a_fit_killed_at_any_moment_leaves_the_session_whole(
    session: SessionFolder,
) -> None:
    parent = str(session.settings()["model_hash"])
    rng = np.random.default_rng(0)
    for fit_id, limit_s in enumerate(rng.uniform(0.1, 4.0, 2).tolist()):
        answer = run_fit(session, fit_id, limit_s)
        assert answer.fit_id == fit_id
        assert answer.model_hash is None or answer.model_hash in stored(session)
        assert parent in stored(session)
    answer = run_fit(session, 2, LIMIT_S)
    assert answer.error == ""
    assert answer.model_hash in stored(session)


def test_nothing_unfinished_takes_a_models_name(session: SessionFolder) -> None:
    unfinished = [one for one in session.models.iterdir() if one.suffix != ".onnx"]
    assert all(Path(one).name.startswith(".") for one in unfinished)
