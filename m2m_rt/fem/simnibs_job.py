"""Hands a head's modes to a user's SimNIBS and takes their fields back.

SimNIBS lives in an environment of its own. What it must solve goes there as one `.npz`
file (the job), what it found comes back as another (the fields). Between them
`tools/simnibs_table.py` runs, which needs SimNIBS and NumPy only. Both files hold
arrays of numbers and texts, never objects.

Job: `format`, `head` (path), `source_mm` (n, 3), `source_normal` (n, 3), `mode_am2`
(n_modes, n): normal moments, `roi_mm` (n_roi, 3), `tags` and `conductivity_s_per_m`;
for every coil k from 0 on its own dipoles, which are solved directly at held-out poses:
`coil<k>_dipole_mm`, `coil<k>_moment_am2` (n, 3), coil frame, and
`coil<k>_head_from_coil` (n_poses, 4, 4).
Fields: `format`, `job_sha256`, `efield` (n_modes, n_roi, 3): V/m per A/µs, for every
coil `coil<k>_efield` (n_poses, n_roi, 3), and `simnibs_version`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

import numpy as np

from m2m_rt.efield import EfieldTable, Provenance, RegionGuard, draw_pose
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem.bound import BoundSettings, with_bound
from m2m_rt.fem.build import ModeLayers, SolvedModes, TableSetup, code_sha256
from m2m_rt.fem.coils import coil_sha256
from m2m_rt.fem.direct_file import DirectSolves
from m2m_rt.fem.mesh import HeadMesh, mesh_sha256
from m2m_rt.fem.npz_file import Arrays, checked_numbers, read_npz, write_npz
from m2m_rt.units import F64

JOB_FORMAT = "m2m_rt SimNIBS job 2"
FIELDS_FORMAT = "m2m_rt SimNIBS fields 2"

CONDUCTIVITY_OF_TAG = {
    1: 0.126,
    2: 0.275,
    3: 1.654,
    4: 0.010,
    5: 0.465,
    6: 0.5,
    7: 0.008,
    8: 0.025,
    9: 0.6,
    10: 0.16,
}
"""S/m by SimNIBS tissue number: its defaults; SimNIBS keeps apart what we merge."""

BY_TAG = "tag_"

N_CHECKED = 40
"""Poses a coil that `m2m table check` compares with, apart from those of the bound."""

CHECK_SEED = 5
"""Of them."""


@dataclass(frozen=True, slots=True)
class SimnibsAnswer:
    """What SimNIBS found for a job."""

    efield: F64
    """(3 · n_roi, n_modes): V/m per A/µs, point-major."""

    direct: tuple[F64, ...]
    """(n_poses, n_roi, 3) for each coil: V/m per A/µs."""

    version: str
    """Of SimNIBS."""


def held_out_of(
    setup: TableSetup, bound: BoundSettings, n_checked: int = N_CHECKED
) -> F64:
    """Return the poses (n, 4, 4) that SimNIBS solves directly: the bound's come first.

    None for a coil that is more than dipoles: SimNIBS is handed dipoles only.
    """
    if setup.coil.other is not None:
        return np.zeros((0, 4, 4))
    guard = RegionGuard(setup.region, setup.coil.winding_mm)
    parts = ((bound.seed, bound.n_poses), (CHECK_SEED, n_checked))
    return np.stack(
        [
            draw_pose(setup.region, guard, rng)
            for seed, n_poses in parts
            for rng in [np.random.default_rng(seed)]
            for _ in range(n_poses)
        ]
    )


def job_arrays(
    setups: Sequence[TableSetup],
    layers: ModeLayers,
    head: Path,
    held_out: Sequence[F64],
) -> Arrays:
    """Return what SimNIBS needs to know of the tables of one head and region.

    Parameters
    ----------
    held_out
        For each set-up the poses of `held_out_of`.
    """
    job = {
        "format": np.array(JOB_FORMAT),
        "head": np.array(str(head.resolve())),
        "source_mm": layers.sources.points_mm,
        "source_normal": layers.sources.normals,
        "mode_am2": np.ascontiguousarray(layers.modes.moments.T),
        "roi_mm": setups[0].roi.points_mm,
        "tags": np.array(list(CONDUCTIVITY_OF_TAG)),
        "conductivity_s_per_m": np.array(list(CONDUCTIVITY_OF_TAG.values())),
    }
    for k, (setup, poses) in enumerate(zip(setups, held_out, strict=True)):
        job[f"coil{k}_dipole_mm"] = setup.coil.position_mm
        job[f"coil{k}_moment_am2"] = setup.coil.moment_am2
        job[f"coil{k}_head_from_coil"] = poses
    return job


def write_job(job: Arrays, path: Path) -> str:
    """Write a job and return its hash."""
    write_npz(job, path)
    return job_sha256(job)


def job_sha256(job: Arrays) -> str:
    """Return the hash of what is to be solved; where the head lies is no part of it."""
    digest = hashlib.sha256()
    for name in sorted(set(job) - {"head", "format"}):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(job[name], dtype="<f8").tobytes())
    return digest.hexdigest()


def read_fields(path: Path, job: Arrays) -> SimnibsAnswer:
    """Return what SimNIBS found for a job.

    Raises
    ------
    ConfigError
        If there is no such file, or it answers another job.
    DataError
        If it is damaged or its arrays do not fit.
    """
    found = read_npz(path, "fields from tools/simnibs_table.py")
    if str(found.get("format")) != FIELDS_FORMAT:
        raise DataError(f"{path}: not a file of the format {FIELDS_FORMAT!r}")
    answered, expected = str(found.get("job_sha256")), job_sha256(job)
    if answered != expected:
        raise ConfigError(
            f"{path}: job_sha256", f"{answered[:12]}…", f"{expected[:12]}…"
        )
    n_modes, n_roi = len(job["mode_am2"]), len(job["roi_mm"])
    efield = checked_numbers(found, "efield", (n_modes, n_roi, 3), path)
    direct = tuple(
        checked_numbers(found, f"coil{k}_efield", (n_poses, n_roi, 3), path)
        for k, n_poses in enumerate(_n_poses(job))
    )
    flat = np.ascontiguousarray(efield.reshape(n_modes, -1).T)
    return SimnibsAnswer(flat, direct, str(found.get("simnibs_version")))


def solved_by_simnibs(
    setup: TableSetup, layers: ModeLayers, mesh: HeadMesh, answer: SimnibsAnswer
) -> SolvedModes:
    """Return the modes as SimNIBS solved them, for the table."""
    provenance = Provenance(
        head_name=setup.name,
        mesh_sha256=mesh_sha256(mesh),
        coil_sha256=coil_sha256(setup.coil),
        code_sha256=code_sha256(),
        element_order=1,
        conductivities_s_per_m={
            f"{BY_TAG}{tag}": value for tag, value in CONDUCTIVITY_OF_TAG.items()
        },
        made_from=f"{setup.made_from} Modes solved by SimNIBS {answer.version}.",
    )
    return SolvedModes(layers, answer.efield, provenance)


def is_solved_by_simnibs(table: EfieldTable) -> bool:
    """Say whether a table's fields are not of our own elements."""
    names = table.provenance.conductivities_s_per_m
    return any(name.startswith(BY_TAG) for name in names)


def bounded_by_simnibs(
    table: EfieldTable, bound: BoundSettings, poses: F64, direct: F64
) -> tuple[EfieldTable, DirectSolves]:
    """Return a table with its bound, and the direct solves that are left to check it.

    Parameters
    ----------
    poses, direct
        Shapes (n, 4, 4) and (n, n_roi, 3), the bound's first. If there are none the
        table has no bound.
    """
    n = bound.n_poses
    if len(poses):
        flat = direct[:n].reshape(n, -1)
        table = with_bound(table, bound, poses[:n], flat)
    return table, DirectSolves(poses[n:], direct[n:])


def _n_poses(job: Arrays) -> list[int]:
    """Return each coil's number of held-out poses."""
    names = (f"coil{k}_head_from_coil" for k in count())
    return [len(job[name]) for name in takewhile(job.__contains__, names)]
