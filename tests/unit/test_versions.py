import pytest

from m2m_rt.app.threads import limit_threads
from m2m_rt.app.versions import versions


def test_a_users_own_number_of_threads_is_kept_and_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert "MKL_NUM_THREADS" not in versions()
    limit_threads()
    made_with = versions()
    assert made_with["OMP_NUM_THREADS"] == "4"
    assert made_with["OPENBLAS_NUM_THREADS"] == "1"
    assert made_with["MKL_NUM_THREADS"] == "1"
