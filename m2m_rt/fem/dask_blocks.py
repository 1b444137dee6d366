"""Blocks as Dask tasks, on processes of this machine or on a cluster.

Each worker process assembles and factorises a head once. Dask gives the tasks of a
worker that is lost to the others; a task's result depends on its arguments alone.
"""

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from m2m_rt.errors import ConfigError, LinkLost
from m2m_rt.fem.blocks import Item, Job
from m2m_rt.fem.code_hash import OF_NUMBERS, code_sha256
from m2m_rt.fem.conductivity import Conductivities
from m2m_rt.fem.direct import HeadModel, head_model
from m2m_rt.fem.mesh import HeadMesh, mesh_sha256
from m2m_rt.fem.work_folder import inputs_sha256
from m2m_rt.units import F64

if TYPE_CHECKING:
    from distributed import Client, Future

LOCAL = "local:"
RETRIES = 3
"""Of a task that raises; those of a lost worker are Dask's own affair."""

TIMEOUT_S = 30.0
"""For the scheduler to answer."""

PATIENCE_S = 120.0
"""Without a worker, before a build gives up; what is done so far is kept."""

_SETTINGS = {
    # A mesh is one task's argument, so that it is never lost with a worker.
    "distributed.admin.large-graph-warning-threshold": "10GB",
    # Each of its tasks may find another worker killed.
    "distributed.scheduler.allowed-failures": 10,
}


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """What a worker makes a head's model from."""

    mesh: HeadMesh
    roi_points_mm: F64
    order: int
    conductivities: Conductivities
    key: str
    """Of all that the model follows from."""

    code_sha256: str
    """Of the asker's source; a worker with another gives other numbers."""

    @classmethod
    def of(cls, model: HeadModel, roi_points_mm: F64) -> "ModelRecipe":
        """Return the recipe that a model was made by."""
        order, conductivities = model.elements.order, model.conductivities
        key = inputs_sha256(
            mesh_sha256(model.mesh), order, conductivities, roi_points_mm
        )
        code = code_sha256(OF_NUMBERS)
        return cls(model.mesh, roi_points_mm, order, conductivities, key, code)


class DaskPool:
    """Does jobs on the workers of a cluster, whatever their number."""

    def __init__(self, client: "Client", recipe: ModelRecipe, in_flight: int) -> None:
        """Hand the recipe to the cluster; `in_flight` tasks at a time at most."""
        self._client = client
        self._recipe = client.submit(_itself, recipe, pure=False)
        self._in_flight = in_flight

    def run(
        self, job: Job[Item], items: Iterable[tuple[str, Item]]
    ) -> Iterator[tuple[str, F64]]:
        """Yield each item's name and result, in the order in which they are done."""
        shared = self._client.submit(_itself, job, pure=False)
        names: dict[Future, str] = {}
        todo = iter(items)
        while True:
            for name, item in islice(todo, max(0, self._window() - len(names))):
                names[self._submit(shared, item)] = name
            if not names:
                return
            for done in _first_ended(self._client, names):
                yield names.pop(done), _result_of(done)
                done.release()

    def _window(self) -> int:
        """Return how many tasks keep every worker busy, within what memory allows."""
        return max(1, min(self._in_flight, 2 * _n_threads(self._client)))

    def _submit(self, job: "Future", item: Item) -> "Future":
        return self._client.submit(
            _do, job, self._recipe, item, pure=False, retries=RETRIES
        )


def _first_ended(client: "Client", futures: Iterable["Future"]) -> Iterable["Future"]:
    """Wait until some of the tasks have ended; return those.

    Raises
    ------
    LinkLost
        If the scheduler is gone, or has had no worker for minutes.
    """
    from distributed import wait

    waiting = list(futures)
    while True:
        try:
            ended: Iterable[Future] = wait(
                waiting, timeout=PATIENCE_S, return_when="FIRST_COMPLETED"
            ).done
        except TimeoutError:
            if not _n_threads(client):
                fault = "no worker is left; call again to go on"
                raise LinkLost(f"--dask: {fault}") from None
        except CancelledError as err:
            raise _without_scheduler(err) from err
        else:
            return ended


def _n_threads(client: "Client") -> int:
    """Return how many threads all workers have together."""
    try:
        return sum(client.nthreads().values())
    except OSError as err:
        raise _without_scheduler(err) from err


def _result_of(done: "Future") -> F64:
    from distributed.scheduler import KilledWorker

    try:
        result: F64 = done.result()
    except KilledWorker as err:
        raise LinkLost(
            f"--dask: {err}; is --max-memory more than the workers have?"
        ) from err
    except CancelledError as err:
        raise _without_scheduler(err) from err
    return result


def _without_scheduler(err: CancelledError | OSError) -> LinkLost:
    return LinkLost(f"--dask: the scheduler is gone ({err}); call again to go on")


@contextlib.contextmanager
def dask_client(where: str, timeout_s: float = TIMEOUT_S) -> Iterator["Client"]:
    """Yield a client of a scheduler's address, or of `local:N` processes made for it.

    Local processes listen on 127.0.0.1 only. Whoever can reach a scheduler can run code
    on it: an address must be on a network that is trusted.

    Raises
    ------
    ConfigError
        If Dask is not installed, or nobody answers at the address.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as err:
        raise ConfigError(
            "--dask", "no Dask", "`pip install m2m_rt[scale]` before"
        ) from err
    with contextlib.ExitStack() as stack:
        connect = {"distributed.comm.timeouts.connect": timeout_s}
        stack.enter_context(dask.config.set(_SETTINGS | connect))
        if where.startswith(LOCAL):
            cluster = LocalCluster(
                n_workers=_number(where),
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
            )
            address: object = stack.enter_context(cluster)
        else:
            address = where
        try:
            client = Client(address, timeout=timeout_s)
        except (OSError, ValueError) as err:
            raise ConfigError("--dask", where, "the address of a scheduler") from err
        stack.enter_context(client)
        try:
            client.wait_for_workers(1, timeout=timeout_s)
        except TimeoutError as err:
            raise ConfigError(
                "--dask", f"{where}, which has no worker", "a scheduler with workers"
            ) from err
        yield client


def _number(where: str) -> int:
    text = where.removeprefix(LOCAL)
    if not text.isdigit() or not 1 <= int(text) <= 1024:
        raise ConfigError("--dask", where, "local:N, with N from 1 to 1024")
    return int(text)


# -- on the workers -----------------------------------------------------------------

_LOCK = threading.Lock()
_MODELS: dict[str, HeadModel] = {}
"""The head that this process works for; one, for a factor fills gigabytes."""


def _itself(value: Item) -> Item:
    return value


def _do(job: Job[Item], recipe: ModelRecipe, item: Item) -> F64:
    # A factor is used by one thread at a time.
    with _LOCK:
        return job(model_on_worker(recipe), item)


def model_on_worker(recipe: ModelRecipe) -> HeadModel:
    """Return the model of a recipe, assembled in this process if it is not there.

    Raises
    ------
    ConfigError
        If this process has another version of the source.
    """
    if recipe.key not in _MODELS:
        _MODELS.clear()
        own = code_sha256(OF_NUMBERS)
        if own != recipe.code_sha256:
            raise ConfigError(
                f"--dask: m2m_rt on {socket.gethostname()}",
                f"source {own[:12]}…",
                f"{recipe.code_sha256[:12]}…, the same version on all workers",
            )
        _MODELS[recipe.key] = head_model(
            recipe.mesh,
            recipe.roi_points_mm,
            order=recipe.order,
            conductivities=recipe.conductivities,
        )
    return _MODELS[recipe.key]
