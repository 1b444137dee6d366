"""What every test stands on: an LSL network of its own, one thread, fixed examples."""

import os
import tempfile
import uuid
from pathlib import Path

import hypothesis
import pytest

from m2m_rt.adapters.lsl_config import use_config, write_loopback_config
from m2m_rt.app.threads import limit_threads


def pytest_configure(config: pytest.Config) -> None:
    """Set what must be set before numpy, pylsl and matplotlib are imported."""
    limit_threads()
    os.environ.setdefault("MPLBACKEND", "Agg")
    folder = tempfile.TemporaryDirectory(prefix="m2m-lsl-")
    config.add_cleanup(folder.cleanup)
    path = Path(folder.name) / "lsl_api.cfg"
    write_loopback_config(path, f"test-{uuid.uuid4().hex}")
    use_config(path)


# The same examples in every run, and no wall-clock judgement: the machine is shared.
# `--hypothesis-profile=explore` looks for new ones.
hypothesis.settings.register_profile(
    "m2m",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("m2m")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of public recordings that M2M_SHARED_DATA names."""
    named = os.environ.get("M2M_SHARED_DATA")
    if not named:
        pytest.skip("M2M_SHARED_DATA does not name the folder of public recordings")
    if not Path(named).is_dir():
        pytest.skip(f"M2M_SHARED_DATA names {named}, which is not a folder")
    return Path(named)
