"""How fast a table answers on this machine, beside what it is compared with.

All of it runs on one thread and in one process, back to back unless it says paced. A
loop that waits between queries, as a rig does, finds colder caches and a slower clock.
"""

import time
from collections.abc import Callable

import numpy as np

from m2m_rt.efield import EfieldLookup, EfieldTable, draw_pose
from m2m_rt.fem import CoilDipoles
from m2m_rt.units import F32, F64

N_POSES = 1000
N_PACED = 200
PACE_S = 0.01
N_REPEATS = 5
MS_PER_NS = 1e-6

SENSORS_A_BLOCK = 32
"""So that the blocks of a direct evaluation stay in the cache."""

Timed = Callable[[int], object]
"""One repetition, given its number."""


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
    report("one pose, back to back", 0.0)
    hot_ms = _times_ms(lambda row: lookup.query(poses[row]), N_POSES)
    report("one pose, 100 a second", 0.0)
    paced_ms = _times_ms(lambda row: lookup.query(poses[row]), N_PACED, PACE_S)
    report("batch", 0.0)
    batch_ms = _times_ms(lambda _: lookup.query_batch(poses), N_REPEATS)
    report("the coil's dipoles at the sensors", 0.0)
    direct_ms = _times_ms(lambda row: direct_b(table, coil, poses[row]), 50)
    report("memory", 0.0)
    floor_ms = _times_ms(_read_as_much(table), N_POSES)
    direct = float(np.median(direct_ms))
    return {
        "points": len(table.roi.points_mm),
        "sensors": len(table.sensors_mm),
        "rank": int(table.project.shape[0]),
        "dipoles": len(coil.position_mm),
        "query_ms": _p50_p99(hot_ms),
        "query_paced_ms": _p50_p99(paced_ms),
        "batch_ms_per_pose": float(np.median(batch_ms)) / N_POSES,
        "direct_dipole_ms": direct,
        "direct_over_query": direct / float(np.median(hot_ms)),
        "bandwidth_floor_ms": float(np.median(floor_ms)),
    }


def _times_ms(once: Timed, n_repeats: int, pause_s: float = 0.0) -> F64:
    """Return the duration of each repetition, the first one (cold) left out."""
    durations_ns = np.zeros(n_repeats + 1)
    for row in range(-1, n_repeats):
        if pause_s:
            time.sleep(pause_s)
        started_ns = time.perf_counter_ns()
        once(row)
        durations_ns[row] = time.perf_counter_ns() - started_ns
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
