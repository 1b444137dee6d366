"""How fast a table answers on this machine, beside what it is compared with.

All of it runs on one thread and in one process. What is compared is timed in turns, so
that whatever else the machine does falls on both. A batch and its parts take tens of
milliseconds: they are timed by the processor time of this thread, which other
programs' turns are not in. Queries come back to back unless it says paced: a loop that
waits between them, as a rig does, finds colder caches and a slower clock.
"""

import time
from collections.abc import Callable

import numpy as np

from m2m_rt.efield import EfieldLookup, EfieldTable, draw_pose
from m2m_rt.fem import CoilDipoles, HeadModel, direct_fields
from m2m_rt.units import F32, F64

N_POSES = 1000
N_PACED = 200
PACE_S = 0.01
N_ROUNDS = 15
N_QUERIES_A_ROUND = 100
N_DIRECT_FEM = 3
MS_PER_NS = 1e-6

SQUARE = 1024
"""Side of the matrices whose product tells the machine's rate."""

SENSORS_A_BLOCK = 32
"""So that the blocks of a direct evaluation stay in the cache."""

Timed = Callable[[int], object]
"""One repetition, given its number."""

Clock = Callable[[], int]


def bench_table(
    table: EfieldTable,
    coil: CoilDipoles,
    report: Callable[[str, float], None],
    rng: np.random.Generator,
) -> dict[str, object]:
    """Return the figures of `m2m table bench`, by the names of its JSON file."""
    report("poses", 0.0)
    lookup = EfieldLookup(table)
    lookup.warm_up()
    poses = np.stack(
        [draw_pose(table.region, lookup.guard, rng) for _ in range(N_POSES)]
    )
    report("one pose, in turns with memory", 0.0)
    single = _in_turns_ms(
        {"query": lambda row: lookup.query(poses[row]), "floor": _read_as_much(table)},
        N_QUERIES_A_ROUND,
    )
    report("one pose, 100 a second", 0.0)
    paced_ms = _times_ms(lambda row: lookup.query(poses[row]), N_PACED, pause_s=PACE_S)
    report("batch, in turns with what it is made of", 0.0)
    batch = _in_turns_ms(_batch_parts(lookup, poses), 1, time.thread_time_ns)
    report("the coil's dipoles at the sensors", 0.0)
    direct_ms = _times_ms(lambda row: direct_b(table, coil, poses[row]), 50)
    query, floor = float(np.median(single["query"])), float(np.median(single["floor"]))
    batch_ms = float(np.median(batch["batch"])) / N_POSES
    batch_floor_ms = _batch_floor_ms(table, batch)
    return {
        "points": len(table.roi.points_mm),
        "sensors": len(table.sensors_mm),
        "rank": int(table.project.shape[0]),
        "dipoles": len(coil.position_mm),
        "query_ms": _p50_p99(single["query"]),
        "query_paced_ms": _p50_p99(paced_ms),
        "bandwidth_floor_ms": floor,
        "query_over_floor": query / floor,
        "batch_ms_per_pose": batch_ms,
        "batch_floor_ms_per_pose": batch_floor_ms,
        "batch_over_floor": batch_ms / batch_floor_ms,
        "direct_dipole_ms": float(np.median(direct_ms)),
        "direct_dipole_over_query": float(np.median(direct_ms)) / query,
    }


def direct_fem_ms(model: HeadModel, coil: CoilDipoles, poses: F64) -> float:
    """Return the median time of a direct solve on the factorised mesh."""
    times_ms = _times_ms(
        lambda row: direct_fields(model, coil, poses[row][np.newaxis]), N_DIRECT_FEM
    )
    return float(np.median(times_ms))


def _batch_parts(lookup: EfieldLookup, poses: F64) -> dict[str, Timed]:
    """Return a batch into memory that was used before, and what its floor is from."""
    n_roi, n_sensors = len(lookup.table.roi.points_mm), len(lookup.table.sensors_mm)
    out = np.zeros((len(poses), n_roi, 3), np.float32)
    b = np.zeros((len(poses), 3 * n_sensors), np.float32)
    square = np.full((SQUARE, SQUARE), 0.5, np.float32)
    product = np.zeros_like(square)

    return {
        "batch": lambda _: lookup.query_batch(poses, out=out),
        "gather": lambda _: lookup.coil_b(poses, b),
        "square": lambda _: np.dot(square, square, out=product),
    }


def _batch_floor_ms(table: EfieldTable, times_ms: dict[str, F64]) -> float:
    """Return the time a pose of the gather and of the products at sgemm's own rate."""
    a_product = float(np.median(times_ms["square"])) / SQUARE**3
    multiplications = table.project.size + table.basis.size
    return float(np.median(times_ms["gather"])) / N_POSES + multiplications * a_product


def _in_turns_ms(
    tasks: dict[str, Timed], n_each: int, clock_ns: Clock = time.perf_counter_ns
) -> dict[str, F64]:
    """Return the durations of each task, timed `n_each` at a time in turns."""
    rounds = [
        {name: _times_ms(once, n_each, clock_ns) for name, once in tasks.items()}
        for _ in range(N_ROUNDS)
    ]
    return {name: np.concatenate([each[name] for each in rounds]) for name in tasks}


def _times_ms(
    once: Timed,
    n_repeats: int,
    clock_ns: Clock = time.perf_counter_ns,
    pause_s: float = 0.0,
) -> F64:
    """Return the duration of each repetition, after one that is not counted (cold)."""
    durations_ns = np.zeros(n_repeats + 1)
    for row in range(-1, n_repeats):
        if pause_s:
            time.sleep(pause_s)
        started_ns = clock_ns()
        once(row)
        durations_ns[row] = clock_ns() - started_ns
    return durations_ns[:n_repeats] * MS_PER_NS


def direct_b(table: EfieldTable, coil: CoilDipoles, head_from_coil: F64) -> F32:
    """Return what a query's gather replaces, from the coil's dipoles: (n_sensors, 3).

    In A·m²/mm³ and head-frame components; µ0/4π would not change what it costs.
    """
    turn = head_from_coil[:3, :3].astype(np.float32)
    apart_mm = (table.sensors_mm - head_from_coil[:3, 3]).astype(np.float32)
    sensors_mm = apart_mm @ turn
    dipoles_mm = coil.position_mm.astype(np.float32)
    moments = coil.moment_am2.astype(np.float32)
    b = np.empty_like(sensors_mm)
    for start in range(0, len(b), SENSORS_A_BLOCK):
        block = slice(start, start + SENSORS_A_BLOCK)
        b[block] = _dipole_b(sensors_mm[block], dipoles_mm, moments)
    in_head: F32 = b @ turn.T
    return in_head


def _dipole_b(points_mm: F32, dipoles_mm: F32, moments: F32) -> F32:
    """Sum (3 (m·r) r / r² − m) / r³ in float32, points × dipoles at a time."""
    dx, dy, dz = (points_mm[:, k, None] - dipoles_mm[:, k] for k in range(3))
    r2 = dx * dx + dy * dy + dz * dz  # (n_points, n_dipoles)
    inverse_r3 = 1.0 / (r2 * np.sqrt(r2))
    along = moments[:, 0] * dx + moments[:, 1] * dy + moments[:, 2] * dz
    along *= np.float32(3.0) * inverse_r3 / r2
    b = np.stack([(along * d).sum(axis=1) for d in (dx, dy, dz)], axis=1)
    total: F32 = b - inverse_r3 @ moments
    return total


def _read_as_much(table: EfieldTable) -> Timed:
    """Return a float32 matrix-vector product that reads what one query reads.

    That is both factors and eight corners of three components a sensor.
    """
    rank = table.project.shape[0]
    n_numbers = table.project.size + table.basis.size + 8 * table.sensors_mm.size
    matrix = np.ones((n_numbers // rank, rank), np.float32)
    vector, out = np.ones(rank, np.float32), np.empty(len(matrix), np.float32)
    return lambda _: np.dot(matrix, vector, out=out)


def _p50_p99(times_ms: F64) -> dict[str, float]:
    p50, p99 = np.percentile(times_ms, (50, 99))
    return {"p50": float(p50), "p99": float(p99)}
