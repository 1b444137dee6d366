"""Many heads' tables, one head after another or a head a Dask worker.

A head that fails is told at the end and stops no other. A worker that is lost loses
nothing but its last block: another one goes on from what is kept in the cache, which
all workers must see, as they must see the heads and the tables' folders.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.build_plan import WholeBuild
from m2m_rt.app.table_build import plan_of, run_build
from m2m_rt.app.table_path import TABLE_FILE
from m2m_rt.app.table_request import DEMO, BuildRequest
from m2m_rt.efield import EfieldTable
from m2m_rt.errors import M2mError
from m2m_rt.fem import code_sha256, dask_client, find_head_mesh, inputs_sha256

if TYPE_CHECKING:
    from distributed import Future

HEAD_FAULTS = (
    M2mError,
    ValueError,
    ArithmeticError,
    RuntimeError,
    OSError,
    MemoryError,
)
"""What a head's files and meshes can lead to; anything else is a bug and ends all."""

TOPIC = "m2m-table-build"

Tell = Callable[[int, str, float], None]
"""Told a head's number, its step, and the fraction of its whole build."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One finished table, for the summary."""

    coil: str
    folder: str
    table_hash: str
    points: int
    self_error: float
    fem_rel_error: float | None


@dataclass(frozen=True, slots=True)
class HeadOutcome:
    """What became of one head."""

    head: str
    minutes: float
    tables: tuple[TableRow, ...] = ()
    error: str = ""
    """In one line; empty if all went well."""

    was_done: bool = False
    """By an earlier run; nothing was built now."""


def build_heads(
    requests: Sequence[BuildRequest], dask: str | None, tell: Tell
) -> list[HeadOutcome]:
    """Build every head's tables; return what became of each, in their order.

    Raises
    ------
    ConfigError
        If there is no such cluster.
    """
    alone = [replace(request, dask=None) for request in requests]
    if dask is None:
        return [build_head(k, request, tell) for k, request in enumerate(alone)]
    found: dict[int, HeadOutcome] = {}
    with dask_client(dask) as client:
        client.subscribe_topic(TOPIC, lambda event: tell(*event[1]))
        futures = {
            client.submit(_on_worker, k, request, pure=False): k
            for k, request in enumerate(alone)
        }
        for future, place in _as_they_end(futures):
            error = future.exception()
            if error is None:
                found[place] = future.result()
            else:
                name = alone[place].head
                found[place] = HeadOutcome(name, 0.0, error=_one_line(error))
            tell(place, "", 1.0)
    return [found[place] for place in range(len(alone))]


def build_head(place: int, request: BuildRequest, tell: Tell) -> HeadOutcome:
    """Build one head's tables unless they are there; a fault of it is an outcome."""
    started_s = time.monotonic()
    try:
        done = DoneBefore(request)
        rows = done.rows()
        if rows is not None:
            return HeadOutcome(request.head, 0.0, rows, was_done=True)
        whole = WholeBuild(plan_of(request), started_s)

        def report(step: str, part: float) -> None:
            whole.report(step, part, time.monotonic())
            tell(place, step, whole.fraction)

        tables = run_build(request, report)
        rows = tuple(
            _row(request, coil, table)
            for coil, table in zip(request.coils, tables, strict=True)
        )
        done.write(rows)
    except HEAD_FAULTS as err:
        minutes = (time.monotonic() - started_s) / 60.0
        return HeadOutcome(request.head, minutes, error=_one_line(err))
    return HeadOutcome(request.head, (time.monotonic() - started_s) / 60.0, rows)


def summary(outcomes: Sequence[HeadOutcome]) -> str:
    """Return a line a table, and a line a head that failed."""
    lines = [f"{'head':<24} {'coil':<16} {'points':>6} {'own':>7} {'mesh':>7}  table"]
    for each in outcomes:
        name = Path(each.head).name[-24:]
        if each.error:
            lines.append(f"{name:<24} FAILED: {each.error}")
        for row in each.tables:
            mesh = "" if row.fem_rel_error is None else f"{row.fem_rel_error:.2%}"
            lines.append(
                f"{name:<24} {row.coil:<16} {row.points:>6} {row.self_error:>7.2%} "
                f"{mesh:>7}  {row.folder}"
            )
    n_failed = sum(bool(each.error) for each in outcomes)
    n_before = sum(each.was_done for each in outcomes)
    lines.append(
        f"{len(outcomes)} heads: {n_failed} failed, {n_before} were done before."
    )
    return "\n".join(lines)


class DoneBefore:
    """Remembers in the cache that a head's tables are made, and from what."""

    def __init__(self, request: BuildRequest) -> None:
        self._request = request
        head = request.head
        files = [*request.coils, *([] if head == DEMO else [_head_file(head)])]
        contents = [_sha256(Path(file)) for file in files if Path(file).is_file()]
        inputs = replace(request, cache=Path(), max_memory_gb=None)
        # Another version of the finite elements makes another table.
        key = inputs_sha256(inputs, contents, code_sha256())
        self._path = request.cache / f"built-{key[:16]}.json"

    def rows(self) -> tuple[TableRow, ...] | None:
        """Return the tables, if all of them are there unchanged."""
        try:
            rows = msgspec.json.decode(
                self._path.read_bytes(), type=tuple[TableRow, ...]
            )
            tables = [read_table(Path(row.folder) / TABLE_FILE) for row in rows]
        # Neither a damaged memory nor a table that is gone stops a head.
        except (OSError, msgspec.DecodeError, M2mError):
            return None
        hashes = [table.table_hash for table in tables]
        return rows if hashes == [row.table_hash for row in rows] else None

    def write(self, rows: tuple[TableRow, ...]) -> None:
        """Remember the tables."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(msgspec.json.encode(rows))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _head_file(head: str) -> str:
    path = Path(head)
    return str(path if path.suffix in {".nii", ".gz"} else find_head_mesh(path))


def _row(request: BuildRequest, coil: str, table: EfieldTable) -> TableRow:
    return TableRow(
        coil=table.coil.name,
        folder=str(request.folder_for(coil)),
        table_hash=table.table_hash,
        points=len(table.roi.points_mm),
        self_error=table.self_error,
        fem_rel_error=table.fem_rel_error,
    )


def _as_they_end(futures: "dict[Future, int]") -> "Iterator[tuple[Future, int]]":
    from distributed import as_completed

    for future in as_completed(list(futures)):
        yield future, futures[future]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _on_worker(place: int, request: BuildRequest) -> HeadOutcome:
    from distributed import get_worker

    worker = get_worker()

    def tell(head: int, step: str, fraction: float) -> None:
        worker.log_event(TOPIC, (head, step, fraction))

    return build_head(place, request, tell)
