"""Blocks as Dask tasks, on processes of this machine or on a cluster.

Each worker process assembles and factorises a head once. Dask gives the tasks of a
worker that is lost to the others; a task's result depends on its arguments alone.
"""

import contextlib
import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from m2m_rt.errors import ConfigError
from m2m_rt.fem.blocks import Item, Job
from m2m_rt.fem.direct import HeadModel, head_model
from m2m_rt.fem.mesh import HeadMesh, mesh_sha256
from m2m_rt.units import F64

if TYPE_CHECKING:
    from distributed import Client, Future

LOCAL = "local:"
RETRIES = 3
"""Of a task that raises; those of a lost worker are Dask's own affair."""

TIMEOUT_S = 30.0
"""For the scheduler to answer."""

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
    key: str

    @classmethod
    def of(cls, model: HeadModel, roi_points_mm: F64) -> "ModelRecipe":
        """Return the recipe that a model was made by."""
        order = model.elements.order
        digest = hashlib.sha256(f"{mesh_sha256(model.mesh)} {order} ".encode())
        digest.update(np.ascontiguousarray(roi_points_mm, "<f8").tobytes())
        return cls(model.mesh, roi_points_mm, order, digest.hexdigest())


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
        from distributed import as_completed

        shared = self._client.submit(_itself, job, pure=False)
        names: dict[Future, str] = {}
        todo = iter(items)
        running = as_completed()
        for name, item in todo:
            names[self._submit(shared, item)] = name
            running.add(list(names)[-1])
            if len(names) >= self._window():
                break
        for done in running:
            result: F64 = done.result()
            yield names.pop(done), result
            done.release()
            following = next(todo, None)
            if following is not None:
                future = self._submit(shared, following[1])
                names[future] = following[0]
                running.add(future)

    def _window(self) -> int:
        """Return how many tasks keep every worker busy, within what memory allows."""
        n_threads: int = sum(self._client.nthreads().values())
        return max(1, min(self._in_flight, 2 * n_threads))

    def _submit(self, job: "Future", item: Item) -> "Future":
        return self._client.submit(
            _do, job, self._recipe, item, pure=False, retries=RETRIES
        )


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
        stack.enter_context(dask.config.set(_SETTINGS))
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
        yield stack.enter_context(client)


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
        return job(_model_of(recipe), item)


def _model_of(recipe: ModelRecipe) -> HeadModel:
    if recipe.key not in _MODELS:
        _MODELS.clear()
        _MODELS[recipe.key] = head_model(
            recipe.mesh, recipe.roi_points_mm, order=recipe.order
        )
    return _MODELS[recipe.key]
