"""A build's blocks on a scheduler and workers that are processes of their own."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.file_lock import locked
from m2m_rt.errors import ConfigError
from m2m_rt.fem import FigureEightSettings, HeadModel, demo_coil, head_model
from m2m_rt.fem.blocks import SerialPool
from m2m_rt.fem.bound import DirectField
from m2m_rt.fem.dask_blocks import DaskPool, ModelRecipe, dask_client, model_on_worker
from m2m_rt.fem.sphere import layered_ball
from m2m_rt.fem.work_folder import WorkFolder
from m2m_rt.units import F64
from tests.support.fem_shapes import tilted_pose

ROOT = Path(__file__).resolve().parents[2]
POINTS_MM = np.array(((0.0, 10.0, 66.0), (0.0, -10.0, 66.0)))
JOB = DirectField(demo_coil(FigureEightSettings(n_rings=3)))
ITEMS = {
    f"pose-{k:02d}": tilted_pose(height_mm=105.0, tilt_deg=2.0 * k)[np.newaxis]
    for k in range(12)
}


@contextmanager
def process(*arguments: str, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a part of a cluster; give it and the line that says that it is there."""
    with subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        try:
            yield child, next(line for line in child.stderr if until in line)
        finally:
            child.kill()


@dataclass(frozen=True)
class Cluster:
    address: str
    stack: ExitStack

    def add_worker(self) -> "subprocess.Popen[str]":
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
        host = ("--host", "127.0.0.1")
        child, _ = self.stack.enter_context(
            process(*("worker", self.address, *options, *host), until="Registered to")
        )
        return child


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with ExitStack() as stack:
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        _, line = stack.enter_context(
            process("scheduler", *options, until="Scheduler at:")
        )
        yield Cluster(line.split()[-1], stack)


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return head_model(layered_ball(9), POINTS_MM)


def test_a_worker_of_a_remote_scheduler_that_is_killed_changes_nothing(
    cluster: Cluster, model: HeadModel
) -> None:
    with (
        pytest.raises(ConfigError, match="no worker"),
        dask_client(cluster.address, 0.5),
    ):
        pass
    alone = dict(SerialPool(model).run(JOB, iter(ITEMS.items())))
    workers = [cluster.add_worker(), cluster.add_worker()]
    found: dict[str, F64] = {}
    with dask_client(cluster.address) as client:
        pool = DaskPool(client, ModelRecipe.of(model, POINTS_MM), in_flight=4)
        for name, result in pool.run(JOB, iter(ITEMS.items())):
            if not found:
                workers[0].kill()
            found[name] = result
    assert sorted(found) == sorted(alone)
    for name, expected in alone.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-12)


def test_a_worker_with_another_version_refuses_to_work(model: HeadModel) -> None:
    recipe = replace(
        ModelRecipe.of(model, POINTS_MM), key="another", code_sha256="0" * 64
    )
    with pytest.raises(ConfigError, match="same version") as refused:
        model_on_worker(recipe)
    # As it comes back from a worker.
    again = pickle.loads(pickle.dumps(refused.value))
    assert str(again) == str(refused.value)


def test_two_builds_of_one_table_do_not_share_a_folder(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "work", "key")
    with work.locked():
        work.write("block", np.zeros(3))
        with pytest.raises(ConfigError, match="another process"), work.locked():
            pass
        work.remove()  # another's: it stays
        assert work.read("block") is not None
    work.remove()
    assert not (tmp_path / "work").exists()


def test_a_lock_is_free_again_when_its_process_is_killed(tmp_path: Path) -> None:
    text = (
        "import sys; from pathlib import Path\n"
        "from m2m_rt.adapters.file_lock import locked\n"
        "with locked(Path(sys.argv[1]), 'x'): print('held', flush=True); input()"
    )
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", text, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match="in use"), locked(path, "x"):
            pass
        child.kill()
    with locked(path, "x"):
        pass
