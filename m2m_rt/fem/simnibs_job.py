"""Hands a table's modes to a user's SimNIBS and takes their fields back.

SimNIBS lives in an environment of its own. What it must solve goes there as one `.npz`
file (the job), what it found comes back as another (the fields). Between them
`tools/simnibs_table.py` runs, which needs SimNIBS and NumPy only. Both files hold
arrays of numbers and texts, never objects.

Job: `format`, `head` (path), `source_mm` (n, 3), `source_normal` (n, 3), `mode_am2`
(n_modes, n): normal moments, `roi_mm` (n_roi, 3), `tags` and `conductivity_s_per_m`.
Fields: `format`, `job_sha256`, `efield` (n_modes, n_roi, 3): V/m per A/µs,
`simnibs_version`.
"""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_rt.efield import Provenance
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem.build import ModeLayers, SolvedModes, TableSetup, code_sha256
from m2m_rt.fem.coils import coil_sha256
from m2m_rt.fem.mesh import HeadMesh, mesh_sha256
from m2m_rt.units import F64

JOB_FORMAT = "m2m_rt SimNIBS job 1"
FIELDS_FORMAT = "m2m_rt SimNIBS fields 1"
MAX_BYTES = 16 * 1024**3

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

Arrays = dict[str, npt.NDArray[Any]]


def job_arrays(setup: TableSetup, layers: ModeLayers, head: Path) -> Arrays:
    """Return what SimNIBS needs to know of a table."""
    return {
        "format": np.array(JOB_FORMAT),
        "head": np.array(str(head.resolve())),
        "source_mm": layers.sources.points_mm,
        "source_normal": layers.sources.normals,
        "mode_am2": np.ascontiguousarray(layers.modes.moments.T),
        "roi_mm": setup.roi.points_mm,
        "tags": np.array(list(CONDUCTIVITY_OF_TAG)),
        "conductivity_s_per_m": np.array(list(CONDUCTIVITY_OF_TAG.values())),
    }


def write_job(job: Arrays, path: Path) -> str:
    """Write a job and return its hash."""
    with path.open("wb") as file:
        members: dict[str, Any] = dict(job)
        np.savez_compressed(file, allow_pickle=False, **members)
    return job_sha256(job)


def job_sha256(job: Arrays) -> str:
    """Return the hash of what is to be solved; where the head lies is no part of it."""
    digest = hashlib.sha256()
    for name in sorted(set(job) - {"head", "format"}):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(job[name], dtype="<f8").tobytes())
    return digest.hexdigest()


def read_fields(path: Path, job: Arrays) -> tuple[F64, str]:
    """Return the modes' fields (3 · n_roi, n_modes) and SimNIBS' version.

    Raises
    ------
    ConfigError
        If there is no such file, or it answers another job.
    DataError
        If it is damaged or its array does not fit.
    """
    found = _load(path)
    if str(found.get("format")) != FIELDS_FORMAT:
        raise DataError(f"{path}: not a file of the format {FIELDS_FORMAT!r}")
    answered, expected = str(found.get("job_sha256")), job_sha256(job)
    if answered != expected:
        raise ConfigError(
            f"{path}: job_sha256", f"{answered[:12]}…", f"{expected[:12]}…"
        )
    efield = found.get("efield")
    shape = (len(job["mode_am2"]), len(job["roi_mm"]), 3)
    if efield is None or efield.shape != shape or efield.dtype.kind != "f":
        raise DataError(f"{path}: efield: expected numbers of shape {shape}")
    if not np.isfinite(efield).all():
        raise DataError(f"{path}: efield: found NaN or infinity")
    flat = efield.astype(np.float64).reshape(shape[0], -1)
    return np.ascontiguousarray(flat.T), str(found.get("simnibs_version"))


def solved_by_simnibs(
    setup: TableSetup, layers: ModeLayers, mesh: HeadMesh, answer: tuple[F64, str]
) -> SolvedModes:
    """Return the modes as SimNIBS solved them, for the table."""
    efield, version = answer
    conductivities = {f"tag_{t}": value for t, value in CONDUCTIVITY_OF_TAG.items()}
    provenance = Provenance(
        head_name=setup.name,
        mesh_sha256=mesh_sha256(mesh),
        coil_sha256=coil_sha256(setup.coil),
        code_sha256=code_sha256(),
        element_order=1,
        conductivities_s_per_m=conductivities,
        made_from=f"{setup.made_from} Modes solved by SimNIBS {version}.",
    )
    return SolvedModes(layers, efield, provenance)


def _load(path: Path) -> Arrays:
    """Return the arrays of an `.npz` file of bounded size, never an object."""
    if not path.is_file():
        raise ConfigError(str(path), "no file", "fields from tools/simnibs_table.py")
    try:
        with zipfile.ZipFile(path) as members:
            unpacked = sum(member.file_size for member in members.infolist())
        if unpacked > MAX_BYTES:
            raise DataError(f"{path}: unpacks to {unpacked} bytes; refused")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    # What NumPy raises on a damaged file depends on where it is damaged.
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as err:
        raise DataError(f"{path}: cannot be read ({err})") from err
