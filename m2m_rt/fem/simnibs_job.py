"""Hands a head's modes to a user's SimNIBS and takes their fields back.

SimNIBS lives in an environment of its own. What it must solve goes there as one `.npz`
file (the job), what it found comes back as another (the fields). Between them
`tools/simnibs_table.py` runs, which needs SimNIBS and NumPy only. Both files hold
arrays of numbers and texts, never objects.

Job: `format`, `head` and `finer_head` (paths), `source_mm` (n, 3), `source_normal`
(n, 3), `mode_am2` (n_modes, n): normal moments, `roi_mm` (n_roi, 3), `tags` and
`conductivity_s_per_m`; `layer_am2` (n_coils, n_layers, n): normal moments that stand
for each coil at some poses, the planned one first; `changed_s_per_m` (n_cases, n_tags);
for every coil k from 0 on its own dipoles, which are solved directly at held-out poses:
`coil<k>_dipole_mm`, `coil<k>_moment_am2` (n, 3), coil frame, and
`coil<k>_head_from_coil` (n_poses, 4, 4).
Fields: `format`, `job_sha256`, `efield` (n_modes, n_roi, 3): V/m per A/µs, for every
coil `coil<k>_efield` (n_poses, n_roi, 3), and `simnibs_version`; and, unless SimNIBS
was spared them, `changed_efield` (n_cases · n_coils, n_roi, 3): the planned layers with
conductivities changed, and `finer_efield` (n_coils · n_layers, n_roi, 3): all layers on
the finer mesh.
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
from m2m_rt.fem.build import ModeLayers, SolvedModes, TableSetup
from m2m_rt.fem.code_hash import code_sha256
from m2m_rt.fem.coils import coil_sha256
from m2m_rt.fem.conductivity import Conductivities
from m2m_rt.fem.direct_file import DirectSolves
from m2m_rt.fem.mesh import HeadMesh, mesh_sha256
from m2m_rt.fem.npz_file import Arrays, checked_numbers, read_npz, write_npz
from m2m_rt.fem.simnibs_errors import (
    SIMNIBS_S_PER_M,
    error_arrays,
    tag_conductivities,
)
from m2m_rt.units import F64

JOB_FORMAT = "m2m_rt SimNIBS job 3"
FIELDS_FORMAT = "m2m_rt SimNIBS fields 3"

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

    changed: F64 | None
    """(n_cases, n_coils, n_roi, 3): conductivities changed; None: not solved."""

    finer: F64 | None
    """(n_coils, n_layers, n_roi, 3): on a finer mesh; None: not solved."""

    version: str
    """Of SimNIBS."""

    def fields_of(self, coefficients: F64) -> F64:
        """Return the fields (n, n_roi, 3) of sums of modes (n_modes, n)."""
        fields = self.efield @ coefficients
        return fields.T.reshape(fields.shape[1], -1, 3)


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
    conductivities: Conductivities,
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
        "tags": np.array(list(SIMNIBS_S_PER_M)),
        "conductivity_s_per_m": tag_conductivities(conductivities),
    }
    job |= error_arrays(setups, layers, conductivities)
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
    for name in sorted(set(job) - {"head", "finer_head", "format"}):
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
    n_coils, n_layers = job["layer_am2"].shape[:2]
    n_cases = len(job["changed_s_per_m"])
    return SimnibsAnswer(
        efield=np.ascontiguousarray(efield.reshape(n_modes, -1).T),
        direct=direct,
        changed=_optional(found, "changed_efield", (n_cases, n_coils, n_roi, 3), path),
        finer=_optional(found, "finer_efield", (n_coils, n_layers, n_roi, 3), path),
        version=str(found.get("simnibs_version")),
    )


def solved_by_simnibs(
    setup: TableSetup,
    layers: ModeLayers,
    mesh: HeadMesh,
    job: Arrays,
    answer: SimnibsAnswer,
) -> SolvedModes:
    """Return the modes as SimNIBS solved them, for the table."""
    by_tag = zip(job["tags"].tolist(), job["conductivity_s_per_m"], strict=True)
    provenance = Provenance(
        head_name=setup.name,
        mesh_sha256=mesh_sha256(mesh),
        coil_sha256=coil_sha256(setup.coil),
        code_sha256=code_sha256(),
        element_order=1,
        conductivities_s_per_m={
            f"{BY_TAG}{tag}": float(value) for tag, value in by_tag
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


def _optional(
    found: Arrays, name: str, shape: tuple[int, int, int, int], path: Path
) -> F64 | None:
    """Return fields of a shape whose first two axes the file has as one."""
    if name not in found:
        return None
    first, second, *rest = shape
    stored = checked_numbers(found, name, (first * second, *rest), path)
    return stored.reshape(shape)


def _n_poses(job: Arrays) -> list[int]:
    """Return each coil's number of held-out poses."""
    names = (f"coil{k}_head_from_coil" for k in count())
    return [len(job[name]) for name in takewhile(job.__contains__, names)]
