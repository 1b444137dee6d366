"""Solves a table's source modes with SimNIBS' own finite elements.

Run it with the Python of your SimNIBS (4.5), not with m2m_rt's; it needs nothing else:

    m2m table build --head m2m_ernie --coil C.ccd --target=-38,-22,57 \
        --simnibs-job job.npz
    simnibs_python tools/simnibs_table.py job.npz fields.npz
    m2m table build --head m2m_ernie --coil C.ccd --target=-38,-22,57 \
        --from-simnibs fields.npz --out my-table

SimNIBS is called through its public modules; none of its code is here.
"""

import argparse
import hashlib
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

JOB_FORMAT = "m2m_rt SimNIBS job 1"
FIELDS_FORMAT = "m2m_rt SimNIBS fields 1"
A_PER_S_PER_A_PER_US = 1e6


def main(arguments: list[str]) -> int:
    """Solve the job named first, write the fields to the file named second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("fields", type=Path)
    parser.add_argument("--head", help="the .msh file, if not where the job says")
    parser.add_argument("--solver", default="pardiso", help="SimNIBS' solver option")
    options = parser.parse_args(arguments)
    with np.load(options.job, allow_pickle=False) as file:
        job = {name: file[name] for name in file.files}
    if str(job.get("format")) != JOB_FORMAT:
        print(
            f"{options.job}: not a file of the format {JOB_FORMAT!r}", file=sys.stderr
        )
        return 2
    head = options.head or str(job["head"])
    if not Path(head).is_file():
        print(f"{head}: no such head mesh; give it with --head", file=sys.stderr)
        return 2
    _write(options.fields, job, solve(job, head, options.solver))
    return 0


def solve(job: dict[str, Any], head: str, solver: str) -> Any:  # noqa: ANN401 - NumPy's, of any version
    """Return E of every mode (n_modes, n_roi, 3), V/m per A/µs."""
    mesh_io = importlib.import_module("simnibs.mesh_tools.mesh_io")
    onlinefem = importlib.import_module("simnibs.simulation.onlinefem")
    mesh = mesh_io.read_msh(head).crop_mesh(elm_type=4)
    points = onlinefem.FemTargetPointCloud(mesh, job["roi_mm"])
    fem = onlinefem.OnlineFEM(
        mesh,
        "TMS",
        roi=[points],
        coil=_coil(job, 0),
        dataType=[1],
        useElements=True,
        solver_options=solver,
        cond=_conductivity(mesh_io, mesh, job),
    )
    n_modes = len(job["mode_am2"])
    efield = np.zeros((n_modes, len(job["roi_mm"]), 3))
    for mode in range(n_modes):
        # The factorised system stays; only the coil is another.
        fem.coil = _coil(job, mode)
        found = fem.update_field(matsimnibs=np.eye(4), didt=1.0)[0][0]
        efield[mode] = A_PER_S_PER_A_PER_US * np.asarray(found).reshape(-1, 3)
        print(f"\rmode {mode + 1} of {n_modes}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return efield


def _coil(job: dict[str, Any], mode: int) -> Any:  # noqa: ANN401 - SimNIBS' own
    """Return a mode as a SimNIBS coil: dipoles in the head frame, mm and A·m²."""
    package = "simnibs.simulation.tms_coil"
    stimulators = importlib.import_module(f"{package}.tms_stimulator")
    elements = importlib.import_module(f"{package}.tms_coil_element")
    coils = importlib.import_module(f"{package}.tms_coil")
    stimulator = stimulators.TmsStimulator("m2m_rt")
    stimulator.di_dt = 1.0
    moments = job["mode_am2"][mode][:, None] * job["source_normal"]
    dipoles = elements.DipoleElements(stimulator, job["source_mm"], moments)
    return coils.TmsCoil([dipoles])


def _conductivity(mesh_io: Any, mesh: Any, job: dict[str, Any]) -> Any:  # noqa: ANN401 - SimNIBS' own
    """Return the conductivity of every tetrahedron as SimNIBS wants it."""
    by_tag = dict(zip(job["tags"].tolist(), job["conductivity_s_per_m"], strict=True))
    tags = np.asarray(mesh.elm.tag1)
    unknown = sorted(set(np.unique(tags).tolist()) - set(by_tag))
    if unknown:
        raise SystemExit(f"tetrahedra with tags {unknown}: no conductivity is known")
    values = mesh_io.ElementData(np.array([by_tag[tag] for tag in tags.tolist()]))
    values.mesh = mesh
    return values


def _write(path: Path, job: dict[str, Any], efield: Any) -> None:  # noqa: ANN401 - NumPy's
    digest = hashlib.sha256()
    for name in sorted(set(job) - {"head", "format"}):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(job[name], dtype="<f8").tobytes())
    version = getattr(importlib.import_module("simnibs"), "__version__", "unknown")
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        np.savez_compressed(
            file,
            format=np.array(FIELDS_FORMAT),
            job_sha256=np.array(digest.hexdigest()),
            efield=efield,
            simnibs_version=np.array(str(version)),
        )
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
